// fleet.hpp: the samples of a fleet: up to 64 producers, half gauges rounded to 0.01 that wander, a quarter
// counters, a quarter states and constants; a second of them at a time, as a Drain hands them to the Store.
#pragma once

#include <algorithm>
#include <random>

#include "batch.hpp"

namespace bench {

class Fleet {
 public:
  enum class Values {
    fleet,
    full_precision,  // every bit of every value is random but the sign and the exponent: nothing to pack
  };
  Fleet(std::size_t series, std::size_t hz, Values values = Values::fleet)
      : values_(values), hz_(hz), series_(series), lanes_(std::min<std::size_t>(series, 64)) {
    for (std::size_t i = 0; i < series; ++i) {
      auto& s = series_[i];
      s.level = 1000 + below(100'000);
      s.step = i % 4 == 2 ? std::int64_t{1} << below(14) : 1 + below(50);
    }
    for (auto& lane : lanes_) lane.phase_ns = below(1'000'000'000 / static_cast<std::int64_t>(hz));
  }

  std::size_t series() const noexcept { return series_.size(); }

  /// What the first commit has beside samples: the series, and who claimed the lanes.
  void definitions(ringdown::Batch& batch, std::int64_t ring) {
    batch.clear();
    ring_ = ring;
    for (std::size_t i = 0; i < series_.size(); ++i)
      batch.series.push_back(
          {static_cast<std::uint32_t>(i + 1),
           {ring::Kind::gauge, name(i), "ms", {{"host", std::to_string(lane_of(i))}}, {}}});
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      batch.producers.push_back(
          {static_cast<std::int64_t>(i + 1), ring, static_cast<std::uint32_t>(i), 1, {}});
  }
  static std::string name(std::size_t series) { return "fleet_value_" + std::to_string(series); }

  /// The next second: lane after lane, in each the cycles in their order, each under one time stamp.
  void next_second(ringdown::Batch& batch) {
    batch.clear();
    for (std::size_t l = 0; l < lanes_.size(); ++l) {
      const auto from = series_.size() * l / lanes_.size(), to = series_.size() * (l + 1) / lanes_.size();
      for (std::size_t cycle = 0; cycle < hz_; ++cycle) {
        const auto time_ns = second_ns_ + lanes_[l].phase_ns + below(200'000) +
                             static_cast<std::int64_t>(1'000'000'000 / hz_ * cycle);
        for (auto i = from; i < to; ++i)
          batch.samples.push_back({time_ns, next_value(i), static_cast<std::uint32_t>(i + 1)});
      }
      auto& stored = lanes_[l].stored += (to - from) * hz_;
      batch.cursors.push_back({ring_, static_cast<std::uint32_t>(l), stored + controls + 1,
                               static_cast<std::int64_t>(l + 1), stored, 0, 0, R"({"controls":[2,2]})"});
    }
    second_ns_ += 1'000'000'000;
  }

 private:
  static constexpr std::uint64_t controls = 2;  // records of a claim
  struct Series {
    std::int64_t level = 0, step = 0;
  };
  struct Lane {
    std::int64_t phase_ns = 0;
    std::uint64_t stored = 0;
  };

  std::size_t lane_of(std::size_t series) const noexcept { return series * lanes_.size() / series_.size(); }
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  double next_value(std::size_t i) {
    auto& s = series_[i];
    if (values_ == Values::full_precision)
      return static_cast<double>(s.level) * (1 + static_cast<double>(random_() >> 11) * 0x1p-53);
    if (i % 4 < 2)
      return static_cast<double>(s.level = std::abs(s.level + below(2 * s.step + 1) - s.step)) / 100;
    if (i % 4 == 2) return static_cast<double>(s.level += s.step / 2 + below(s.step + 1));
    if (i % 8 == 3 && below(100) == 0) s.level = below(5);
    return static_cast<double>(i % 8 == 3 ? s.level % 5 : s.level);
  }

  std::mt19937_64 random_{1};  // one seed for all: the same samples for everybody, every time
  Values values_;
  std::size_t hz_;
  std::vector<Series> series_;
  std::vector<Lane> lanes_;
  std::int64_t ring_ = 1, second_ns_ = 1'700'000'040'000'000'000;
};

}  // namespace bench
