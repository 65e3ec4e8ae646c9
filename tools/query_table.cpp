// query_table.cpp: rows as a table for a person.
#include <fmt/format.h>

#include <algorithm>

#include "cli.hpp"
#include "query_time.hpp"
#include "query_writers.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

/// Aligns its columns over a block of rows; from block to block they only grow wider.
class TableWriter : public Writer {
 public:
  explicit TableWriter(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  void sample(const Series& series, std::int64_t time_ns, double value) override {
    if (widths_.empty()) begin({"TIME", "SERIES", "VALUE"});
    add({local_time(time_ns, 3), name(series), state_or_number(series, value)});
  }

  void bucket(const Series& series, const Bucket& b) override {
    if (widths_.empty()) begin({"TIME", "SERIES", "COUNT", "MIN", "MEAN", "MAX", "FIRST", "LAST", "SUM"});
    const auto value = [&](double v) { return state_or_number(series, v); };
    add({local_time(seconds_in_ns(b.start_s), 0), name(series), std::to_string(b.count), value(b.min),
         number_or(mean(series, b), "-"), value(b.max), value(b.first), value(b.last),
         number_or(sum(b), "-")});
  }

  void summary(const Series& series, const Summary& s) override {
    if (widths_.empty()) begin({"SERIES", "SHARES OR GROWTH", "COUNT", "GAPS", "MIN", "P50", "P95", "P99", "MAX", "MEAN", "LAST"});
    const bool is_gauge = has_values(series, s);
    const auto quantile = [&](double q) { return is_gauge ? fmt::format("{:.6g}", quantile_of(s, q)) : "-"; };
    const auto of_gauge = [&](double value) { return is_gauge ? fmt::format("{:.6g}", value) : "-"; };
    add({name(series), growth_or_shares(series, s), std::to_string(s.row.count), gaps(s.gaps), of_gauge(s.row.min), quantile(0.5),
         quantile(0.95), quantile(0.99), of_gauge(s.row.max), of_gauge(s.row.sum / static_cast<double>(s.row.count)),
         state_or_number(series, s.row.last)});
  }

  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override {
    if (widths_.empty()) {
      Row header{"TIME", "SERIES"};
      header.insert(header.end(), columns_.begin(), columns_.end());
      begin(std::move(header));
    }
    Row row{local_time(time_ns, time_ns % 1'000'000'000 == 0 ? 0 : 3), name(series)};
    for (const auto& value : values) row.push_back(value ? fmt::format("{:.6g}", *value) : "-");
    add(std::move(row));
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
  /// How many, and the longest.
  static std::string gaps(const Gaps& gaps) {
    const std::int64_t fine = gaps.longest >= 60'000'000'000 ? 1'000'000'000 : 1'000'000;
    return gaps.count == 0 ? "-" : fmt::format("{}, {}", gaps.count, duration_text(gaps.longest / fine * fine));
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
      row[i] = printable(std::move(row[i]));
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

  std::vector<std::string> columns_;
  std::vector<std::size_t> widths_;
  std::vector<Row> rows_;
};

}  // namespace

std::unique_ptr<Writer> make_table_writer(std::vector<std::string> columns) { return std::make_unique<TableWriter>(std::move(columns)); }

}  // namespace ringdown
