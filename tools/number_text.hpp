// number_text.hpp: a number as programs write it into text.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace ringdown {

/// Decimal, with or without sign and exponent, or NaN, Inf or Infinity in any case. None: it is anything else, or
/// beyond what a double can hold.
inline std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+') && text.find_first_of("+-", 1) != 1) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.ends_with(')')) return {};  // nan(...)
  if (error == std::errc::result_out_of_range) {  // too large, or so small that it is nearly 0
    value = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(value)) return {};
    return value;
  }
  if (error != std::errc()) return {};
  return value;
}

}  // namespace ringdown
