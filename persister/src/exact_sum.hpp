// exact_sum.hpp: sums of doubles that do not gather rounding errors.
#pragma once

#include <cmath>

namespace ringdown {

/// Neumaier's sum: the rounding errors of the additions (by Knuth's two-sum) are added up beside it.
inline void add_exactly(double& sum, double& errors, double value) noexcept {
  const double before = sum, added = (sum += value) - before;
  errors += (before - (sum - added)) + (value - added);
}
inline double exact(double sum, double errors) noexcept { return std::isfinite(sum) ? sum + errors : sum; }

}  // namespace ringdown
