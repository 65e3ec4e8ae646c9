#include "units.hpp"

#include <charconv>
#include <limits>
#include <span>

namespace ringdown {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t size;
};
constexpr Unit durations[] = {{"y", 365 * 86400 * second_ns},
                              {"w", 7 * 86400 * second_ns},
                              {"d", 86400 * second_ns},
                              {"h", 3600 * second_ns},
                              {"m", 60 * second_ns},
                              {"s", second_ns},
                              {"ms", 1'000'000},
                              {"us", 1'000},
                              {"ns", 1}};
constexpr Unit sizes[] = {{"TiB", 1ll << 40},
                          {"TB", 1'000'000'000'000},
                          {"GiB", 1ll << 30},
                          {"GB", 1'000'000'000},
                          {"MiB", 1ll << 20},
                          {"MB", 1'000'000},
                          {"KiB", 1ll << 10},
                          {"kB", 1'000},
                          {"B", 1}};

/// Takes a whole number and its unit off the front of `text`; `units` are then those behind that unit.
std::optional<std::int64_t> take_part(std::string_view& text, std::span<const Unit>& units) noexcept {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || text[0] == '-') return {};
  const std::string_view behind(rest, static_cast<std::size_t>(end - rest));
  const auto name = behind.substr(0, behind.find_first_of("0123456789"));
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (units[i].name != name) continue;
    const auto size = units[i].size;
    if (number > std::numeric_limits<std::int64_t>::max() / size) return {};
    text = behind.substr(name.size());
    units = units.subspan(i + 1);
    return number * size;
  }
  return {};
}

}  // namespace

std::optional<std::int64_t> parse_duration_ns(std::string_view text) noexcept {
  constexpr auto max = duration_s_max * second_ns;
  if (text.empty()) return {};
  std::int64_t sum = 0;
  for (std::span<const Unit> units = durations; !text.empty();) {
    const auto part = take_part(text, units);
    if (!part || *part > max - sum) return {};
    sum += *part;
  }
  return sum;
}

std::string duration_text(std::int64_t ns) {
  std::string out;
  for (const auto& [name, size] : std::span(durations).subspan(2)) {  // 30d says more than 4w2d
    if (ns >= size) out += std::to_string(ns / size).append(name);
    ns %= size;
  }
  return out.empty() ? "0s" : out;
}

std::optional<std::uint64_t> parse_size_bytes(std::string_view text) noexcept {
  if (text.empty()) return {};
  std::span<const Unit> units = sizes;
  const auto bytes = take_part(text, units);
  if (!bytes || !text.empty()) return {};
  return static_cast<std::uint64_t>(*bytes);
}

std::string size_text(std::uint64_t bytes) {
  for (const auto& [name, size] : sizes) {
    const auto unit = static_cast<std::uint64_t>(size);
    if (bytes >= unit && bytes % unit == 0) return std::to_string(bytes / unit).append(name);
  }
  return "0B";
}

}  // namespace ringdown
