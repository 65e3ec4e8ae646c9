#include "decimal.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace ringdown {
namespace {

constexpr auto powers = [] {
  std::array<double, decimal_places_max + 1> out{1};
  for (std::size_t i = 1; i < out.size(); ++i) out[i] = out[i - 1] * 10;  // exact up to 10^22
  return out;
}();

// Adding this rounds a double below 2^51 to a whole number, which is then in its lowest bits.
constexpr double rounder = 0x1.8p52, digits_end = 0x1p51;

/// The whole number nearest to value * power. @return whether that gives the value back
bool to_digits(double value, double power, std::uint64_t& digits) {
  const double scaled = value * power;
  if (!(std::abs(scaled) < digits_end)) return false;
  const double rounded = scaled + rounder;
  const double back = (rounded - rounder) / power;
  digits = std::bit_cast<std::uint64_t>(rounded) - std::bit_cast<std::uint64_t>(rounder);
  return std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value);
}

/// The places that do for a look at some of the values; too many are `decimal_places_max + 1`.
unsigned find_places(std::span<const double> values, unsigned places) {
  constexpr std::size_t looks = 64, misfits_max = 20;
  constexpr double stride =
      0.6180339887498949;  // of the whole: evenly spread, but never in step with the values
  double at = 0;
  std::size_t misfits = 0;
  for (std::size_t i = 0; i < std::min(looks, values.size()); ++i, at += stride - (at + stride >= 1)) {
    const auto value = values[static_cast<std::size_t>(at * static_cast<double>(values.size()))];
    std::uint64_t digits;
    auto enough = places;
    while (enough <= decimal_places_max && !to_digits(value, powers[enough], digits)) ++enough;
    if (enough <= decimal_places_max)
      places = enough;
    else if (++misfits > misfits_max)
      return decimal_places_max + 1;
  }
  return places;
}

Decimals to_decimals(std::span<const double> values, unsigned places) {
  Decimals out{.places = places, .digits = {}, .misfits = {}, .misfit_values = {}};
  out.digits.resize(values.size());
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::uint64_t digits; to_digits(values[i], powers[places], digits)) {
      before = digits;
    } else {
      out.misfits.push_back(i);
      out.misfit_values.push_back(values[i]);
    }
    out.digits[i] = before;
  }
  return out;
}

}  // namespace

std::optional<Decimals> find_decimals(std::span<const double> values) {
  constexpr int tries = 3;
  auto places = find_places(values, 0);
  for (int i = 0; i < tries && places <= decimal_places_max; ++i) {
    auto out = to_decimals(values, places);
    const auto better = find_places(out.misfit_values, places);
    if (out.misfits.size() <= values.size() / 256 || better == places || better > decimal_places_max)
      return out;
    places = better;
  }
  return std::nullopt;
}

void from_digits(std::span<const std::uint64_t> digits, unsigned places, std::span<double> values) {
  const double power = powers[places];
  const auto one = [power](std::uint64_t number) {
    return (std::bit_cast<double>(number + std::bit_cast<std::uint64_t>(rounder)) - rounder) / power;
  };
  constexpr std::size_t block = 64;  // of a fixed length, so that the compiler uses vectors
  std::size_t from = 0;
  for (; from + block <= values.size(); from += block)
    for (std::size_t i = 0; i < block; ++i) values[from + i] = one(digits[from + i]);
  for (; from < values.size(); ++from) values[from] = one(digits[from]);
}

}  // namespace ringdown
