// link.hpp: what a link controller records, 26 values a cycle at 20 Hz, as the design describes the workload:
// measured ones rounded, means and what is computed from them in full precision, steps, zeros unless loaded,
// states, constants, counters.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace ringdown {

class Link {
 public:
  static constexpr std::array names{
      "rtt_ms",       "fused_rtt_ms", "baseline_ms",  "load_ms",       "delta_ms",    "jitter_ms",
      "variance",     "deviation_ms", "confidence",   "rate_down",     "rate_up",     "drops_down",
      "drops_up",     "backlog_down", "backlog_up",   "delay_down_us", "delay_up_us", "state_down",
      "state_up",     "congested",    "ceiling_down", "ceiling_up",    "floor",       "weight",
      "cycles_total", "spikes_total"};
  using Values = std::array<double, names.size()>;

  explicit Link(std::uint64_t seed) : random_(seed) {}

  Values next() {
    if (--left_ <= 0) {
      loaded_ = !loaded_;
      left_ = 100 + below(1100);  // 5 to 60 s
    }
    const bool spike = below(2000) == 0;
    const double raw = 22 + std::lognormal_distribution<>(0, 0.6)(random_) + (loaded_ ? 25 : 0) +
                       (spike ? 200 + static_cast<double>(below(300)) : 0);
    const double rtt = rounded(raw, 10), fused = rounded(0.7 * rtt + 0.3 * (raw + uniform()), 10);
    jitter_ += (std::abs(rtt - rtt_) - jitter_) / 16;
    rtt_ = rtt;
    load_ = 0.1 * rtt + 0.9 * load_;
    if (load_ - baseline_ < 3) baseline_ = 0.02 * rtt + 0.98 * baseline_;
    const double delta = load_ - baseline_;
    variance_ += 0.05 * ((rtt - load_) * (rtt - load_) - variance_);
    const int state = delta > 15 ? 3 : delta > 6 ? 2 : delta > 3 ? 1 : 0;
    if (cycle_ % 10 == 0) {  // the rate moves twice a second
      rate_down_ = std::clamp(rate_down_ + (state > 1 ? -12.5 : 0.825), 200.0, 900.0);
      rate_up_ = std::clamp(rate_up_ * (state > 1 ? 0.98 : 1.004), 8.0, 38.0);
    }
    const double load = loaded_ ? 1 : 0;
    ++cycle_;
    spikes_ += spike;
    return {rtt,
            fused,
            baseline_,
            load_,
            delta,
            jitter_,
            variance_,
            std::sqrt(variance_),
            1 / (1 + variance_ / (load_ * load_)),
            rounded(rate_down_, 1000),
            rounded(rate_up_, 1000),
            load * rounded(3 * uniform() * uniform(), 100),
            load * rounded(uniform() * uniform(), 100),
            load * static_cast<double>(below(120)),
            load * static_cast<double>(below(9)),
            std::floor(180 + 40 * uniform() + load * 4000 * uniform()),
            std::floor(220 + 60 * uniform() + load * 2500 * uniform()),
            static_cast<double>(state),
            static_cast<double>(state > 1),
            load,
            900,
            38,
            8.5,
            0.05,
            static_cast<double>(4'000'000 + cycle_),
            static_cast<double>(31 + spikes_)};
  }

 private:
  static double rounded(double value, double steps) { return std::round(value * steps) / steps; }
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  std::mt19937_64 random_;
  bool loaded_ = true;
  std::int64_t left_ = 0, cycle_ = 0, spikes_ = 0;
  double rtt_ = 23, jitter_ = 0.7, load_ = 23, baseline_ = 23, variance_ = 0.8, rate_down_ = 700,
         rate_up_ = 30;
};

}  // namespace ringdown
