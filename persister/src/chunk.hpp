// chunk.hpp: a window's samples of one series, packed without any loss: time stamps and values in blobs of
// their own, as series that are sampled together share the former.
//
// Blob, version 1 (little-endian; varint and zigzag as in varint.hpp):
//   0   u32  magic: "RDT1" time stamps, "RDV1" values
//   4   u32  checksum: low half of XXH3-64 of the bytes from 8 on
//   8   u32  samples, 1 to chunk_samples_max
//   12  the samples in parts of 65,536, the last of what is left, one after the other
//
// Each part is packed alone, so that packing and unpacking take a few megabytes beside their result.
// One of time stamps, ns, is a column (column.hpp). One of values is u8 kind, and of kind
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
// stretches all over the part. A wrong guess costs bytes, never a bit of a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ringdown {

/// Most samples of a chunk, as of a batch.
inline constexpr std::uint32_t chunk_samples_max = 1 << 24;

/// Packs time stamps, ns, which are smallest in time order (equal ones allowed); any order comes back.
/// `blob` is replaced. 1 to chunk_samples_max, else std::length_error.
void encode_times(std::span<const std::int64_t> times_ns, std::vector<std::byte>& blob);
/// Packs values of any bits, likewise.
void encode_values(std::span<const double> values, std::vector<std::byte>& blob);

/// Unpack what encode_times and encode_values packed, bit by bit the same. Replace the vector. Throw
/// std::runtime_error that says what is wrong, whatever the bytes; the vector may then hold anything.
void decode_times(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns);
void decode_values(std::span<const std::byte> blob, std::vector<double>& values);

/// How many samples either gives, by the header alone: the checksum is not looked at. Throws
/// std::runtime_error.
std::uint32_t chunk_samples(std::span<const std::byte> blob);

}  // namespace ringdown
