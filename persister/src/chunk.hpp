// chunk.hpp: a window's samples of one series, packed without any loss.
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
