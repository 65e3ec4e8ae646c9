#include "watch_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "cli.hpp"
#include "store.hpp"

namespace inspect {
namespace {

constexpr std::array<const char*, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 8> ascii_blocks{"_", ".", ":", "-", "=", "+", "*", "#"};
constexpr std::array<std::array<const char*, 4>, 2> sort_names{
    {{"lane", "rate", "waiting", "lost"}, {"lane", "name", "rate", "age"}}};

bool is_continuation(char c) noexcept { return (c & 0xc0) == 0x80; }

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

/// Exactly so many columns: filled with spaces, or cut.
std::string fit(const std::string& text, std::size_t columns, bool to_the_right = false) {
  const auto has = columns_of(text);
  if (has <= columns) {
    const std::string space(columns - has, ' ');
    return to_the_right ? space + text : text + space;
  }
  std::size_t at = 0;
  for (std::size_t left = columns; at < text.size(); ++at)
    if (!is_continuation(text[at]) && left-- == 0) break;
  return text.substr(0, at);
}

std::string right(const std::string& text, std::size_t columns) { return fit(text, columns, true); }

/// Four digits or so: 0.0, 999.9, 12.3k, 4.5M.
std::string rate_text(double value) {
  if (value < 10'000) return fmt::format("{:.1f}", value);
  return value < 1e7 ? fmt::format("{:.1f}k", value / 1e3) : fmt::format("{:.1f}M", value / 1e6);
}

std::string count_text(std::uint64_t value) {
  return value < 10'000'000 ? std::to_string(value) : fmt::format("{}M", value / 1'000'000);
}

std::string age_text(std::int64_t age_ns) {
  const auto s = static_cast<double>(std::max<std::int64_t>(age_ns, 0)) / 1e9;
  if (s < 10) return fmt::format("{:.1f} s", s);
  if (s < 120) return fmt::format("{:.0f} s", s);
  if (s < 7200) return fmt::format("{:.0f} min", s / 60);
  return s < 172'800 ? fmt::format("{:.0f} h", s / 3600) : fmt::format("{:.0f} d", s / 86'400);
}

/// Places 0 to count - 1, the first `shown` of them in order.
std::vector<std::size_t> sorted(std::vector<std::size_t> places, std::size_t shown,
                                const std::function<bool(std::size_t, std::size_t)>& before) {
  const auto end = places.begin() + static_cast<std::ptrdiff_t>(std::min(shown, places.size()));
  std::partial_sort(places.begin(), end, places.end(), [&](std::size_t a, std::size_t b) {
    if (before(a, b)) return true;
    return !before(b, a) && a < b;
  });
  return places;
}

const std::vector<std::string>& help_lines() {
  static const std::vector<std::string> lines{
      "",
      "  LANES   a line for each lane that was ever used, with its last minute in",
      "          proportion to its own greatest value. RATE/s: records, over the last",
      "          seconds. WAITING: not stored yet. LOST: samples, ever.",
      "  SERIES  last values, AGE by their own time stamps, RATE/s as above.",
      "",
      "  tab            lanes or series: which of them the keys below are for",
      "  s              sorts by the next column",
      "  / TEXT enter   only series with TEXT in their name or labels; / enter: all",
      "  p              holds the screen still, or goes on",
      "  arrows, j k, page up and down, home, end   scroll",
      "  ?              this, or back",
      "  q              ends",
  };
  return lines;
}

}  // namespace

std::string sparkline(const Minute& minute, std::size_t columns, std::int64_t second, bool is_utf8) {
  const auto values = minute.columns(columns, second);
  const auto greatest = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  std::string out;
  for (const double value : values) {
    if (value < 0) {
      out += ' ';
      continue;
    }
    const auto level =
        greatest > 0 ? std::min<std::size_t>(static_cast<std::size_t>(std::ceil(value / greatest * 7)), 7) : 0;
    out += (is_utf8 ? blocks : ascii_blocks)[level];
  }
  return out;
}

bool WatchScreen::press(int key, const WatchFigures& now) {
  if (is_typing_) {
    press_filter(key);
    return true;
  }
  if (key == 'q') return false;
  const auto page = static_cast<std::ptrdiff_t>(page_);
  switch (key) {
    case '?': shows_help_ = !shows_help_; break;
    case '\t': pane_ = pane_ == lanes ? series : lanes; break;
    case 's': sort_[pane_] = (sort_[pane_] + 1) % sort_names[pane_].size(); break;
    case '/':
      filter_.clear();
      is_typing_ = true;
      break;
    case 'p': paused_ = paused_ ? std::nullopt : std::optional(now); break;
    case 'k':
    case key_up: scroll(-1); break;
    case 'j':
    case key_down: scroll(1); break;
    case key_page_up: scroll(-page); break;
    case key_page_down: scroll(page); break;
    case key_home: top_[pane_] = 0; break;
    case key_end: top_[pane_] = ~std::size_t{0} / 2; break;
    default: break;
  }
  return true;
}

void WatchScreen::press_filter(int key) {
  constexpr std::size_t filter_bytes_max = 100;
  constexpr int escape = 27;
  top_[series] = 0;
  if (key == '\n' || key == '\r' || key == escape) {
    is_typing_ = false;
    if (key == escape) filter_.clear();
  } else if (key == key_backspace || key == 127 || key == 8) {
    while (!filter_.empty() && is_continuation(filter_.back())) filter_.pop_back();
    if (!filter_.empty()) filter_.pop_back();
  } else if (key >= ' ' && key < 256 && filter_.size() < filter_bytes_max) {
    filter_ += static_cast<char>(key);
  }
}

void WatchScreen::scroll(std::ptrdiff_t rows) noexcept {
  const auto top = static_cast<std::ptrdiff_t>(top_[pane_]) + rows;
  top_[pane_] = static_cast<std::size_t>(std::max<std::ptrdiff_t>(top, 0));
}

std::size_t WatchScreen::first_row(Pane pane, std::size_t all, std::size_t rows) {
  if (pane == pane_) page_ = std::max<std::size_t>(rows, 1);
  return top_[pane] = std::min(top_[pane], all - std::min(all, rows));
}

std::string WatchScreen::status(const WatchHeading& heading, const WatchFigures& figures) const {
  auto out = fmt::format("looks every {} ms, own CPU {:.1f} %, read {} records, missed {}", heading.every_ms,
                         100 * heading.cpu_share, count_text(figures.records), count_text(figures.missed));
  if (paused_) out += "   PAUSED";
  if (is_typing_ || !filter_.empty()) out += "   filter: " + filter_ + (is_typing_ ? "_" : "");
  if (!heading.note.empty()) out += "   " + heading.note;
  return out;
}

std::string WatchScreen::keys() const {
  return fmt::format("tab {}   s sort: {}   / filter   p {}   ? help   q quit", pane_ == lanes ? "series" : "lanes",
                     sort_names[pane_][sort_[pane_]], paused_ ? "go on" : "pause");
}

std::vector<Line> WatchScreen::render(const WatchHeading& heading, const WatchFigures& now, std::size_t width,
                                      std::size_t height) {
  const auto& figures = paused_ ? *paused_ : now;
  std::vector<Line> out;
  const auto clock = ringdown::local_time(figures.now_ns, 0).substr(11);
  const auto title = fmt::format("ring {}: {} of {} lanes used, {}, {}", heading.ring, figures.lanes.size(),
                                 heading.lanes, heading.mode, heading.drained);
  out.push_back({fit(title, width - std::min(width, clock.size() + 1)) + " " + clock, Line::Style::reverse});
  out.push_back({status(heading, figures)});
  constexpr std::size_t around = 5;  // lines that are no rows
  if (shows_help_) {
    for (const auto& line : help_lines()) out.push_back({line});
  } else if (height > around) {
    const auto rows = height - around;
    const auto for_lanes = std::min(figures.lanes.size(), pane_ == lanes ? rows * 2 / 3 : rows / 3);
    add_lanes(out, figures, width, for_lanes);
    add_series(out, figures, width, rows - for_lanes);
  }
  if (out.size() + 1 > height) out.resize(height - std::min<std::size_t>(height, 1));
  while (out.size() + 1 < height) out.push_back({});
  if (height > 0) out.push_back({keys(), Line::Style::bold});
  for (auto& line : out) line.text = fit(line.text, width);
  return out;
}

void WatchScreen::add_lanes(std::vector<Line>& out, const WatchFigures& figures, std::size_t width,
                            std::size_t rows) {
  constexpr std::size_t fixed = 4 + 1 + 16 + 1 + 8 + 1 + 5, of_each = 10, spark_min = 4,
                        spark_max = Minute::seconds / 2;
  const auto rest = width > fixed ? (width - fixed) / 3 : 0;
  auto spark = rest > of_each ? std::min(rest - of_each, spark_max) : 0;
  if (spark < spark_min) spark = 0;
  const auto row = [&](const std::string& lane, const std::string& owner, const std::string& pid,
                       const std::string& state,
                       const std::array<std::pair<std::string, std::string>, 3>& figures_and_minutes) {
    auto text = right(lane, 4) + " " + fit(owner, 16) + " " + right(pid, 8) + " " + fit(state, 5);
    for (const auto& [figure, minute] : figures_and_minutes)
      text += right(figure, 9) + (spark > 0 ? " " + fit(minute, spark) : "");
    return text;
  };
  const std::string minute = "last minute";
  out.push_back({row("LANE", "OWNER", "PID", "", {{{"RATE/s", minute}, {"WAITING", minute}, {"LOST", minute}}}),
                 pane_ == lanes ? Line::Style::bold : Line::Style::plain});

  std::vector<std::size_t> places(figures.lanes.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const auto first = first_row(lanes, places.size(), rows);
  places = sorted(std::move(places), first + rows, [&](std::size_t a, std::size_t b) {
    const auto& left = figures.lanes[a];
    const auto& right = figures.lanes[b];
    switch (sort_[lanes]) {
      case 1: return left.rate_hz > right.rate_hz;
      case 2: return left.waiting > right.waiting;
      case 3: return left.lost > right.lost;
      default: return left.index < right.index;
    }
  });
  for (auto i = first; i < std::min(first + rows, places.size()); ++i) {
    const auto& lane = figures.lanes[places[i]];
    const auto line = [&](const Minute& m) { return sparkline(m, spark, figures.second, is_utf8_); };
    out.push_back({row(std::to_string(lane.index), lane.pid ? lane.owner : "(unknown)",
                       lane.pid ? std::to_string(lane.pid) : "-",
                       !lane.alive   ? "?"
                       : *lane.alive ? "alive"
                                     : "dead",
                       {{{rate_text(lane.rate_hz), line(lane.rates)},
                         {count_text(lane.waiting), line(lane.waits)},
                         {count_text(lane.lost), line(lane.losses)}}})});
  }
}

void WatchScreen::add_series(std::vector<Line>& out, const WatchFigures& figures, std::size_t width,
                             std::size_t rows) {
  constexpr std::size_t fixed = 4 + 1 + 8 + 1 + 1 + 20 + 1 + 8 + 1 + 9;
  const auto name = std::max<std::size_t>(width > fixed ? width - fixed : 0, 10);
  const auto row = [&](const std::string& lane, const std::string& kind, const std::string& text,
                       const std::string& last, const std::string& age, const std::string& rate) {
    return right(lane, 4) + " " + fit(kind, 8) + " " + fit(text, name) + " " + right(last, 20) + " " + right(age, 8) +
           " " + right(rate, 9);
  };
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < figures.series.size(); ++i)
    if (filter_.empty() || figures.series[i].info->text.find(filter_) != std::string::npos) places.push_back(i);
  const auto all = figures.series.size();
  const auto title =
      places.size() == all ? fmt::format("SERIES ({})", all) : fmt::format("SERIES ({} of {})", places.size(), all);
  out.push_back({row("LANE", "KIND", title, "LAST", "AGE", "RATE/s"),
                 pane_ == series ? Line::Style::bold : Line::Style::plain});

  const auto first = first_row(series, places.size(), rows);
  if (sort_[series] != 0)
    places = sorted(std::move(places), first + rows, [&](std::size_t a, std::size_t b) {
      const auto& left = figures.series[a];
      const auto& right = figures.series[b];
      switch (sort_[series]) {
        case 1: return left.info->text < right.info->text;
        case 2: return left.rate_hz > right.rate_hz;
        default:
          return left.last.has_value() != right.last.has_value() ? left.last.has_value()
                                                                 : left.time_ns > right.time_ns;
      }
    });
  for (auto i = first; i < std::min(first + rows, places.size()); ++i) {
    const auto& each = figures.series[places[i]];
    const auto& definition = each.info->definition;
    out.push_back({row(std::to_string(each.info->lane), ringdown::kind_name(definition.kind), each.info->text,
                       each.last ? ringdown::printable(ringdown::value_text(definition, *each.last)) : "-",
                       each.last ? age_text(figures.now_ns - each.time_ns) : "-", rate_text(each.rate_hz))});
  }
}

}  // namespace inspect
