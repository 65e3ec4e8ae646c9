// budget.hpp: how long a slice of maintenance may take.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>

namespace ringdown {

struct Budget {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end = Clock::time_point::max();
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();  // rows or batches: for tests

  Clock::time_point asked{};  // when the step before began

  /// To be asked before each step: whether one more, as long as the one before, would not fit any more. The first of a
  /// slice that has not ended yet is always allowed.
  bool spent() noexcept {
    if (steps-- <= 0) return true;
    const auto now = Clock::now(), before = std::exchange(asked, now);
    return now >= end || (before != Clock::time_point{} && end - now < now - before);
  }
};

}  // namespace ringdown
