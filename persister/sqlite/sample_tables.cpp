// sample_tables.cpp: the virtual tables over raw samples; extension.cpp says what they show.
#include <optional>

#include "module.hpp"
#include "source.hpp"

namespace ringdown::extension {
namespace {

constexpr Column samples_columns[] = {
    {"time_ns INTEGER", Content::time_ns},
    {"timestamp REAL", Content::timestamp},
    {"series INTEGER", Content::series_id, "id"},
    {"name TEXT", Content::of_series, "name"},
    {"labels TEXT", Content::of_series, "labels"},
    {"kind TEXT", Content::of_series, "kind"},
    {"unit TEXT", Content::of_series, "unit"},
    {"value REAL", Content::value},
    {"state TEXT", Content::state},
    {"skip_damaged INTEGER HIDDEN", Content::skip_damaged},
    {"schema TEXT HIDDEN", Content::schema},
    {"nth INTEGER HIDDEN", Content::nth},
};
constexpr Column metrics_columns[] = {
    {"timestamp REAL", Content::timestamp},
    {"wan_name TEXT", Content::of_series, "CAST(coalesce(json_extract(labels, '$.wan'), '') AS TEXT)"},
    {"metric_name TEXT", Content::of_series, "name"},
    {"value REAL", Content::value},
    {"labels TEXT", Content::of_series, "CAST(json_remove(labels, '$.wan') AS TEXT)"},
    {"granularity TEXT", Content::of_series, "CAST('raw' AS TEXT)"},
    {"skip_damaged INTEGER HIDDEN", Content::skip_damaged},
    {"schema TEXT HIDDEN", Content::schema},
    {"time_ns INTEGER HIDDEN", Content::time_ns},
    {"series INTEGER HIDDEN", Content::series_id, "id"},
    {"nth INTEGER HIDDEN", Content::nth},
};
/// SQLite puts the results of OR together by a primary key, which the samples of one time and series have not without
/// `nth`. The rows of a key keep their order whatever is asked for, as all of them are read, or none.
constexpr auto primary_key = "time_ns, series, nth";
constexpr Shape shapes[] = {{"ring_samples", samples_columns, primary_key},
                            {"ring_metrics", metrics_columns, primary_key}};

class SamplesCursor {
 public:
  explicit SamplesCursor(Table& table) : shape_(*table.shape), source_(table.host, shape_) {}

  void filter(const char* plan, std::span<sqlite3_value*> values) {
    end();
    nth_ = 0;
    const Chosen chosen(shape_, plan, values);
    source_.open(chosen);
    auto selection = chosen.selection(source_.database());
    if (!selection) return;
    reader_.emplace(source_.database(), std::move(*selection),
                    [this](const auto& what, auto, auto) { source_.damaged(what); });
    find_row();
  }

  void next() {
    const auto before = samples_[at_++];
    find_row();
    if (!at_end())
      nth_ = samples_[at_].time_ns == before.time_ns && samples_[at_].series == before.series ? nth_ + 1 : 0;
  }

  bool at_end() const noexcept { return at_ == samples_.size(); }

  void show(sqlite3_context* out, std::size_t column) const {
    const auto& sample = samples_[at_];
    switch (shape_.columns[column].content) {
      case Content::time_ns: return sqlite3_result_int64(out, sample.time_ns);
      case Content::timestamp: return sqlite3_result_double(out, static_cast<double>(sample.time_ns) / 1e9);
      case Content::value: return sqlite3_result_double(out, sample.value);
      case Content::state: return show_state(out, sample.value);
      case Content::skip_damaged: return sqlite3_result_int(out, source_.skip_damaged());
      case Content::nth: return sqlite3_result_int64(out, nth_);
      case Content::schema: return sqlite3_result_text(out, source_.schema().c_str(), -1, SQLITE_TRANSIENT);
      default: return sqlite3_result_value(out, info_->values[column].get());
    }
  }

  /// After an error.
  void end() noexcept {
    samples_ = {};
    at_ = 0;
    reader_.reset();
  }

 private:
  /// Goes on to the next sample whose series is known.
  void find_row() {
    for (;; ++at_) {
      if (at_ == samples_.size()) {
        at_ = 0;
        samples_ = {};
        samples_ = reader_->next();
        if (samples_.empty()) return;
      }
      info_ = source_.series().find(samples_[at_].series);
      if (info_) return;
      source_.damaged_series(samples_[at_].series);
    }
  }

  void show_state(sqlite3_context* out, double value) const {
    if (!(value >= 0) || !(value < static_cast<double>(info_->states.size()))) return;
    const auto at = static_cast<std::size_t>(value);
    if (static_cast<double>(at) != value) return;
    sqlite3_result_text(out, info_->states[at].c_str(), static_cast<int>(info_->states[at].size()), SQLITE_TRANSIENT);
  }

  const Shape& shape_;
  Source source_;
  std::optional<RawReader> reader_;
  std::span<const RawSample> samples_;
  std::size_t at_ = 0;
  const Info* info_ = nullptr;
  std::int64_t nth_ = 0;  // of the samples of its time and series
};

}  // namespace

int add_sample_tables(sqlite3* host) {
  for (const auto& shape : shapes)
    if (const int code = Module<SamplesCursor>::add(host, shape); code != SQLITE_OK) return code;
  return SQLITE_OK;
}

}  // namespace ringdown::extension
