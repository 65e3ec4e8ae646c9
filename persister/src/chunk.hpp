// chunk.hpp: a window's samples of one series, packed without any loss.
//
// Blob, version 1 (little-endian; varint and zigzag as in varint.hpp):
//   0   u32  magic "RDC1"
//   4   u32  checksum: low half of XXH3-64 of the bytes from 8 on
//   8   u32  samples, 1 to chunk_samples_max
//   12  u32  bytes of the time stamps
//   16  the time stamps, ns: a column (column.hpp)
//   then the values: u8 kind, and of kind
//     0 images      a column of the doubles' images: the bits, of a negative one inverted, of another with
//                   the highest set, so that they are in the order of the doubles
//     1 decimals    u8 places, 0 to 18; varint misfits
//                   if there are any: a column of where they are, from 0 on, and a column of their images
//                   a column of whole numbers: a value is its number / 10^places
//     2 dictionary  varint entries; a column of their images, ascending
//                   a column of each value's place in it, from 0 on
//     3 means       u8 way + 2 * places (mean.hpp); f64 first value; f64 weight
//                   of the other values, a column of the numbers that they follow, and one of what their bits
//                   are off by
//     4 runs        varint runs; a column of their lengths less 1
//                   u8 another kind, and the runs' values so
//
// A column is packed as what a prediction is off by: a level or a line, a step, a bend (delta of delta:
// Gorilla, Pelkonen et al., VLDB 2015). That is put into planes, one for each byte of significance, as
// Parquet's BYTE_STREAM_SPLIT and Blosc's shuffle do: each plane in as few bits as it needs or, if that is
// smaller, under Zstandard, whose Huffman codes take out what is uneven in the upper ones. So the lower bits
// of a full-precision double, which are noise, are copied, and unpacking consists of plain loops. That a
// double is k / 10^p is used as in ALP (Afroozeh, Kuffo, Boncz, SIGMOD 2024), ordered images as in pcodec
// (Loncaric et al., 2025).
//
// Which kind and which prediction are guessed to be the cheapest by the mean length of some 130 numbers, in
// stretches all over the chunk. A wrong guess costs bytes, never a bit of a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rollup.hpp"

namespace ringdown {

/// Most samples of a chunk.
inline constexpr std::uint32_t chunk_samples_max = 1 << 20;

/// Packs samples that are in time order (equal time stamps allowed). `blob` is replaced. 1 to
/// chunk_samples_max samples, else std::length_error.
void encode_chunk(std::span<const Point> samples, std::vector<std::byte>& blob);

/// Unpacks what encode_chunk packed, bit by bit the same. Replaces both vectors (same length). Throws
/// std::runtime_error that says what is wrong, whatever the bytes.
void decode_chunk(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns,
                  std::vector<double>& values);
/// Half of decode_chunk, at half of its cost. Neither looks at the other half, but the checksum is of both.
void decode_chunk_times(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns);
void decode_chunk_values(std::span<const std::byte> blob, std::vector<double>& values);

/// How many samples decode_chunk will give, by the header alone: the checksum is not looked at. Throws
/// std::runtime_error.
std::uint32_t chunk_samples(std::span<const std::byte> blob);

}  // namespace ringdown
