// mean.hpp: exponential means of decimal numbers, as control loops compute them, told by those numbers.
//
// A mean x that became x' follows, by a weight, the number s = x + (x' - x) / weight. If every s is a whole
// number of some decimal place (decimal.hpp), these are much shorter than the means. A mean is computed from
// them as the loop may have done it, in one of two ways; where that gives another double, its bits are off by
// a few units.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ringdown {

struct Means {
  enum class Way : std::uint8_t {
    step,     // x + weight * (s - x)
    blended,  // weight * s + (1 - weight) * x
  };
  static constexpr unsigned places_max = 3;
  Way way = Way::step;
  unsigned places = 0;
  double weight = 1;
  // Of every value but the first:
  std::vector<std::uint64_t> digits;  // of s
  std::vector<std::uint64_t> off;     // the value's bits minus the computed one's, modulo 2^64
};
/// Nothing if the values are no such means.
std::optional<Means> find_means(std::span<const double> values);

/// Fills all values but the first from digits and off, one shorter. The same everywhere (the build switches
/// off the contraction of a product and a sum).
void from_means(Means::Way way, unsigned places, double weight, std::span<const std::uint64_t> digits,
                std::span<const std::uint64_t> off, std::span<double> values);

}  // namespace ringdown
