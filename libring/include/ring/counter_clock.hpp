// counter_clock.hpp: realtime from the processor's time stamp counter, for less than half of what the vDSO takes.
// The counter is anchored to CLOCK_REALTIME, and its rate taken from two anchors, outside the loop: each sync() follows
// what has steered or set the realtime clock since.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#include "ring/ownership.hpp"

namespace ring {

class CounterClock {
 public:
  /// Whether the processor says that its counter runs at one rate through every sleep state (x86-64 only).
  static bool available() noexcept {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    return ::__get_cpuid(0x8000'0007, &a, &b, &c, &d) != 0 && (d >> 8 & 1);
#else
    return false;
#endif
  }

  /// Anchors the clock anew. The first time it takes 10 ms, to learn the rate; afterwards a microsecond.
  void sync() noexcept {
    if (first_.ns == 0) {
      first_ = take_pair();
      const timespec pause{0, static_cast<long>(learn_ns)};
      ::nanosleep(&pause, nullptr);
    }
    const auto now = take_pair();
    const double ns = static_cast<double>(now.ns - first_.ns), ticks = static_cast<double>(now.counter - first_.counter);
    const double rate = ticks > 0 ? ns / ticks : 0;
    if (rate_ == 0) {
      rate_ = rate;
    } else if (ticks * rate_ >= learn_ns) {  // over less the rate would be a rough one, and the old one is better
      const bool stepped = rate < rate_ * (1 - steered_max) || rate > rate_ * (1 + steered_max);
      if (!stepped) rate_ = rate;
      if (stepped || ns > window_ns) first_ = now;
    }
    const auto next = 1 - current_.load(std::memory_order_relaxed);
    anchors_[next] = {now, rate_};
    std::atomic_signal_fence(std::memory_order_seq_cst);  // a push from a signal handler sees the old or the new one
    current_.store(next, std::memory_order_relaxed);
  }

  /// ns since the epoch.
  std::int64_t now_ns() const noexcept {
    const auto& anchor = anchors_[current_.load(std::memory_order_relaxed)];
    const auto ticks = static_cast<double>(static_cast<std::int64_t>(counter() - anchor.at.counter));
    return anchor.at.ns + static_cast<std::int64_t>(ticks * anchor.rate);
  }

 private:
  struct Pair {
    std::uint64_t counter = 0;
    std::int64_t ns = 0;
  };
  struct Anchor {
    Pair at;
    double rate = 0;  // ns a tick
  };
  static constexpr double steered_max = 0.001;   // no NTP client steers by more than 500 ppm
  static constexpr double window_ns = 16e9;      // the rate is that of the last 16 s or less
  static constexpr double learn_ns = 10e6;       // the shortest distance that a rate is taken over

  static std::uint64_t counter() noexcept {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
  }
  /// The tightest of some readings of the realtime clock between two of the counter.
  static Pair take_pair() noexcept {
    Pair best;
    auto narrowest = ~std::uint64_t{0};
    for (int i = 0; i < 8; ++i) {
      const auto before = counter();
      const auto ns = clock_ns(CLOCK_REALTIME);
      const auto width = counter() - before;
      if (width < narrowest) narrowest = width, best = {before + width / 2, ns};
    }
    return best;
  }

  Pair first_;
  double rate_ = 0;
  Anchor anchors_[2];
  std::atomic<int> current_{0};
};

}  // namespace ring
