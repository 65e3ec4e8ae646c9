// query_points.cpp: rows as plots in the terminal.
#include <algorithm>
#include <cstdlib>

#include "query_plot.hpp"
#include "query_points.hpp"
#include "query_time.hpp"
#include "query_writers.hpp"
#include "terminal.hpp"

namespace ringdown {
namespace {

/// Of the terminal, of COLUMNS, or 100.
std::size_t plot_columns() {
  constexpr std::size_t least = 30, most = 1000;
  if (const auto columns = terminal_columns()) return std::clamp(*columns, least, most);
  const char* const text = std::getenv("COLUMNS");
  const auto given = text ? std::strtoul(text, nullptr, 10) : 0;
  return given > 0 ? std::clamp<std::size_t>(given, least, most) : 100;
}

class PlotWriter : public PointsWriter {
 public:
  using PointsWriter::PointsWriter;
  void finish() override {
    constexpr std::size_t height = 8;
    for (const auto& [id, line] : lines()) {
      output_.put(line.title + "\n");
      for (const auto& text : plot(line.points, gap_ns(line.points), plot_columns(), height)) output_.put(text + "\n");
    }
    Writer::finish();
  }
};

/// Of a function of values that have `unit`.
std::string unit_of(const std::string& function, const std::string& unit) {
  if (function.starts_with("share(")) return "of the time";
  if (function == "count") return "samples";
  return function == "rate" ? unit + "/s" : unit;
}

}  // namespace

void PointsWriter::sample(const Series& series, std::int64_t time_ns, double value) {
  take(series, 0, {time_ns, value, value, value});
}

void PointsWriter::bucket(const Series& series, const Bucket& b) {
  take(series, 0, {seconds_in_ns(b.start_s), b.min, b.max, mean(series, b).value_or(b.last)});
}

void PointsWriter::values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i]) take(series, i, {time_ns, *values[i], *values[i], *values[i]});
}

void PointsWriter::take(const Series& series, std::size_t column, const PlotPoint& point) {
  auto& line = lines_[{series.id, column}];
  if (line.points.empty()) {
    const auto& unit = series.definition.unit;
    line.title = series.definition.name + series.labels + (unit.empty() ? "" : " [" + unit + "]");
    line.unit = columns_.empty() ? unit : unit_of(columns_[column], unit);
    if (!columns_.empty()) line.title = columns_[column] + " of " + line.title;
  }
  line.points.push_back(point);
}

/// Five times what mostly lies between two points.
std::int64_t gap_ns(const std::vector<PlotPoint>& points) {
  if (points.size() < 2) return 0;
  std::vector<std::uint64_t> steps;
  for (std::size_t i = 1; i < points.size(); ++i)
    steps.push_back(static_cast<std::uint64_t>(points[i].time_ns) - static_cast<std::uint64_t>(points[i - 1].time_ns));
  std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end());
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max() / 5;
  return static_cast<std::int64_t>(std::min(steps[steps.size() / 2], most)) * 5;
}

std::unique_ptr<Writer> make_plot_writer(std::vector<std::string> columns) {
  return std::make_unique<PlotWriter>(std::move(columns));
}

}  // namespace ringdown
