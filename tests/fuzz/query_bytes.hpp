// query_bytes.hpp: SQL queries of the extension's tables and functions, made of bytes.
//
// A byte chooses among what may come next; where the input has ended, it is 0, which is always short. Values:
//   byte  bits 0-3 what value, bit 7 in the text or bound
//   then  its bytes, if it has any
#pragma once

#include <sqlite3.h>

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace fuzz {

inline constexpr std::int64_t second_ns = 1'000'000'000, first_ns = 1'700'000'100 * second_ns;

using Text = std::string;
struct Blob {
  std::string bytes;
};
using Value = std::variant<std::monostate, std::int64_t, double, Text, Blob>;

struct TableName {
  const char* name;
  const char* plain;
  bool is_metrics;
  std::span<const char* const> columns;
};
inline constexpr const char* samples_columns[] = {"time_ns", "timestamp", "series", "name", "labels",
                                                  "kind",    "unit",      "value",  "state"};
inline constexpr const char* metrics_columns[] = {"timestamp", "wan_name", "metric_name",
                                                  "value",     "labels",   "granularity"};
inline constexpr const char* series_columns[] = {"series", "name", "labels", "kind", "unit"};
inline constexpr const char* parameters_of_samples[] = {"skip_damaged", "schema", "nth", "time_ns"};
inline constexpr const char* parameters_of_totals[] = {"from_ns", "to_ns",    "step_ns", "skip_damaged",
                                                       "schema",  "start_ns", "sum",     "last_ns"};
inline constexpr TableName samples{"ring_samples", "plain", false, samples_columns};
inline constexpr TableName metrics{"ring_metrics", "plain_metrics", true, metrics_columns};
inline constexpr TableName totals{"ring_totals", "plain", false, series_columns};

class Query {
 public:
  enum class Kind { rows, of_range, function, free };

  explicit Query(std::span<const std::uint8_t> bytes) : bytes_(bytes), kind_(static_cast<Kind>(byte() % 4)) {}

  Kind kind() const noexcept { return kind_; }
  TableName table() {
    const auto which = byte();
    auto out = which % 3 == 1 ? metrics : samples;
    if (which % 3 == 2) out.name = "ring_samples(0, 'other')";
    return out;
  }
  bool flag() { return byte() & 1; }
  /// NULL at the end of the input.
  std::string parameter() { return bytes_.empty() ? "NULL" : value(); }
  std::string parameters(int count) {
    return listed(count, [this] { return parameter(); });
  }

  std::string conditions(const TableName& table) {
    std::string out = "1";
    for (int terms = byte() % 5; terms > 0; --terms) {
      constexpr std::array joins{" AND ", " AND ", " OR ", " AND NOT "};
      out += joins[byte() % joins.size()];
      out += condition(table.columns);
    }
    return out;
  }

  /// A SELECT with what is not an answer in column 0 and one of a function in column 1.
  std::string function() {
    switch (byte() % 9) {
      case 0:
        return "SELECT 0, sketch_quantile(" + values(5) + ")";
      case 1:
        return "SELECT 0, sketch_quantile(sketch, count, min, max, " + parameter() + ") FROM tier_1m";
      case 2:
        return "SELECT 0, sketch_merge_quantile(column1, column2, column3, column4, column5) FROM " + table_of(5);
      case 3:
        return "SELECT 0, state_share(" + values(2) + ")";
      case 4:
        return "SELECT 0, state_merge_share(column1, column2) FROM " + table_of(2);
      case 5:
        return "SELECT 0, quantile(column1, column2) FROM " + table_of(2);
      case 6:
        return "SELECT 0, counter_rate(column1, column2) FROM " + table_of(2);
      case 7:
        return "SELECT 0, counter_increase(column1, column2) FROM " + table_of(2);
      default:
        return "SELECT 0, state_share(column1, column2, column3) FROM " + table_of(3);
    }
  }

  /// Parameters that are compared with anything, and joins.
  std::string free_text() {
    const auto select = [](const char* text, std::string first, std::string second = "") {
      return text + std::move(first) + (second.empty() ? "" : " AND " + std::move(second));
    };
    switch (byte() % 4) {
      case 0: {
        const auto where = conditions(samples);
        return select("SELECT count(*) FROM ring_samples WHERE ", where, condition(parameters_of_samples));
      }
      case 1: {
        const auto where = condition(parameters_of_totals);
        return select("SELECT count(*) FROM ring_totals WHERE ", where, condition(parameters_of_totals));
      }
      case 2:
        return select(
            "SELECT count(*), max(r.value) FROM main.series AS s LEFT JOIN ring_samples AS r ON r.series = s.id AND ",
            condition(samples.columns, "r."));
      default: {
        const auto call = "ring_totals(" + parameters(3) + ") AS t ON t.series = s.id WHERE ";
        return select("SELECT total(t.count), max(t.last) FROM main.series AS s JOIN ",
                      call + condition(totals.columns, "t."));
      }
    }
  }

  void bind(sqlite3_stmt* statement) const {
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      const int index = static_cast<int>(i) + 1;
      const auto& value = bound_[i];
      if (const auto* whole = std::get_if<std::int64_t>(&value)) sqlite3_bind_int64(statement, index, *whole);
      if (const auto* real = std::get_if<double>(&value)) sqlite3_bind_double(statement, index, *real);
      if (const auto* text = std::get_if<Text>(&value))
        sqlite3_bind_text(statement, index, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
      if (const auto* blob = std::get_if<Blob>(&value))
        sqlite3_bind_blob(statement, index, blob->bytes.data(), static_cast<int>(blob->bytes.size()), SQLITE_STATIC);
    }
  }

 private:
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto out = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return out;
  }
  std::uint64_t word() {
    std::uint64_t out = 0;
    for (int i = 0; i < 8; ++i) out = out << 8 | byte();
    return out;
  }
  std::string string() {
    std::string out;
    for (auto length = byte() % 32; length > 0; --length) out += static_cast<char>(byte());
    return out;
  }

  std::string condition(std::span<const char* const> columns, const std::string& of = "") {
    const auto column = of + columns[byte() % columns.size()];
    constexpr std::array operators{
        " = ", " < ", " <= ", " > ", " >= ", " LIKE ", " GLOB ", " IS ", " IS NOT ", " <> "};
    const auto how = byte() % 15u;
    if (how < operators.size()) return '(' + column + operators[how] + value() + ')';
    if (how == 12) return '(' + column + " IN (" + values(1 + byte() % 4) + "))";
    const auto first = value();
    switch (how) {
      case 10:
        return '(' + column + " = " + first + " COLLATE NOCASE)";
      case 11:
        return '(' + column + " BETWEEN " + first + " AND " + value() + ')';
      case 13:
        return '(' + column + " = " + first + " OR " + column + " = " + value() + ')';
      default:
        return '(' + column + " IN (SELECT id FROM main.series WHERE kind = " + first + "))";
    }
  }

  template <class Make>
  static std::string listed(int count, const Make& make) {
    std::string out;
    for (int i = 0; i < count; ++i) out += (i == 0 ? "" : ", ") + make();
    return out;
  }
  std::string values(int count) {
    return listed(count, [this] { return value(); });
  }
  std::string table_of(int columns) {
    return "(VALUES " + listed(1 + byte() % 4, [&] { return '(' + values(columns) + ')'; }) + ')';
  }

  std::string value() {
    const auto what = byte();
    auto made = make_value(what % 16);
    if (!(what & 0x80)) return literal(made);
    bound_.push_back(std::move(made));
    return '?' + std::to_string(bound_.size());
  }
  Value make_value(int what) {
    constexpr std::array texts{"rtt_ms", "5",   "%t%", "*",   "GREEN",  "raw",   "other",
                               "{}",     "att", "ms",  "now", "1.7e18", "3e-09", "0.000000002"};
    constexpr std::array edges{INT64_MIN, INT64_MAX, std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 53};
    const auto some_time = [&] {
      const auto at_ns = first_ns + byte() * 11 % 600 * 6 * second_ns;
      return at_ns + byte() % 3 - 1;
    };
    switch (what) {
      case 0:
        return static_cast<std::int64_t>(static_cast<std::int8_t>(byte()));
      case 1:
        return std::bit_cast<std::int64_t>(word());
      case 2:
        return std::bit_cast<double>(word());
      case 3:
        return Text(string());
      case 4:
        return Blob{string()};
      case 5:
        return Value();
      case 6:
      case 7:
        return std::int64_t{some_time()};
      case 8:
        return static_cast<double>(some_time()) / 1e9;
      case 9:
        return static_cast<double>(some_time());
      case 10:
        return Text(std::to_string(some_time()));
      case 11:
      case 12:
        return Text(texts[byte() % texts.size()]);
      case 13:
        return edges[byte() % edges.size()];
      case 14:
        return static_cast<double>(edges[byte() % edges.size()]) * 1.5;
      default:
        return static_cast<double>(byte()) / 255;
    }
  }
  static std::string literal(const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value))
      return *whole == INT64_MIN ? "-9223372036854775808" : std::to_string(*whole);
    if (const auto* real = std::get_if<double>(&value)) return of_double(*real);
    if (const auto* text = std::get_if<Text>(&value)) {
      char* const quoted = sqlite3_mprintf("%Q", text->c_str());  // up to a NUL
      const std::string out = quoted;
      sqlite3_free(quoted);
      return out;
    }
    if (const auto* blob = std::get_if<Blob>(&value)) {
      std::string out = "x'";
      for (const char c : blob->bytes) {
        constexpr auto digits = "0123456789abcdef";
        out += {digits[(c >> 4) & 15], digits[c & 15]};
      }
      return out + '\'';
    }
    return "NULL";
  }
  static std::string of_double(double value) {
    if (value != value) return "NULL";
    if (value - value != 0) return value > 0 ? "9e999" : "-9e999";
    char out[40];
    std::snprintf(out, sizeof out, "%.17e", value);
    return out;
  }

  std::span<const std::uint8_t> bytes_;
  Kind kind_;
  std::vector<Value> bound_;
};

}  // namespace fuzz
