// query_prometheus.cpp: samples as Prometheus' text, for ring-write, promtool and other databases.
#include <cmath>

#include "cli.hpp"
#include "query_time.hpp"
#include "query_writers.hpp"

namespace ringdown {
namespace {

/// Expects the samples of a name together: both formats have a TYPE once a name.
class PrometheusWriter : public Writer {
 public:
  explicit PrometheusWriter(bool openmetrics) : openmetrics_(openmetrics) {}

  void sample(const Series& series, std::int64_t time_ns, double value) override {
    const auto& d = series.definition;
    if (d.name != name_) {
      name_ = d.name;
      // A state is a number to Prometheus. OpenMetrics has a counter's name without _total here.
      const bool is_counter = d.kind == ring::Kind::counter && (!openmetrics_ || d.name.ends_with("_total"));
      const auto family = openmetrics_ && is_counter ? d.name.substr(0, d.name.size() - 6) : d.name;
      output_.put("# TYPE " + family + (is_counter ? " counter\n" : " gauge\n"));
    }
    const auto time = openmetrics_ ? unix_seconds(time_ns) : std::to_string(milliseconds(time_ns));
    output_.put(d.name + series.labels + " " + number(value) + " " + time + "\n");
  }
  void finish() override {
    if (openmetrics_) output_.put("# EOF\n");
    Writer::finish();
  }

 private:
  static std::int64_t milliseconds(std::int64_t time_ns) {
    constexpr std::int64_t ms_ns = 1'000'000;
    return time_ns / ms_ns - (time_ns % ms_ns < 0 ? 1 : 0);
  }

  bool openmetrics_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Writer> make_prometheus_writer(bool openmetrics) { return std::make_unique<PrometheusWriter>(openmetrics); }

}  // namespace ringdown
