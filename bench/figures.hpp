// figures.hpp: how a benchmark measures what is shorter than a call of the clock, and its percentiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ring/epoch.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

/// The processor's time stamp counter, read after all that comes before it; elsewhere the kernel's clock.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  _mm_lfence();
  const auto now = __rdtsc();
  _mm_lfence();
  return now;
#else
  return static_cast<std::uint64_t>(ring::clock_ns(CLOCK_MONOTONIC));
#endif
}

/// Nanoseconds of one tick, by 50 ms of CLOCK_MONOTONIC.
inline double tick_ns() {
  static const double ns = [] {
    const auto from_ns = ring::clock_ns(CLOCK_MONOTONIC);
    const auto from = ticks();
    while (ring::clock_ns(CLOCK_MONOTONIC) - from_ns < 50'000'000) {
    }
    const auto took = ticks() - from;
    return static_cast<double>(ring::clock_ns(CLOCK_MONOTONIC) - from_ns) / static_cast<double>(took);
  }();
  return ns;
}

/// Of values in ascending order; share 1 is the greatest.
template <class T>
double percentile(const std::vector<T>& sorted, double share) {
  if (sorted.empty()) return 0;
  return static_cast<double>(
      sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))]);
}

}  // namespace bench
