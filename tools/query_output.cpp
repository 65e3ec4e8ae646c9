#include "query_output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <unordered_map>

#include "cli.hpp"
#include "query_plot.hpp"
#include "query_time.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

std::string labels_text(ring::Definition definition) {
  definition.name.clear();
  return series_text(definition);
}

/// The shortest text that reads back as the same number.
std::string number(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::optional<double> mean(const Series& series, const Bucket& bucket) {
  if (series.definition.kind != ring::Kind::gauge || !bucket.has_sum || bucket.count <= 0) return {};
  return bucket.sum / static_cast<double>(bucket.count);
}

std::string number_or(const std::optional<double>& value, const char* otherwise) {
  return value ? number(*value) : otherwise;
}

/// Whether there is a mean of it, and quantiles.
bool has_values(const Series& series, const Summary& s) { return series.definition.kind == ring::Kind::gauge && s.row.count > 0; }

/// Within the least and the greatest, which a sketch does not know.
double quantile_of(const Summary& s, double q) { return std::clamp(s.row.sketch.quantile(q), s.row.min, s.row.max); }

std::string state_name(const Series& series, double state) {
  if (state != state) return "other";
  const auto name = series.state(state);
  return name.empty() ? number(state) : std::string(name);
}

std::optional<double> sum(const Bucket& bucket) {
  return bucket.has_sum ? std::optional(bucket.sum) : std::nullopt;
}

}  // namespace

Series::Series(SeriesRow from)
    : id(from.id), definition(std::move(from.definition)), labels(labels_text(definition)) {}

std::string_view Series::state(double value) const noexcept {
  const auto& states = definition.states;
  if (!(value >= 0 && value < static_cast<double>(states.size()) && value == std::floor(value))) return {};
  return states[static_cast<std::size_t>(value)];
}

void Output::put(std::string_view text) {
  constexpr std::size_t write_bytes = 1 << 16;
  buffer_ += text;
  if (buffer_.size() >= write_bytes) flush();
}

void Output::flush() {
  for (std::size_t at = 0; at < buffer_.size();) {
    const auto written = ::write(STDOUT_FILENO, buffer_.data() + at, buffer_.size() - at);
    if (written < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "write standard output");
    if (written > 0) at += static_cast<std::size_t>(written);
  }
  buffer_.clear();
}

void complain(const std::string& text) { std::cerr << "ring-query: " << text << '\n'; }

namespace {

/// Aligns its columns over a block of rows; from block to block they only grow wider.
class TableWriter : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override {
    if (widths_.empty()) begin({"TIME", "SERIES", "VALUE"});
    add({local_time(time_ns, 3), name(series), state_or_number(series, value)});
  }

  void bucket(const Series& series, const Bucket& b) override {
    if (widths_.empty()) begin({"TIME", "SERIES", "COUNT", "MIN", "MEAN", "MAX", "FIRST", "LAST", "SUM"});
    const auto time_ns = std::clamp<std::int64_t>(b.start_s, -9'223'372'036, 9'223'372'036) * 1'000'000'000;
    const auto value = [&](double v) { return state_or_number(series, v); };
    add({local_time(time_ns, 0), name(series), std::to_string(b.count), value(b.min),
         number_or(mean(series, b), "-"), value(b.max), value(b.first), value(b.last),
         number_or(sum(b), "-")});
  }

  void summary(const Series& series, const Summary& s) override {
    if (widths_.empty()) begin({"SERIES", "SHARES OR GROWTH", "COUNT", "MIN", "P50", "P95", "P99", "MAX", "MEAN", "LAST"});
    const bool is_gauge = has_values(series, s);
    const auto quantile = [&](double q) { return is_gauge ? fmt::format("{:.6g}", quantile_of(s, q)) : "-"; };
    const auto of_gauge = [&](double value) { return is_gauge ? fmt::format("{:.6g}", value) : "-"; };
    add({name(series), growth_or_shares(series, s), std::to_string(s.row.count), of_gauge(s.row.min), quantile(0.5),
         quantile(0.95), quantile(0.99), of_gauge(s.row.max), of_gauge(s.row.sum / static_cast<double>(s.row.count)),
         state_or_number(series, s.row.last)});
  }

  void finish() override {
    print();
    Writer::finish();
  }

 private:
  using Row = std::vector<std::string>;
  static constexpr std::size_t block_rows = 512;
  static constexpr std::size_t text_columns = 2;  // the others are numbers, set to the right

  static std::string name(const Series& series) {
    const auto& unit = series.definition.unit;
    return series.definition.name + series.labels + (unit.empty() ? "" : " [" + unit + "]");
  }
  static std::string state_or_number(const Series& series, double value) {
    const auto state = series.state(value);
    return state.empty() ? number(value) : fmt::format("{} {}", number(value), state);
  }
  static std::string growth_or_shares(const Series& series, const Summary& s) {
    if (series.definition.kind == ring::Kind::counter)
      return fmt::format("+{:.6g}, {:.4g}/s", s.row.increase, s.seconds() > 0 ? s.row.increase / s.seconds() : 0);
    double all_ns = 0;
    for (const auto& state : s.row.states) all_ns += static_cast<double>(state.ns);
    std::string out;
    for (const auto& [state, ns] : s.row.states)
      if (ns > 0) out += fmt::format("{}{} {:.4g} %", out.empty() ? "" : ", ", state_name(series, state), 100 * static_cast<double>(ns) / all_ns);
    return out;
  }
  static std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }

  void begin(Row header) {
    widths_.resize(header.size());
    add(std::move(header));
  }

  void add(Row row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (char& c : row[i])
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';  // nothing that steers a terminal
      widths_[i] = std::max(widths_[i], width(row[i]));
    }
    rows_.push_back(std::move(row));
    if (rows_.size() >= block_rows) print();
  }

  void print() {
    std::string line;
    for (const auto& row : rows_) {
      line.clear();
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string padding(widths_[i] - width(row[i]), ' ');
        line += i == 0 ? "" : "  ";
        line += i < text_columns ? row[i] + padding : padding + row[i];
      }
      output_.put(line += '\n');
    }
    rows_.clear();
  }

  std::vector<std::size_t> widths_;
  std::vector<Row> rows_;
};

/// RFC 4180, with the line ends of Unix.
class CsvWriter : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override {
    header("time_s,name,labels,value,state\n");
    line_.clear();
    put_seconds(time_ns);
    line_ += fields(series);
    std::array<char, 32> text;
    line_.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
    line_ += ',';
    if (const auto state = series.state(value); !state.empty()) line_ += quoted(state);
    line_ += '\n';
    output_.put(line_);
  }

  void bucket(const Series& series, const Bucket& b) override {
    header("time_s,name,labels,count,min,mean,max,first,last,sum,last_state\n");
    output_.put(fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", b.start_s, quoted(series.definition.name),
                            quoted(series.labels), b.count, number(b.min), number_or(mean(series, b), ""),
                            number(b.max), number(b.first), number(b.last), number_or(sum(b), ""),
                            quoted(series.state(b.last))));
  }

  void summary(const Series& series, const Summary& s) override {
    header("from_s,name,labels,to_s,count,min,p50,p95,p99,max,mean,increase,last,last_state,states\n");
    const auto kind = series.definition.kind;
    put_seconds(s.from_ns);
    line_ += fields(series);
    put_seconds(s.to_ns);
    line_ += fmt::format(",{}", s.row.count);
    const auto put = [&](bool is_there, double value) { line_ += "," + (is_there ? number(value) : std::string()); };
    const bool is_gauge = has_values(series, s);
    put(is_gauge, s.row.min);
    for (const double q : {0.5, 0.95, 0.99}) put(is_gauge, is_gauge ? quantile_of(s, q) : 0);
    put(is_gauge, s.row.max);
    put(is_gauge, s.row.sum / static_cast<double>(s.row.count));
    put(kind == ring::Kind::counter, s.row.increase);
    put(true, s.row.last);
    line_ += "," + quoted(series.state(s.row.last)) + ",";
    std::string states;
    for (const auto& [state, ns] : s.row.states)
      states += fmt::format("{}{}={:.9f}", states.empty() ? "" : ";", state_name(series, state), static_cast<double>(ns) / 1e9);
    output_.put(line_ + quoted(states) + "\n");
    line_.clear();
  }

 private:
  void header(std::string_view line) {
    if (!std::exchange(has_header_, true)) output_.put(line);
  }
  /// As unix_seconds(), of which those before the point are the same for a while.
  void put_seconds(std::int64_t time_ns) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    if (time_ns < 0) {
      line_ += unix_seconds(time_ns);
      return;
    }
    if (time_ns / second_ns != second_ || second_text_.empty()) {
      second_ = time_ns / second_ns;
      second_text_ = std::to_string(second_) + '.';
    }
    line_ += second_text_;
    std::array<char, 9> digits;
    auto rest = time_ns % second_ns;
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, rest /= 10)
      *digit = static_cast<char>('0' + rest % 10);
    line_.append(digits.data(), digits.size());
  }
  /// Its name and labels, between commas.
  const std::string& fields(const Series& series) {
    if (series.id >= fields_.size()) fields_.resize(series.id + std::size_t{1});
    auto& out = fields_[series.id];
    if (out.empty()) out = ',' + quoted(series.definition.name) + ',' + quoted(series.labels) + ',';
    return out;
  }
  static std::string quoted(std::string_view field) {
    if (field.find_first_of(",\"\r\n") == field.npos) return std::string(field);
    std::string out = "\"";
    for (const char c : field) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
  }

  bool has_header_ = false;
  std::string line_;
  std::int64_t second_ = 0;
  std::string second_text_;
  std::vector<std::string> fields_;  // by series
};

class JsonWriter : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override {
    auto& row = row_of(series, "time_ns", time_ns);
    row["value"] = value;
    put_state(row, "state", series, value);
    print(row);
  }

  void bucket(const Series& series, const Bucket& b) override {
    auto& row = row_of(series, "time_s", b.start_s);
    const auto or_null = [](const std::optional<double>& v) { return v ? Json(*v) : Json(); };
    row["count"] = b.count;
    row["min"] = b.min;
    row["mean"] = or_null(mean(series, b));
    row["max"] = b.max;
    row["first"] = b.first;
    row["last"] = b.last;
    row["sum"] = or_null(sum(b));
    put_state(row, "last_state", series, b.last);
    print(row);
  }

  void summary(const Series& series, const Summary& s) override {
    auto& row = row_of(series, "from_ns", s.from_ns);
    row["to_ns"] = s.to_ns;
    row["count"] = s.row.count;
    row["last"] = s.row.last;
    put_state(row, "last_state", series, s.row.last);
    if (has_values(series, s)) {
      row["min"] = s.row.min;
      for (const auto& [name, q] : {std::pair{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}) row[name] = quantile_of(s, q);
      row["max"] = s.row.max;
      row["mean"] = s.row.sum / static_cast<double>(s.row.count);
    } else if (series.definition.kind == ring::Kind::counter) {
      row["increase"] = s.row.increase;
      row["rate_per_s"] = s.seconds() > 0 ? Json(s.row.increase / s.seconds()) : Json();
    } else if (series.definition.kind == ring::Kind::state) {
      row["state_ns"] = Json::object();
      for (const auto& [state, ns] : s.row.states) row["state_ns"][state_name(series, state)] = ns;
    }
    print(row);
  }

 private:
  using Json = nlohmann::ordered_json;

  /// Made once a series: its next row replaces the numbers.
  Json& row_of(const Series& series, const char* time_name, std::int64_t time) {
    auto& row = rows_[series.id];
    row[time_name] = time;
    if (row.size() > 1) return row;
    const auto& d = series.definition;
    row["name"] = d.name;
    row["labels"] = Json::object();
    for (const auto& [key, value] : d.labels) row["labels"][key] = value;
    row["kind"] = kind_name(d.kind);
    row["unit"] = d.unit;
    return row;
  }
  static void put_state(Json& row, const char* name, const Series& series, double value) {
    if (series.definition.kind != ring::Kind::state) return;
    const auto state = series.state(value);
    row[name] = state.empty() ? Json() : Json(state);
  }
  void print(const Json& row) {
    output_.put(row.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
  }

  std::unordered_map<std::uint32_t, Json> rows_;
};

/// One plot a series. Keeps all rows in memory: see --step auto.
class PlotWriter : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override { take(series, {time_ns, value, value}); }
  void bucket(const Series& series, const Bucket& b) override {
    take(series, {std::clamp<std::int64_t>(b.start_s, -9'223'372'036, 9'223'372'036) * 1'000'000'000, b.min, b.max});
  }
  void summary(const Series&, const Summary&) override {}
  void finish() override {
    constexpr std::size_t height = 8;
    for (const auto& [id, drawn] : drawn_) {
      const auto& unit = drawn.series->definition.unit;
      output_.put(drawn.series->definition.name + drawn.series->labels + (unit.empty() ? "" : " [" + unit + "]") + "\n");
      for (const auto& line : plot(drawn.points, gap_ns(drawn.points), columns(), height)) output_.put(line + "\n");
    }
    Writer::finish();
  }

 private:
  struct Drawn {
    const Series* series = nullptr;
    std::vector<PlotPoint> points;
  };
  void take(const Series& series, const PlotPoint& point) {
    auto& drawn = drawn_[series.id];
    drawn.series = &series;
    drawn.points.push_back(point);
  }
  /// Five times what mostly lies between two points.
  static std::int64_t gap_ns(const std::vector<PlotPoint>& points) {
    if (points.size() < 2) return 0;
    std::vector<std::uint64_t> steps;
    for (std::size_t i = 1; i < points.size(); ++i)
      steps.push_back(static_cast<std::uint64_t>(points[i].time_ns) - static_cast<std::uint64_t>(points[i - 1].time_ns));
    std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end());
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max() / 5;
    return static_cast<std::int64_t>(std::min(steps[steps.size() / 2], most)) * 5;
  }
  /// Of the terminal, of COLUMNS, or 100.
  static std::size_t columns() {
    constexpr std::size_t least = 30, most = 1000;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return std::clamp<std::size_t>(size.ws_col, least, most);
    const char* const text = std::getenv("COLUMNS");
    const auto given = text ? std::strtoul(text, nullptr, 10) : 0;
    return given > 0 ? std::clamp<std::size_t>(given, least, most) : 100;
  }

  std::map<std::uint32_t, Drawn> drawn_;  // by series
};

}  // namespace

std::unique_ptr<Writer> make_writer(std::string_view format) {
  if (format == "plot") return std::make_unique<PlotWriter>();
  if (format == "csv") return std::make_unique<CsvWriter>();
  if (format == "json") return std::make_unique<JsonWriter>();
  return std::make_unique<TableWriter>();
}

}  // namespace ringdown
