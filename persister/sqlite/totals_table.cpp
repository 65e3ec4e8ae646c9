// totals_table.cpp: the virtual table of what raw samples come to; extension.cpp says what it shows.
#include <cmath>
#include <vector>

#include "module.hpp"
#include "raw_totals.hpp"
#include "source.hpp"

namespace ringdown::extension {
namespace {

constexpr Column columns[] = {
    {"start_ns INTEGER", Content::start_ns},
    {"series INTEGER", Content::series_id, "id"},
    {"name TEXT", Content::of_series, "name"},
    {"labels TEXT", Content::of_series, "labels"},
    {"kind TEXT", Content::of_series, "kind"},
    {"unit TEXT", Content::of_series, "unit"},
    {"count INTEGER", Content::count},
    {"min REAL", Content::min},
    {"max REAL", Content::max},
    {"sum REAL", Content::sum},
    {"first REAL", Content::first},
    {"last REAL", Content::last},
    {"first_ns INTEGER", Content::first_ns},
    {"last_ns INTEGER", Content::last_ns},
    {"from_ns INTEGER HIDDEN", Content::from_ns},
    {"to_ns INTEGER HIDDEN", Content::to_ns},
    {"step_ns INTEGER HIDDEN", Content::step_ns},
    {"skip_damaged INTEGER HIDDEN", Content::skip_damaged},
    {"schema TEXT HIDDEN", Content::schema},
};
/// With the parameters: two ranges joined by OR may have rows that begin at the same time.
constexpr Shape shape{"ring_totals", columns, "start_ns, series, from_ns, to_ns, step_ns"};

void give_sum(sqlite3_context* out, double sum) {
  std::isfinite(sum) ? sqlite3_result_double(out, sum) : sqlite3_result_null(out);
}

class TotalsCursor {
 public:
  explicit TotalsCursor(Table& table) : source_(table.host, shape) {}

  void filter(const char* plan, std::span<sqlite3_value*> values) {
    end();
    const Chosen chosen(shape, plan, values);
    source_.open(chosen);
    const auto selection = chosen.selection(source_.database());
    if (!selection) return;
    from_ns_ = selection->from_ns;
    to_ns_ = selection->to_ns;
    step_ns_ = chosen.step_ns();
    rows_ = raw_totals(source_.database(), *selection, step_ns_,
                       [this](const auto& what, auto, auto) { source_.damaged(what); });
    find_row();
  }

  void next() {
    ++at_;
    find_row();
  }

  bool at_end() const noexcept { return at_ == rows_.size(); }

  void show(sqlite3_context* out, std::size_t column) const {
    const auto& total = rows_[at_].total;
    switch (shape.columns[column].content) {
      case Content::start_ns:
        return sqlite3_result_int64(out, rows_[at_].start_ns);
      case Content::count:
        return sqlite3_result_int64(out, total.count);
      case Content::min:
        return sqlite3_result_double(out, total.min);
      case Content::max:
        return sqlite3_result_double(out, total.max);
      case Content::sum:
        return give_sum(out, total.sum());
      case Content::first:
        return sqlite3_result_double(out, total.first);
      case Content::last:
        return sqlite3_result_double(out, total.last);
      case Content::first_ns:
        return sqlite3_result_int64(out, total.first_ns);
      case Content::last_ns:
        return sqlite3_result_int64(out, total.last_ns);
      case Content::from_ns:
        return sqlite3_result_int64(out, from_ns_);
      case Content::to_ns:
        return sqlite3_result_int64(out, to_ns_);
      case Content::step_ns:
        return sqlite3_result_int64(out, step_ns_);
      case Content::skip_damaged:
        return sqlite3_result_int(out, source_.skip_damaged());
      case Content::schema:
        return sqlite3_result_text(out, source_.schema().c_str(), -1, SQLITE_TRANSIENT);
      default:
        return sqlite3_result_value(out, info_->values[column].get());
    }
  }

  /// After an error.
  void end() noexcept {
    rows_ = {};
    at_ = 0;
  }

 private:
  /// Goes on to the next row whose series is known.
  void find_row() {
    for (; at_ < rows_.size(); ++at_) {
      info_ = source_.series().find(rows_[at_].series);
      if (info_) return;
      source_.damaged_series(rows_[at_].series);
    }
  }

  Source source_;
  std::vector<TotalRow> rows_;
  std::size_t at_ = 0;
  const Info* info_ = nullptr;
  std::int64_t from_ns_ = 0, to_ns_ = 0, step_ns_ = 0;
};

}  // namespace

int add_totals_table(sqlite3* host) { return Module<TotalsCursor>::add(host, shape); }

}  // namespace ringdown::extension
