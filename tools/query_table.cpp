// query_table.cpp: rows as a table for a person.
#include <fmt/format.h>

#include <optional>

#include "cli.hpp"
#include "query_time.hpp"
#include "query_writers.hpp"
#include "text_table.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

/// A block of rows at a time.
class TableWriter : public Writer {
 public:
  explicit TableWriter(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  void sample(const Series& series, std::int64_t time_ns, double value) override {
    if (!table_) begin({"TIME", "SERIES", "VALUE"});
    add({local_time(time_ns, 3), name(series), state_or_number(series, value)});
  }

  void bucket(const Series& series, const Bucket& b) override {
    if (!table_) begin({"TIME", "SERIES", "COUNT", "MIN", "MEAN", "MAX", "FIRST", "LAST", "SUM"});
    const auto value = [&](double v) { return state_or_number(series, v); };
    add({local_time(seconds_in_ns(b.start_s), 0), name(series), std::to_string(b.count), value(b.min),
         computed(mean(series, b)), value(b.max), value(b.first), value(b.last), computed(sum(b))});
  }

  void summary(const Series& series, const Summary& s) override {
    if (!table_) begin({"SERIES", "SHARES OR GROWTH", "COUNT", "GAPS", "MIN", "P50", "P95", "P99", "MAX", "MEAN", "LAST"});
    const bool is_gauge = has_values(series, s);
    const auto quantile = [&](double q) { return is_gauge ? figure(quantile_of(s, q)) : "-"; };
    const auto of_gauge = [&](double value) { return is_gauge ? figure(value) : "-"; };
    add({name(series), growth_or_shares(series, s), std::to_string(s.row.count), gaps(s.gaps), of_gauge(s.row.min), quantile(0.5),
         quantile(0.95), quantile(0.99), of_gauge(s.row.max), of_gauge(s.row.sum / static_cast<double>(s.row.count)),
         state_or_number(series, s.row.last)});
  }

  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override {
    if (!table_) {
      Row header{"TIME", "SERIES"};
      header.insert(header.end(), columns_.begin(), columns_.end());
      begin(header);
    }
    Row row{local_time(time_ns, time_ns % 1'000'000'000 == 0 ? 0 : 3), name(series)};
    for (const auto& value : values) row.push_back(computed(value));
    add(std::move(row));
  }

  void finish() override {
    if (table_) output_.put(table_->take());
    Writer::finish();
  }

 private:
  using Row = TextTable::Row;
  static constexpr std::size_t block_rows = 512;

  /// What no series has had: only a few of its digits say something.
  static std::string computed(const std::optional<double>& value) { return value ? figure(*value) : "-"; }
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
      return fmt::format("+{}, {}/s", figure(s.row.increase), figure(s.seconds() > 0 ? s.row.increase / s.seconds() : 0, 4));
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

  void begin(const Row& header) {
    constexpr std::size_t texts = 2;  // the other columns are figures
    table_.emplace(header, texts);
  }

  void add(Row row) {
    for (auto& field : row) field = printable(std::move(field));
    table_->add(std::move(row));
    if (table_->rows() >= block_rows) output_.put(table_->take());
  }

  std::vector<std::string> columns_;
  std::optional<TextTable> table_;
};

}  // namespace

std::unique_ptr<Writer> make_table_writer(std::vector<std::string> columns) { return std::make_unique<TableWriter>(std::move(columns)); }

}  // namespace ringdown
