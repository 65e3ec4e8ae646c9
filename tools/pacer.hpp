// pacer.hpp: sleeps until recorded times are due again, at their own rate or faster, and tells how late it woke.
#pragma once

#include <time.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "histogram.hpp"
#include "ring/ownership.hpp"

namespace ringdown {

/// later - earlier, at most what fits.
inline std::int64_t difference_ns(std::int64_t later, std::int64_t earlier) noexcept {
  std::int64_t out = 0;
  if (!__builtin_sub_overflow(later, earlier, &out)) return out;
  return later < earlier ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

class Pacer {
 public:
  static constexpr std::int64_t second_ns = 1'000'000'000;

  /// @param speed          1: as recorded; 20: twenty times faster; 0: flat out, nothing is waited for
  /// @param stop           not 0 when a signal has asked for the end
  /// @param once_a_second  called about once a second while waiting and between samples
  Pacer(double speed, const volatile std::sig_atomic_t& stop, std::function<void()> once_a_second)
      : speed_(speed), stop_(stop), once_a_second_(std::move(once_a_second)) {}

  /// Returns when `time_ns` is due, at once if it is before one that was. @return false when it is to end
  bool wait(std::int64_t time_ns) {
    auto now_ns = monotonic_ns();
    if (!first_ns_) first_ns_ = time_ns, start_ns_ = now_ns, next_second_ns_ = now_ns + second_ns;
    if (speed_ > 0) {
      const auto after_ns = static_cast<double>(difference_ns(time_ns, *first_ns_)) / speed_;
      due_ns_ = std::max(due_ns_, start_ns_ + static_cast<std::int64_t>(std::clamp(after_ns, 0.0, longest_ns)));
    }
    for (; !stop_; now_ns = monotonic_ns()) {
      if (now_ns >= next_second_ns_) {
        next_second_ns_ += ((now_ns - next_second_ns_) / second_ns + 1) * second_ns;
        once_a_second_();
        continue;
      }
      if (now_ns >= due_ns_) break;
      // In slices: a signal that comes just before the sleep does not end it.
      const auto until_ns = std::min({due_ns_, next_second_ns_, now_ns + slice_ns});
      const timespec until{until_ns / second_ns, until_ns % second_ns};
      ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    }
    if (stop_) return false;
    if (speed_ > 0) lateness_.add(now_ns - due_ns_);
    return true;
  }

  double elapsed_s() const noexcept { return first_ns_ ? static_cast<double>(monotonic_ns() - start_ns_) / 1e9 : 0; }
  /// Empty when it runs flat out.
  const Histogram& lateness() const noexcept { return lateness_; }

 private:
  static constexpr std::int64_t slice_ns = 100'000'000;
  static constexpr double longest_ns = 0x1p61;
  static std::int64_t monotonic_ns() noexcept { return ring::clock_ns(CLOCK_MONOTONIC); }

  double speed_;
  const volatile std::sig_atomic_t& stop_;
  std::function<void()> once_a_second_;
  std::optional<std::int64_t> first_ns_;
  std::int64_t start_ns_ = 0, due_ns_ = 0, next_second_ns_ = 0;
  Histogram lateness_;
};

}  // namespace ringdown
