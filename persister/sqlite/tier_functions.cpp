// tier_functions.cpp: SQL functions of a tier's rows; extension.cpp says what each gives.
#include <algorithm>
#include <limits>

#include "function.hpp"
#include "rollup.hpp"

namespace ringdown::extension {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();  // NULL

/// sketch, count, min, max of a row.
struct Row {
  Sketch sketch;
  double min, max;
  bool is_known;  // false: there is no sketch, and not all values are the same
};

/// Empty of a row without samples: nothing, or what was carried over from an earlier one.
Row read_row(const Arguments& row) {
  if (row.is_null(1)) return {{}, 0, 0, true};
  const auto count = row.integer(1, "count");
  if (count < 0) row.fail(1, "count", "0 or more");
  if (count == 0) return {{}, 0, 0, true};
  Row out{{}, row.number(2, "min"), row.number(3, "max"), true};
  if (!row.is_null(0)) {
    out.sketch = Sketch::decode(row.blob(0, "sketch"));
    if (out.sketch.count() != static_cast<std::uint64_t>(count))
      throw std::runtime_error("the sketch has " + std::to_string(out.sketch.count()) + " samples, count is " +
                               std::to_string(count));
  } else if (out.min < out.max) {
    out.is_known = false;
  } else {
    out.sketch = Sketch(out.min, static_cast<std::uint64_t>(count));
  }
  return out;
}

double quantile(const Row& row, double q) {
  if (row.sketch.empty()) return nothing;
  return std::clamp(row.sketch.quantile(q), std::min(row.min, row.max), std::max(row.min, row.max));
}

/// NULL where there is no sketch: SQLite may ask before it looks whether a row is a gauge's.
struct SketchQuantile {
  double operator()(const Arguments& arguments) const {
    if (arguments.is_null(4)) return nothing;
    return quantile(read_row(arguments), arguments.quantile(4));
  }
};

class SketchMergeQuantile {
 public:
  void add(const Arguments& arguments) {
    const auto q = arguments.is_null(4) ? nothing : arguments.quantile(4);
    if (!is_first_ && !(q == q_ || (q != q && q_ != q_))) throw std::runtime_error("q differs from row to row");
    is_first_ = false;
    q_ = q;
    const auto row = read_row(arguments);
    if (!row.is_known)
      throw std::runtime_error("no sketch, but min is less than max; only gauges have one, from tier_1m on");
    if (row.sketch.empty()) return;
    if (whole_.sketch.empty()) {
      whole_ = row;
      return;
    }
    constexpr auto count_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (row.sketch.count() > count_max - whole_.sketch.count()) throw std::runtime_error("2^63 samples or more");
    whole_.sketch.merge(row.sketch);
    whole_.min = std::min(whole_.min, row.min);
    whole_.max = std::max(whole_.max, row.max);
  }
  double result() const { return q_ == q_ ? quantile(whole_, q_) : nothing; }

 private:
  bool is_first_ = true;
  double q_ = nothing;
  Row whole_{{}, 0, 0, true};
};

/// A state as it is asked for; NaN: those that share an entry.
double wanted(const Arguments& arguments, int i) {
  if (arguments.is_text(i) && arguments.text(i) == "other") return nothing;
  return arguments.number(i, "state");
}

/// Of the time in all states. NULL when that is none, or when the state may be one of those that share an entry.
class Shares {
 public:
  void add(const std::vector<StateTime>& states, double state) {
    bool found = false;
    for (const auto& entry : states) {
      whole_ += static_cast<double>(entry.ns);
      if (!(entry.state == state || (entry.is_other() && state != state))) continue;
      part_ += static_cast<double>(entry.ns);
      found = true;
    }
    if (!found && state == state && !states.empty() && states.back().is_other()) is_known_ = false;
  }
  double share() const noexcept { return is_known_ && whole_ > 0 ? part_ / whole_ : nothing; }

 private:
  double part_ = 0, whole_ = 0;
  bool is_known_ = true;
};

struct StateShare {
  double operator()(const Arguments& arguments) const {
    if (arguments.is_null(0) || arguments.is_null(1)) return nothing;
    Shares shares;
    shares.add(parse_states(arguments.text(0)), wanted(arguments, 1));
    return shares.share();
  }
};

class StateMergeShare {
 public:
  void add(const Arguments& arguments) {
    if (arguments.is_null(0)) return;
    if (arguments.is_null(1))
      is_asked_ = false;
    else
      shares_.add(parse_states(arguments.text(0)), wanted(arguments, 1));
  }
  double result() const { return is_asked_ ? shares_.share() : nothing; }

 private:
  bool is_asked_ = true;
  Shares shares_;
};

}  // namespace

int add_tier_functions(sqlite3* host) {
  for (const int code :
       {add_scalar<SketchQuantile>(host, "sketch_quantile", 5),
        add_aggregate<SketchMergeQuantile>(host, "sketch_merge_quantile", 5),
        add_scalar<StateShare>(host, "state_share", 2), add_aggregate<StateMergeShare>(host, "state_merge_share", 2)})
    if (code != SQLITE_OK) return code;
  return SQLITE_OK;
}

}  // namespace ringdown::extension
