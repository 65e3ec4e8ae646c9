#include "query_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli.hpp"

namespace ringdown {
namespace {

constexpr std::size_t label_width = 11;

/// Dots of 2 columns by 4 rows a character: Unicode's braille patterns, from U+2800 on.
class Canvas {
 public:
  Canvas(std::size_t width, std::size_t height) : width_(width), cells_(width * height) {}
  std::size_t columns() const noexcept { return width_ * 2; }
  std::size_t rows() const noexcept { return cells_.size() / width_ * 4; }
  void dot(std::size_t column, std::size_t row) {
    constexpr std::uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cells_[row / 4 * width_ + column / 2] |= bits[row % 4][column % 2];
  }
  std::string line(std::size_t row) const {
    std::string out;
    for (std::size_t i = 0; i < width_; ++i) {
      const auto cell = cells_[row * width_ + i];
      out += '\xe2';
      out += static_cast<char>(0xa0 | cell >> 6);
      out += static_cast<char>(0x80 | (cell & 0x3f));
    }
    return out;
  }

 private:
  std::size_t width_;
  std::vector<std::uint8_t> cells_;
};

std::string label(double value) {
  auto text = fmt::format("{:.6g}", value);
  return text.size() > label_width ? fmt::format("{:.3e}", value) : text;
}

}  // namespace

std::vector<std::string> plot(const std::vector<PlotPoint>& points, std::int64_t gap_ns, std::size_t width, std::size_t height) {
  auto low = points.front().low, high = points.front().high;
  for (const auto& point : points) {
    low = std::min(low, point.low);
    high = std::max(high, point.high);
  }
  Canvas canvas(width - label_width - 2, height);
  const auto span = [](double from, double to) { return to > from ? to - from : 1.0; };
  const auto from_ns = static_cast<double>(points.front().time_ns), to_ns = static_cast<double>(points.back().time_ns);
  const auto place = [](double part, std::size_t count) {
    return std::min(count - 1, static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(count - 1) + 0.5));
  };
  const auto column_of = [&](const PlotPoint& p) {
    return place((static_cast<double>(p.time_ns) - from_ns) / span(from_ns, to_ns), canvas.columns());
  };
  // From the top. A line that is flat is in the middle.
  const auto row_of = [&](double value) {
    return high > low ? place(1 - (value / span(low, high) - low / span(low, high)), canvas.rows()) : canvas.rows() / 2;
  };
  const auto bar = [&](std::size_t column, std::size_t a, std::size_t b) {
    for (auto row = std::min(a, b); row <= std::max(a, b); ++row) canvas.dot(column, row);
  };
  const PlotPoint* before = nullptr;
  for (const auto& point : points) {
    const auto column = column_of(point);
    bar(column, row_of(point.low), row_of(point.high));
    const auto apart = before ? static_cast<double>(point.time_ns) - static_cast<double>(before->time_ns) : 0;
    if (before && apart <= static_cast<double>(gap_ns)) {  // the line between the two
      const auto first = column_of(*before);
      const auto a = static_cast<double>(row_of(before->high)), b = static_cast<double>(row_of(point.high));
      auto last_row = row_of(before->high);
      for (auto c = first; c <= column; ++c) {
        const auto part = column > first ? static_cast<double>(c - first) / static_cast<double>(column - first) : 1.0;
        const auto row = static_cast<std::size_t>(a + (b - a) * part + 0.5);
        bar(c, last_row, row);
        last_row = row;
      }
    }
    before = &point;
  }
  std::vector<std::string> out;
  for (std::size_t row = 0; row < height; ++row) {
    const auto text = row == 0 ? label(high) : row + 1 == height ? label(low) : std::string();
    out.push_back(fmt::format("{:>{}} ┤{}", text, label_width, canvas.line(row)));
  }
  const auto first = local_time(points.front().time_ns, 0), last = local_time(points.back().time_ns, 0);
  const auto room = width - label_width - 2;
  out.push_back(first.size() + last.size() + 1 <= room
                    ? fmt::format("{:{}}{}{:>{}}", "", label_width + 2, first, last, room - first.size())
                    : fmt::format("{:{}}{}", "", label_width + 2, first));
  return out;
}

}  // namespace ringdown
