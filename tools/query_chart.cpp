#include "query_chart.hpp"

#include <cairo-svg.h>
#include <cairo.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>

#include "cli.hpp"
#include "query_points.hpp"
#include "query_window.hpp"
#include "ring/error.hpp"

namespace ringdown {
namespace {

constexpr double width = 1000, panel_height = 320, left = 80, right = 20, top = 16, axis = 34, line_height = 16;
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t time_max_ns = 4'000'000'000 * second_ns;  // the year 2096: what is beyond is not drawn
constexpr double drawn_max = 1e300;                              // nor is this

struct Colour {
  double red, green, blue;
};
// Okabe and Ito, "Color Universal Design" (2008): told apart by the colour-blind, too.
constexpr std::array colours{Colour{0.00, 0.45, 0.70}, Colour{0.90, 0.62, 0.00}, Colour{0.00, 0.62, 0.45}, Colour{0.80, 0.47, 0.65},
                             Colour{0.34, 0.71, 0.91}, Colour{0.84, 0.37, 0.00}, Colour{0.35, 0.35, 0.35}, Colour{0.94, 0.89, 0.26}};

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Context = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

struct Ticks {
  double first, step;
  int count;
};
/// Multiples of 1, 2 or 5 times a power of ten, about `wanted` of them.
Ticks ticks(double low, double high, int wanted) {
  const auto rough = (high - low) / wanted;
  const auto power = std::pow(10, std::floor(std::log10(rough)));
  const auto times = rough / power;
  const auto step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
  const auto first = std::ceil(low / step) * step;
  return {first, step, static_cast<int>(std::floor((high - first) / step + 1e-9)) + 1};
}

std::string local(std::int64_t time_ns, const char* format) {
  const std::time_t seconds = time_ns / second_ns;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text;
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

bool is_joined(const PlotPoint& a, const PlotPoint& b, std::int64_t apart_ns) {
  return static_cast<std::uint64_t>(b.time_ns) - static_cast<std::uint64_t>(a.time_ns) <= static_cast<std::uint64_t>(apart_ns);
}

/// The least step with at most eight ticks.
std::int64_t time_step_ns(std::int64_t range_ns) {
  constexpr std::array<std::int64_t, 20> steps_s{1,    2,     5,     10,    15,     30,     60,      120,     300,     600,
                                                 900,  1800,  3600,  7200,  10'800, 21'600, 43'200, 86'400,  604'800, 2'419'200};
  for (const auto step_s : steps_s)
    if (range_ns / (step_s * second_ns) <= 8) return step_s * second_ns;
  return (range_ns / 8 / (steps_s.back() * second_ns) + 1) * steps_s.back() * second_ns;
}

/// Lines of one unit over a common time.
class Panel {
 public:
  Panel(cairo_t* context, double y, std::int64_t from_ns, std::int64_t to_ns) : context_(context), y_(y), from_ns_(from_ns), to_ns_(to_ns) {}

  void add(const std::string& title, const std::vector<PlotPoint>& points) {
    if (lines_.empty()) low_ = points.front().low, high_ = points.front().high;
    for (const auto& point : points) {
      low_ = std::max(std::min(low_, point.low), -drawn_max);
      high_ = std::min(std::max(high_, point.high), drawn_max);
    }
    lines_.push_back({title, &points});
  }
  /// @return where the next panel begins
  double draw(const std::string& unit) {
    if (high_ <= low_) high_ = low_ + std::max(1.0, std::abs(low_) * 0.01);
    const auto margin = (high_ - low_) * 0.04;
    low_ -= margin;
    high_ += margin;
    cairo_set_font_size(context_, 12);
    draw_legend();
    draw_axes(unit);
    cairo_save(context_);
    cairo_rectangle(context_, left, y_, width - left - right, panel_height);
    cairo_clip(context_);
    for (std::size_t i = 0; i < lines_.size(); ++i) draw_line(*lines_[i].points, colours[i % colours.size()]);
    cairo_restore(context_);
    return y_ + panel_height + axis;
  }
  /// Of the legend above it, and its axis.
  static double height(std::size_t lines) { return static_cast<double>(lines) * line_height + panel_height + axis + top; }

 private:
  struct Line {
    std::string title;
    const std::vector<PlotPoint>* points;
  };
  double x(std::int64_t time_ns) const {
    const auto from = static_cast<double>(from_ns_), to = static_cast<double>(to_ns_);
    const auto part = (static_cast<double>(time_ns) - from) / std::max(1.0, to - from);
    return left + part * (width - left - right);
  }
  double y(double value) const { return y_ + (high_ - value) / (high_ - low_) * panel_height; }
  void text(double at_x, double at_y, const std::string& words, double align) {
    cairo_text_extents_t size;
    cairo_text_extents(context_, words.c_str(), &size);
    cairo_move_to(context_, at_x - size.x_advance * align, at_y);
    cairo_show_text(context_, words.c_str());
  }
  void colour(const Colour& c, double alpha = 1) { cairo_set_source_rgba(context_, c.red, c.green, c.blue, alpha); }
  void stroke(double x1, double y1, double x2, double y2) {
    cairo_move_to(context_, x1, y1);
    cairo_line_to(context_, x2, y2);
    cairo_stroke(context_);
  }

  void draw_legend() {
    y_ += top;
    for (std::size_t i = 0; i < lines_.size(); ++i, y_ += line_height) {
      colour(colours[i % colours.size()]);
      cairo_set_line_width(context_, 3);
      stroke(left, y_ - 4, left + 24, y_ - 4);
      cairo_set_source_rgb(context_, 0.1, 0.1, 0.1);
      text(left + 32, y_, lines_[i].title, 0);
    }
    y_ -= top / 2;
  }
  void draw_axes(const std::string& unit) {
    cairo_set_line_width(context_, 1);
    const auto values = ticks(low_, high_, 6);
    for (int i = 0; i < values.count; ++i) {
      const auto value = values.first + i * values.step;
      cairo_set_source_rgb(context_, 0.88, 0.88, 0.88);
      stroke(left, y(value), width - right, y(value));
      cairo_set_source_rgb(context_, 0.1, 0.1, 0.1);
      const auto shown = std::abs(value) < values.step * 1e-6 ? 0.0 : value;  // not 1e-17
      text(left - 8, y(value) + 4, fmt::format("{:.6g}", shown), 1);
    }
    text(left - 8, y_ - 8, unit, 1);
    const auto step_ns = time_step_ns(to_ns_ - from_ns_);
    std::string day;
    for (auto tick = window_at(from_ns_ - 1, step_ns); tick.end_ns <= to_ns_; tick = window_at(tick.end_ns, step_ns)) {
      cairo_set_source_rgb(context_, 0.88, 0.88, 0.88);
      stroke(x(tick.end_ns), y_, x(tick.end_ns), y_ + panel_height);
      cairo_set_source_rgb(context_, 0.1, 0.1, 0.1);
      const auto date = local(tick.end_ns, "%Y-%m-%d");
      if (step_ns < 86'400 * second_ns) text(x(tick.end_ns), y_ + panel_height + 16, local(tick.end_ns, step_ns < 60 * second_ns ? "%H:%M:%S" : "%H:%M"), 0.5);
      if (date != day) text(x(tick.end_ns), y_ + panel_height + (step_ns < 86'400 * second_ns ? 30 : 16), date, 0.5);
      day = date;
    }
    cairo_set_source_rgb(context_, 0.1, 0.1, 0.1);
    cairo_rectangle(context_, left, y_, width - left - right, panel_height);
    cairo_stroke(context_);
  }
  /// What lies between the least and the greatest of each row, and a line through their means.
  void draw_line(const std::vector<PlotPoint>& points, const Colour& c) {
    const auto apart_ns = gap_ns(points);
    for (std::size_t begin = 0, end; begin < points.size(); begin = end) {
      for (end = begin + 1; end < points.size() && is_joined(points[end - 1], points[end], apart_ns);) ++end;
      for (auto i = begin; i < end; ++i) cairo_line_to(context_, x(points[i].time_ns), y(points[i].high));
      for (auto i = end; i-- > begin;) cairo_line_to(context_, x(points[i].time_ns), y(points[i].low));
      cairo_close_path(context_);
      colour(c, 0.25);
      cairo_fill(context_);
      colour(c);
      cairo_set_line_width(context_, 1.5);
      cairo_set_line_join(context_, CAIRO_LINE_JOIN_ROUND);
      if (end == begin + 1)
        cairo_arc(context_, x(points[begin].time_ns), y(points[begin].middle), 1, 0, 6.3);
      for (auto i = begin; i < end && end > begin + 1; ++i)
        cairo_line_to(context_, x(points[i].time_ns), y(points[i].middle));
      cairo_stroke(context_);
    }
  }

  cairo_t* context_;
  double y_;
  std::int64_t from_ns_, to_ns_;
  double low_ = 0, high_ = 0;
  std::vector<Line> lines_;
};

class ChartWriter : public PointsWriter {
 public:
  ChartWriter(const std::string& file, std::vector<std::string> columns)
      : PointsWriter(std::move(columns)), file_(file), partial_(file + ".partial"), is_svg_(file.ends_with(".svg")) {
    if (!is_svg_ && !file.ends_with(".png"))
      throw ring::Error(ring::Failure::bad_argument, "--plot-file " + file + ": expected a name that ends in .svg or .png");
  }
  ~ChartWriter() override { ::unlink(partial_.c_str()); }
  ChartWriter(const ChartWriter&) = delete;
  ChartWriter& operator=(const ChartWriter&) = delete;

  void finish() override {
    if (lines().empty()) return;
    std::map<std::string, std::vector<const Line*>> units;
    auto from_ns = std::numeric_limits<std::int64_t>::max(), to_ns = std::numeric_limits<std::int64_t>::min();
    for (const auto& [id, line] : lines()) {
      units[line.unit].push_back(&line);
      from_ns = std::min(from_ns, line.points.front().time_ns);
      to_ns = std::max(to_ns, line.points.back().time_ns);
    }
    from_ns = std::clamp(from_ns, -time_max_ns, time_max_ns);
    to_ns = std::clamp(to_ns, from_ns + 1, time_max_ns + 1);
    double height = 0;
    for (const auto& [unit, of_unit] : units) height += Panel::height(of_unit.size());
    const Surface surface(is_svg_ ? cairo_svg_surface_create(partial_.c_str(), width, height)
                                  : cairo_image_surface_create(CAIRO_FORMAT_RGB24, int(width), int(height)),
                          &cairo_surface_destroy);
    const Context context(cairo_create(surface.get()), &cairo_destroy);
    cairo_set_source_rgb(context.get(), 1, 1, 1);
    cairo_paint(context.get());
    cairo_select_font_face(context.get(), "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    double y = 0;
    for (const auto& [unit, of_unit] : units) {
      Panel panel(context.get(), y, from_ns, to_ns);
      for (const auto* line : of_unit) panel.add(line->title, line->points);
      y = panel.draw(unit);
    }
    auto status = cairo_status(context.get());
    if (status == CAIRO_STATUS_SUCCESS && !is_svg_) status = cairo_surface_write_to_png(surface.get(), partial_.c_str());
    cairo_surface_finish(surface.get());
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface.get());
    if (status != CAIRO_STATUS_SUCCESS)
      throw ring::Error(ring::Failure::system, "--plot-file " + file_ + ": " + cairo_status_to_string(status) +
                                                   "; check that its folder is there and that you may write to it");
    if (std::rename(partial_.c_str(), file_.c_str()) != 0)
      throw ring::Error(ring::Failure::system, "--plot-file " + file_ + ": " + std::strerror(errno));
  }

 private:
  std::string file_, partial_;
  bool is_svg_;
};

}  // namespace

std::unique_ptr<Writer> make_chart_writer(const std::string& file, std::vector<std::string> columns) {
  return std::make_unique<ChartWriter>(file, std::move(columns));
}

}  // namespace ringdown
