// hostmon_cycle.hpp: the samples of one cycle of ring-hostmon, pushed at once under one time stamp.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/producer.hpp"

namespace hostmon {

// A big host costs no more than this; what is beyond is not recorded.
inline constexpr std::size_t cpus_max = 64, interfaces_max = 16, disks_max = 16;
inline constexpr std::size_t samples_max = cpus_max * 6 + interfaces_max * 5 + disks_max * 2 + 32;

class Cycle {
 public:
  Cycle() {
    series_.reserve(samples_max);
    values_.reserve(samples_max);
  }
  void begin(std::int64_t time_ns) noexcept {
    time_ns_ = time_ns;
    series_.clear();
    values_.clear();
  }
  template <class Number>
  void add(ring::Series series, Number value) {
    series_.push_back(series);
    values_.push_back(static_cast<double>(value));
  }
  std::size_t size() const noexcept { return series_.size(); }
  /// @return how many samples were accepted
  std::size_t push(ring::Producer& producer) const noexcept {
    return producer.push_many(time_ns_, series_, values_);
  }

 private:
  std::int64_t time_ns_ = 0;
  std::vector<ring::Series> series_;
  std::vector<double> values_;
};

}  // namespace hostmon
