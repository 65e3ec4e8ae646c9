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
inline void put_varint(std::uint64_t value, Bytes& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

/// Reads what somebody else may have written. Throws std::runtime_error.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size())
      throw std::runtime_error("it ends " + std::to_string(count - bytes_.size()) + " bytes too early");
    const auto out = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return out;
  }
  unsigned byte() { return std::to_integer<unsigned>(take(1)[0]); }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t part = byte();
      out |= (part & 0x7f) << shift;
      if (part < 0x80) return out;
    }
    throw std::runtime_error("a number has more than 64 bits");
  }
  /// A varint of at most `most`.
  std::uint64_t varint(std::uint64_t most, const char* what) {
    const auto out = varint();
    if (out > most)
      throw std::runtime_error(std::string(what) + " is " + std::to_string(out) + ", at most " +
                               std::to_string(most) + " is possible");
    return out;
  }
  bool at_end() const noexcept { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace ringdown
