// definition.hpp: what a series is, and its bytes in a lane's arena.
// Names and labels follow Prometheus' data model (prometheus.io/docs/concepts/data_model).
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ring/abi.hpp"
#include "ring/error.hpp"

namespace ring {

enum class Kind : std::uint16_t {
  gauge = 1,    // a value that goes up and down
  counter = 2,  // a total that only grows, and starts again from zero when its process does
  state = 3,    // one of a few named values, told by its index
};

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Definition {
  Kind kind = Kind::gauge;
  std::string name;
  std::string unit;
  Labels labels;                    // sorted by key, keys unique
  std::vector<std::string> states;  // of Kind::state: the name of value 0, 1, ...
  bool operator==(const Definition&) const = default;
};

namespace limits {
inline constexpr std::size_t name_bytes = 255;
inline constexpr std::size_t unit_bytes = 63;
inline constexpr std::size_t labels = 32;
inline constexpr std::size_t label_value_bytes = 1023;
inline constexpr std::size_t states = 64;
inline constexpr std::size_t state_name_bytes = 63;
}  // namespace limits

namespace detail {

inline bool is_name(std::string_view text, bool colons) noexcept {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || (colons && c == ':'); });
}

/// Well-formed UTF-8 (RFC 3629) without NUL.
inline bool is_text(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || i + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0u) != 0x80) return false;
      point = point << 6 | (byte(i + k) & 0x3fu);
    }
    const std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

[[noreturn]] inline void refuse(const std::string& what, std::string_view found, const std::string& expected) {
  std::string shown(found.substr(0, 80));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  throw Error(Failure::bad_argument, what + " \"" + shown + "\": expected " + expected);
}

inline void check_text(const std::string& what, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max || !is_text(text))
    refuse(what, text, "at most " + std::to_string(bytes_max) + " bytes of UTF-8 without NUL");
}

}  // namespace detail

/// Sorts the labels and checks everything; throws Error(bad_argument) that names the part and what it found.
inline Definition checked(Definition d) {
  using detail::refuse;
  if (d.name.size() > limits::name_bytes || !detail::is_name(d.name, true))
    refuse("series name", d.name, "[a-zA-Z_:][a-zA-Z0-9_:]* of at most 255 characters");
  const std::string of = " of series " + d.name;
  if (d.kind < Kind::gauge || d.kind > Kind::state)
    refuse("kind" + of, std::to_string(static_cast<unsigned>(d.kind)), "1 gauge, 2 counter or 3 state");
  detail::check_text("unit" + of, d.unit, limits::unit_bytes);
  if (d.labels.size() > limits::labels)
    refuse("labels" + of, std::to_string(d.labels.size()), "at most 32 labels");
  std::sort(d.labels.begin(), d.labels.end());
  for (std::size_t i = 0; i < d.labels.size(); ++i) {
    const auto& [key, value] = d.labels[i];
    if (key.size() > limits::name_bytes || !detail::is_name(key, false) || key.starts_with("__"))
      refuse("label name" + of, key, "[a-zA-Z_][a-zA-Z0-9_]* that does not begin with __");
    if (i > 0 && d.labels[i - 1].first == key) refuse("label name" + of, key, "each label once");
    detail::check_text("value of label " + key + of, value, limits::label_value_bytes);
  }
  if ((d.kind == Kind::state) != !d.states.empty() || d.states.size() > limits::states)
    refuse("states" + of, std::to_string(d.states.size()), "1 to 64 state names, for a state and only there");
  for (std::size_t i = 0; i < d.states.size(); ++i) {
    detail::check_text("state name" + of, d.states[i], limits::state_name_bytes);
    if (d.states[i].empty() || std::count(d.states.begin(), d.states.end(), d.states[i]) > 1)
      refuse("state name" + of, d.states[i], "names that are not empty and differ");
  }
  return d;
}

/// The definition as it stands in an arena: header, strings, zero padding to a multiple of 8 bytes.
inline std::vector<std::byte> encode(const Definition& d) {
  std::vector<std::byte> out(sizeof(abi::DefinitionHeader));
  const auto put = [&](std::string_view text) {
    const auto size = static_cast<std::uint16_t>(text.size());
    const auto at = out.size();
    out.resize(at + 2 + text.size());
    std::memcpy(&out[at], &size, 2);
    if (!text.empty()) std::memcpy(&out[at + 2], text.data(), text.size());
  };
  put(d.name);
  put(d.unit);
  for (const auto& [key, value] : d.labels) put(key), put(value);
  for (const auto& state : d.states) put(state);
  out.resize((out.size() + 7) / 8 * 8);
  if (out.size() > abi::definition_bytes_max)
    detail::refuse("definition of series", d.name, "at most 8192 bytes of name, unit, labels and states");
  abi::DefinitionHeader header{static_cast<std::uint32_t>(out.size()), 0, static_cast<std::uint16_t>(d.kind),
                               static_cast<std::uint16_t>(d.labels.size()),
                               static_cast<std::uint16_t>(d.states.size()), 0};
  std::memcpy(out.data(), &header, sizeof header);
  header.checksum = abi::fnv1a(out.data() + 8, out.size() - 8);
  std::memcpy(out.data() + 4, &header.checksum, 4);
  return out;
}

struct DefinitionHash {
  std::size_t operator()(const Definition& d) const {
    const auto bytes = encode(d);
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};
/// What number a definition has: a producer may have 65,535 of them.
using DefinitionNumbers = std::unordered_map<Definition, std::uint32_t, DefinitionHash>;

/// The first definition in `bytes`, a private copy of arena bytes; throws Error(foreign) unless every length,
/// the checksum and the grammar hold. `consumed` is its size.
inline Definition decode(std::span<const std::byte> bytes, std::size_t& consumed) {
  const auto damaged = [](const std::string& why) { return Error(Failure::foreign, "definition: " + why); };
  abi::DefinitionHeader header;
  if (bytes.size() < sizeof header) throw damaged("cut off");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.bytes < sizeof header || header.bytes % 8 || header.bytes > abi::definition_bytes_max ||
      header.bytes > bytes.size())
    throw damaged("length " + std::to_string(header.bytes) + " of " + std::to_string(bytes.size()) + " bytes");
  bytes = bytes.first(header.bytes);
  if (abi::fnv1a(bytes.data() + 8, bytes.size() - 8) != header.checksum) throw damaged("wrong checksum");
  std::size_t at = sizeof header;
  const auto take = [&] {
    std::uint16_t size = 0;
    if (at + 2 > bytes.size()) throw damaged("string beyond its end");
    std::memcpy(&size, &bytes[at], 2);
    at += 2;
    if (at + size > bytes.size()) throw damaged("string beyond its end");
    std::string text(size, '\0');
    if (size) std::memcpy(text.data(), bytes.data() + at, size);
    at += size;
    return text;
  };
  Definition d;
  d.kind = static_cast<Kind>(header.kind);
  d.name = take();
  d.unit = take();
  if (header.labels > limits::labels || header.states > limits::states) throw damaged("too many parts");
  for (unsigned i = 0; i < header.labels; ++i) {
    auto key = take();
    d.labels.emplace_back(std::move(key), take());
  }
  for (unsigned i = 0; i < header.states; ++i) d.states.push_back(take());
  try {
    d = checked(std::move(d));
  } catch (const Error& e) {
    throw damaged(e.what());
  }
  consumed = header.bytes;
  return d;
}

}  // namespace ring
