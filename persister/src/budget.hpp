// budget.hpp: how long a slice of maintenance may take.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace ringdown {

struct Budget {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end = Clock::time_point::max();
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();  // rows or batches: for tests

  /// To be asked before each step; the first of a slice is always allowed.
  bool spent() noexcept { return steps-- <= 0 || Clock::now() >= end; }
};

}  // namespace ringdown
