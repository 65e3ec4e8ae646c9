#include "plane.hpp"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

namespace ringdown {
namespace {

constexpr unsigned zstandard = 9;
constexpr int level = 1;  // the lowest that packs literals, which is nearly all that a plane is

using Context = std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)>;
using UnpackContext = std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)>;

template <std::size_t bits>
void pack(const std::uint8_t* from, std::size_t groups, std::byte* to) {
  for (; groups > 0; --groups, from += 8, to += bits) {
    std::uint64_t word = 0;
    for (std::size_t j = 0; j < 8; ++j) word |= std::uint64_t{from[j]} << (j * bits);
    std::memcpy(to, &word, bits);
  }
}
template <std::size_t bits>
void unpack(const std::byte* from, std::size_t groups, std::uint8_t* to) {
  for (; groups > 0; --groups, from += bits, to += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, bits);
    for (std::size_t j = 0; j < 8; ++j)
      to[j] = static_cast<std::uint8_t>(word >> (j * bits) & ((1u << bits) - 1));
  }
}
constexpr decltype(&pack<1>) packs[] = {pack<1>, pack<2>, pack<3>, pack<4>, pack<5>, pack<6>, pack<7>};
constexpr decltype(&unpack<1>) unpacks[] = {unpack<1>, unpack<2>, unpack<3>, unpack<4>,
                                            unpack<5>, unpack<6>, unpack<7>};

std::size_t packed_bytes(std::size_t count, unsigned bits) {
  return bits == 8 ? count : (count + 7) / 8 * bits;
}

/// @return whether that takes at most `most` bytes
bool put_frame(const std::uint8_t* plane, std::size_t count, std::size_t most, Bytes& out) {
  thread_local Context context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  thread_local Bytes frame;
  frame.resize(ZSTD_compressBound(count));
  const auto size = ZSTD_compressCCtx(context.get(), frame.data(), frame.size(), plane, count, level);
  if (ZSTD_isError(size)) throw std::runtime_error(std::string("pack a chunk: ") + ZSTD_getErrorName(size));
  if (size > most) return false;
  put_byte(zstandard, out);
  put_varint(size, out);
  out.insert(out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
  return true;
}

void get_frame(std::span<const std::byte> frame, std::size_t count, std::uint8_t* room) {
  thread_local UnpackContext context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  const auto size = ZSTD_decompressDCtx(context.get(), room, count, frame.data(), frame.size());
  if (ZSTD_isError(size))
    throw std::runtime_error(std::string("it cannot be unpacked: ") + ZSTD_getErrorName(size));
  if (size != count)
    throw std::runtime_error(std::to_string(size) + " bytes are unpacked, expected " + std::to_string(count));
}

}  // namespace

void put_plane(const std::uint8_t* plane, std::size_t count, Bytes& out) {
  std::uint8_t all = 0;
  for (std::size_t i = 0; i < count; ++i) all |= plane[i];
  const auto bits = static_cast<unsigned>(std::bit_width(all));
  const auto bytes = packed_bytes(count, bits);
  // A frame takes some microseconds to unpack, however small it is.
  constexpr std::size_t worth_a_frame = 64, saved_min = 8, saved_share = 32;
  if (bytes > worth_a_frame && put_frame(plane, count, bytes - saved_min - bytes / saved_share, out)) return;
  put_byte(bits, out);
  const auto at = out.size();
  out.resize(at + bytes);
  if (bits == 8)
    std::memcpy(out.data() + at, plane, count);
  else if (bits > 0)
    packs[bits - 1](plane, (count + 7) / 8, out.data() + at);
}

const std::uint8_t* get_plane(ByteReader& reader, std::size_t count, std::uint8_t* room) {
  const auto bits = reader.byte();
  if (bits == zstandard) {
    const auto size = reader.varint();
    get_frame(reader.take(size), count, room);
    return room;
  }
  if (bits > 8) throw std::runtime_error("a plane of kind " + std::to_string(bits) + " is unknown");
  const auto bytes = reader.take(packed_bytes(count, bits));
  if (bits == 8) return reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (bits == 0)
    std::memset(room, 0, count);
  else
    unpacks[bits - 1](bytes.data(), (count + 7) / 8, room);
  return room;
}

}  // namespace ringdown
