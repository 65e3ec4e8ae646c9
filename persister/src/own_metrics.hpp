// own_metrics.hpp: what the persister tells of itself: into its own database, through a ring that it drains.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ring/producer.hpp"

namespace ringdown {

/// One value of one series. The name follows Prometheus' rules: its unit last, _total for a counter.
struct Figure {
  ring::Kind kind;
  std::string name;
  std::string unit;
  std::string help;
  ring::Labels labels;
  double value;
};

/// How long something took since the start.
struct Timing {
  using Clock = std::chrono::steady_clock;
  std::uint64_t count = 0;
  Clock::duration total{};
  Clock::duration longest{};  // since it was last told

  template <class Work>
  decltype(auto) time(Work&& work) {
    struct Stop {
      ~Stop() { timing.add(Clock::now() - from); }
      Timing& timing;
      Clock::time_point from;
    } stop{*this, Clock::now()};
    return work();
  }
  void add(Clock::duration took) noexcept {
    ++count;
    total += took;
    longest = std::max(longest, took);
  }
};

class OwnMetrics {
 public:
  /// Throws ring::Error: in `ring`, which is there, no lane is free.
  explicit OwnMetrics(const std::string& ring);
  /// A series that is new is defined first.
  void push(const std::vector<Figure>& figures);

 private:
  ring::Producer producer_;
  std::unordered_map<std::string, ring::Series> series_;  // by name and labels
};

}  // namespace ringdown
