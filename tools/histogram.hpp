// histogram.hpp: quantiles of how late a tool was.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringdown {

/// Counts times in buckets at most 3 % wide: quantiles of any number of them from the same 15 KiB.
class Histogram {
 public:
  void add(std::int64_t ns) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    const auto shift = static_cast<std::size_t>(std::max(static_cast<int>(std::bit_width(value)) - 6, 0));
    ++counts_[shift * 32 + (value >> shift)];
    ++total_;
    max_ns_ = std::max(max_ns_, ns);
  }
  std::uint64_t total() const noexcept { return total_; }
  double max_us() const noexcept { return static_cast<double>(max_ns_) / 1e3; }
  double quantile_us(double q) const noexcept {
    const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total_));
    std::uint64_t counted = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket)
      if ((counted += counts_[bucket]) > rank) return static_cast<double>(lower_ns(bucket)) / 1e3;
    return max_us();
  }

 private:
  static std::int64_t lower_ns(std::size_t bucket) noexcept {
    const auto shift = bucket < 64 ? 0 : bucket / 32 - 1;
    return static_cast<std::int64_t>((bucket - shift * 32) << shift);
  }

  std::array<std::uint64_t, 60 * 32> counts_{};
  std::uint64_t total_ = 0;
  std::int64_t max_ns_ = 0;
};

}  // namespace ringdown
