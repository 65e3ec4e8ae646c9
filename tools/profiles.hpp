// profiles.hpp: the two workloads of the design, series by series and a second of samples at a time, for whoever takes
// them: a ring, an engine, a table.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "link.hpp"
#include "ring/definition.hpp"

namespace ringdown {

class Profile {
 public:
  /// Takes a sample of series number `series`, which is its place in series().
  using Push = std::function<void(std::size_t series, double value, std::int64_t time_ns)>;

  virtual ~Profile() = default;
  const std::vector<ring::Definition>& series() const noexcept { return series_; }
  /// The samples of the second that begins now, in the order they are pushed.
  virtual void second(std::int64_t start_ns, const Push& push) = 0;

 protected:
  void add(ring::Kind kind, std::string name, ring::Labels labels) {
    std::vector<std::string> states;
    if (kind == ring::Kind::state) states = {"none", "low", "some", "high", "all"};
    series_.push_back({kind, std::move(name), "", std::move(labels), std::move(states)});
  }

 private:
  std::vector<ring::Definition> series_;
};

/// Two link controllers at 20 Hz, 26 values a cycle under one time stamp, which is some 0.1 ms late.
class ControlLoop : public Profile {
 public:
  /// The same seed gives the same values.
  explicit ControlLoop(std::uint64_t seed = 1)
      : links_{Link(3 * seed - 2), Link(3 * seed - 1)}, random_(3 * seed) {
    for (const auto* wan : {"a", "b"})
      for (const std::string name : Link::names) {
        const bool is_state = name.starts_with("state") || name == "congested";
        add(is_state                    ? ring::Kind::state
            : name.ends_with("_total") ? ring::Kind::counter
                                       : ring::Kind::gauge,
            name, {{"wan", wan}});
      }
  }
  void second(std::int64_t start_ns, const Push& push) override {
    for (std::int64_t cycle = 0; cycle < 20; ++cycle)
      for (std::size_t link = 0; link < 2; ++link) {
        const auto time_ns = start_ns + cycle * 50'000'000 + static_cast<std::int64_t>(1e5 * late_(random_)) +
                             static_cast<std::int64_t>(link) * 3'000'000;
        const auto values = links_[link].next();
        for (std::size_t i = 0; i < values.size(); ++i) push(link * values.size() + i, values[i], time_ns);
      }
  }

 private:
  Link links_[2];
  std::mt19937_64 random_;
  std::exponential_distribution<> late_{1};
};

/// 20,000 series at 1 Hz under 64 time stamps a second: half gauges rounded to 0.01 that wander, a quarter counters, a
/// quarter states and constants.
class FleetProfile : public Profile {
 public:
  static constexpr std::size_t count = 20'000, producers = 64;

  explicit FleetProfile(std::uint64_t seed = 1) : level_(count), step_(count), random_(seed + 3) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto kind = i % 4 == 2 ? ring::Kind::counter : i % 8 == 3 ? ring::Kind::state : ring::Kind::gauge;
      add(kind, "v" + std::to_string(i), {{"host", std::to_string(i * producers / count)}});
      level_[i] = 1000 + below(100'000);
      step_[i] = i % 4 == 2 ? std::int64_t{1} << below(14) : 1 + below(50);
    }
  }
  void second(std::int64_t start_ns, const Push& push) override {
    for (std::size_t p = 0; p < producers; ++p) {
      const auto time_ns = start_ns + static_cast<std::int64_t>(p) * 1'000'000'000 / 64 + below(200'000);
      for (auto i = count * p / producers; i < count * (p + 1) / producers; ++i) push(i, next(i), time_ns);
    }
  }

 private:
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  double next(std::size_t i) {
    switch (i % 8) {
      case 2:
      case 6: return static_cast<double>(level_[i] += step_[i] + below(step_[i]));
      case 3: return static_cast<double>(below(100) == 0 ? (level_[i] = below(5)) : level_[i] % 5);
      case 7: return static_cast<double>(i);
      default: return static_cast<double>(level_[i] += below(2 * step_[i] + 1) - step_[i]) / 100;
    }
  }
  std::vector<std::int64_t> level_, step_;
  std::mt19937_64 random_;
};

}  // namespace ringdown
