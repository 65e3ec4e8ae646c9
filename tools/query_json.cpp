// query_json.cpp: rows as JSON lines for other programs.
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "query_writers.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

class JsonWriter : public Writer {
 public:
  explicit JsonWriter(std::vector<std::string> columns) : columns_(std::move(columns)) {}

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
    row["gaps"] = {{"count", s.gaps.count}, {"longest_ns", s.gaps.longest}, {"all_ns", s.gaps.all}};
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

  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override {
    auto& row = row_of(series, "time_ns", time_ns);
    for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = values[i] ? Json(*values[i]) : Json();
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

  std::vector<std::string> columns_;
  std::unordered_map<std::uint32_t, Json> rows_;
};

}  // namespace

std::unique_ptr<Writer> make_json_writer(std::vector<std::string> columns) { return std::make_unique<JsonWriter>(std::move(columns)); }

}  // namespace ringdown
