// prometheus_text.hpp: reads Prometheus' text exposition format 0.0.4, a line at a time, and of OpenMetrics what
// pages of exporters use: its types, exemplars (left out) and time stamps in seconds. Format:
// prometheus.io/docs/instrumenting/exposition_formats
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ring/definition.hpp"

namespace ringdown {

class PrometheusText {
 public:
  static constexpr std::size_t line_bytes_max = 1 << 16;
  static constexpr std::size_t types_max = 1 << 16;

  struct Sample {
    ring::Definition definition;  // of this grammar, but the ring's limits are not checked yet
    double value = 0;
    std::optional<std::int64_t> time_ns = {};  // the line's own time stamp
  };

  /// @param openmetrics  whole time stamps are seconds, not milliseconds. Those with a point always are
  explicit PrometheusText(bool openmetrics = false) : openmetrics_(openmetrics) {}

  /// The sample of the next line, none if it is a comment or empty. Counters, and the buckets, sums and counts of
  /// histograms and summaries, are counters; everything else is a gauge. A label without a value is left out: it is
  /// the same as none. Throws ring::Error(bad_argument): "column 12: expected ..., found ...".
  std::optional<Sample> line(std::string_view text);

 private:
  void comment(std::string_view text, std::size_t at);
  ring::Kind kind(std::string_view name) const;
  std::int64_t time_ns(std::string_view text, std::size_t from, std::size_t to) const;

  bool openmetrics_;
  std::map<std::string, std::string, std::less<>> types_;  // by metric name
};

}  // namespace ringdown
