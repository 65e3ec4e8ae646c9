// varint.hpp: numbers in as few bytes as they need (7 bits a byte, the lowest first), and their checked
// reading.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace ringdown {

using Bytes = std::vector<std::byte>;

/// Of a signed number, modulo 2^64: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
constexpr std::uint64_t zigzag(std::uint64_t number) noexcept { return number << 1 ^ (0 - (number >> 63)); }
constexpr std::uint64_t unzigzag(std::uint64_t coded) noexcept { return coded >> 1 ^ (0 - (coded & 1)); }

inline void put_byte(unsigned value, Bytes& out) { out.push_back(static_cast<std::byte>(value)); }
inline constexpr std::size_t varint_bytes_max = 10;
/// @return behind the number, which is put to `at`
inline std::byte* put_varint(std::uint64_t value, std::byte* at) noexcept {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::byte>(value | 0x80);
  *at++ = static_cast<std::byte>(value);
  return at;
}
inline void put_varint(std::uint64_t value, Bytes& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

/// Reads what somebody else may have written. Throws std::runtime_error.
class ByteReader {
 public:
  /// @param about  what an error's text begins with
  explicit ByteReader(std::span<const std::byte> bytes, const char* about = "") noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), about_(about) {}
  std::span<const std::byte> take(std::size_t count) {
    if (count > left()) ends_early(about_, count - left());
    const auto* const from = at_;
    at_ += count;
    return {from, count};
  }
  unsigned byte() {
    if (at_ == end_) ends_early(about_, 1);
    return std::to_integer<unsigned>(*at_++);
  }
  std::uint64_t varint() {
    std::uint64_t out = byte();
    if (out < 0x80) return out;
    out &= 0x7f;
    for (unsigned shift = 7; shift < 63; shift += 7) {
      const std::uint64_t part = byte();
      out |= (part & 0x7f) << shift;
      if (part < 0x80) return out;
    }
    const std::uint64_t last = byte();
    if (last < 2) return out | last << 63;
    too_long(about_);
  }
  /// A varint of at most `most`.
  std::uint64_t varint(std::uint64_t most, const char* what) {
    const auto out = varint();
    if (out > most) too_great(about_, what, out, most);
    return out;
  }
  std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  bool at_end() const noexcept { return at_ == end_; }

 private:
  // Apart and without `this`, so that the compiler keeps a reader in registers.
  [[noreturn, gnu::cold, gnu::noinline]] static void ends_early(const char* about, std::size_t bytes) {
    throw std::runtime_error(about + ("it ends " + std::to_string(bytes) + " bytes too early"));
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void too_long(const char* about) {
    throw std::runtime_error(std::string(about) + "a number has more than 64 bits");
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void too_great(const char* about, const char* what,
                                                               std::uint64_t number, std::uint64_t most) {
    throw std::runtime_error(std::string(about) + what + " is " + std::to_string(number) + ", at most " +
                             std::to_string(most) + " is possible");
  }

  const std::byte* at_;
  const std::byte* end_;
  const char* about_;
};

}  // namespace ringdown
