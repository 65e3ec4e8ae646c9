// sink_meter.hpp: how much a destination accepts a second, minute by minute.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include "sink_rows.hpp"

namespace ringdown {

class SinkMeter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds minute{60};

  /// To be called every second or so.
  void measure(const SinkCounts& counts, Clock::time_point now) {
    if (began_ && now - *began_ < minute) return;
    const auto before = std::exchange(counts_, counts);
    const auto began = std::exchange(began_, now);
    if (!began) return;
    const auto s = std::chrono::duration<double>(now - *began).count();
    rates_ = {static_cast<double>(counts.samples - before.samples) / s, static_cast<double>(counts.bytes - before.bytes) / s};
  }
  /// Of the last whole minute; 0 in the first one.
  const SinkRates& rates() const noexcept { return rates_; }

 private:
  std::optional<Clock::time_point> began_;  // the minute that is not over
  SinkCounts counts_;                       // then
  SinkRates rates_;
};

}  // namespace ringdown
