// plane.hpp: a plane, the bytes of one significance of a column of numbers, packed.
//
//   u8      0 to 8: bits a byte; every byte of the plane is below 2^bits
//             (n + 7) / 8 groups of 8 bytes, each in `bits` bytes: byte j at bit j * bits of the group, a
//             little-endian number. With 8 bits, the n bytes as they are
//           9: a Zstandard frame
//             varint  its size
//             the frame, which unpacks to the n bytes
#pragma once

#include "varint.hpp"

namespace ringdown {

/// Room that get_plane needs behind a plane.
inline constexpr std::size_t plane_spare_bytes = 8;

/// Packs `count` bytes and appends them. Zeros must be behind the last, up to a multiple of 8.
void put_plane(const std::uint8_t* plane, std::size_t count, Bytes& out);

/// @param room  for count + plane_spare_bytes bytes
/// @return `count` bytes, in `room` or where the reader has them. Throws std::runtime_error
const std::uint8_t* get_plane(ByteReader& reader, std::size_t count, std::uint8_t* room);

}  // namespace ringdown
