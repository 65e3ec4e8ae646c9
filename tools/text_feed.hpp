// text_feed.hpp: pushes what Prometheus text says, and accounts for every line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "feeder.hpp"
#include "prometheus_text.hpp"

namespace ringdown {

class TextFeed {
 public:
  using Tell = std::function<void(const std::string&)>;

  /// @param where   told before a line's number: the file, or the page's address
  /// @param strict  a bad line throws std::runtime_error instead of being told
  TextFeed(Feeder& feeder, std::string where, bool strict, Tell tell)
      : feeder_(feeder), where_(std::move(where)), strict_(strict), tell_(std::move(tell)) {}

  /// Begins a new page: types and line numbers are those of a page.
  void begin(bool openmetrics) {
    text_ = PrometheusText(openmetrics);
    number_ = 0;
  }
  /// @param time_ns  of a sample whose line has no time stamp
  void line(std::string_view text, std::int64_t time_ns) {
    ++number_;
    try {
      const auto sample = text_.line(text);
      if (!sample) return;
      ++samples_;
      push(*sample, time_ns);
    } catch (const ring::Error& e) {
      bad(e.what());
    }
  }

  std::uint64_t samples() const noexcept { return samples_; }
  std::uint64_t bad_lines() const noexcept { return bad_lines_; }
  /// Samples of new series for which the ring has no room.
  std::uint64_t without_room() const noexcept { return without_room_; }
  /// Whether bad lines are told; they are counted in any case.
  void tell_bad_lines(bool tell) noexcept { tells_ = tell; }

 private:
  void push(const PrometheusText::Sample& sample, std::int64_t time_ns) {
    Feeder::Handle handle;
    try {
      handle = feeder_.define(sample.definition);
    } catch (const ring::Error& e) {
      if (e.failure() == ring::Failure::bad_argument) throw;
      if (without_room_++ == 0) tell_(std::string(e.what()) + "; goes on with the series it has");
      return;
    }
    feeder_.push(handle, sample.value, sample.time_ns.value_or(time_ns));
  }
  void bad(const std::string& what) {
    const auto text = where_ + ": line " + std::to_string(number_) + ": " + what;
    if (strict_) throw std::runtime_error(text + "; correct it, or leave --strict out to skip such lines");
    ++bad_lines_;
    if (tells_) tell_(text);
  }

  Feeder& feeder_;
  std::string where_;
  bool strict_, tells_ = true;
  Tell tell_;
  PrometheusText text_;
  std::uint64_t number_ = 0, samples_ = 0, bad_lines_ = 0, without_room_ = 0;
};

}  // namespace ringdown
