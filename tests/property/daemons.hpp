// daemons.hpp: random samples, in time and out of it, for property tests of the tiers.
#pragma once

#include <random>
#include <vector>

#include "tiers.hpp"

namespace tiers {

inline std::vector<Series> some_series() {
  const auto rule = [](ring::Kind kind, bool on_change) {
    ringdown::SeriesRule out;
    out.aggregation = kind;
    out.carries = on_change || kind == ring::Kind::state;
    out.hold_ns =
        kind == ring::Kind::state && !on_change ? ringdown::hold_state_ns : ringdown::hold_ordered_ns;
    return Series{out, {}, true};
  };
  auto dropped = rule(ring::Kind::gauge, false);
  dropped.keep = false;
  return {rule(ring::Kind::gauge, false), rule(ring::Kind::counter, false), rule(ring::Kind::state, false),
          rule(ring::Kind::state, true),  rule(ring::Kind::gauge, true),    rule(ring::Kind::counter, false),
          dropped};
}

/// What control daemons do, and what they should not.
class Daemons {
 public:
  explicit Daemons(std::mt19937_64& random) : random_(random) {
    pace_ns_ = second_ns * static_cast<std::int64_t>(1 + random_() % 20);
    odd_ = 2 + random_() % 60;
  }
  std::vector<ringdown::Sample> batch() {
    std::vector<ringdown::Sample> out;
    for (auto i = random_() % 60; i > 0; --i) out.push_back(sample());
    if (random_() % 10 == 0) wall_ns() += static_cast<std::int64_t>(random_() % 5000) * second_ns;  // a gap
    if (random_() % 40 == 0) wall_ns() -= static_cast<std::int64_t>(random_() % 2000) * second_ns;  // a step
    return out;
  }

 private:
  ringdown::Sample sample() {
    wall_ns() += static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(pace_ns_)) / 8;
    auto time_ns = wall_ns() - static_cast<std::int64_t>(random_() % 1000) * 1'000'000;
    const auto series = static_cast<std::uint32_t>(random_() % 7) + 1;
    if (random_() % odd_ == 0) time_ns -= static_cast<std::int64_t>(random_() % 4000) * second_ns;  // late
    if (random_() % (odd_ * 4) == 0)
      time_ns += static_cast<std::int64_t>(random_() % 600) * second_ns;  // early
    if (random_() % 10 == 0) time_ns = last_ns_;  // a duplicate, perhaps of another series
    last_ns_ = time_ns;
    return {time_ns, value(series), series};
  }
  double value(std::uint32_t series) {
    if (series == 2 || series == 6) {  // counters
      if (random_() % 30 == 0) total_ = 0;
      return total_ += static_cast<double>(random_() % 100);
    }
    if (series == 3 || series == 4) return static_cast<double>(random_() % 4);
    return random_() % 50 == 0 ? 1e308
                               : static_cast<double>(static_cast<std::int64_t>(random_() % 4001) - 2000) / 8;
  }

  std::mt19937_64& random_;
  std::int64_t pace_ns_, last_ns_ = wall_ns();
  std::uint64_t odd_;
  double total_ = 0;
};

}  // namespace tiers
