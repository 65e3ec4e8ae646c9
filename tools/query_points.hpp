// query_points.hpp: rows as lines that can be drawn, one a series, or one a series and function.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "query_output.hpp"
#include "query_plot.hpp"

namespace ringdown {

/// Keeps all rows in memory: see --step auto.
class PointsWriter : public Writer {
 public:
  explicit PointsWriter(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void sample(const Series& series, std::int64_t time_ns, double value) override;
  void bucket(const Series& series, const Bucket& bucket) override;
  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override;

 protected:
  struct Line {
    std::string title, unit;
    std::vector<PlotPoint> points = {};  // in time order
  };
  const std::map<std::pair<std::uint32_t, std::size_t>, Line>& lines() const noexcept { return lines_; }

 private:
  void take(const Series& series, std::size_t column, const PlotPoint& point);

  std::vector<std::string> columns_;
  std::map<std::pair<std::uint32_t, std::size_t>, Line> lines_;  // by series and function
};

/// What is farther apart is not joined.
std::int64_t gap_ns(const std::vector<PlotPoint>& points);

}  // namespace ringdown
