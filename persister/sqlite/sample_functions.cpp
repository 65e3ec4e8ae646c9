// sample_functions.cpp: SQL aggregates of samples; extension.cpp says what each gives.
#include <limits>
#include <optional>

#include "function.hpp"
#include "rollup.hpp"

namespace ringdown::extension {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();  // NULL

class Quantile {
 public:
  void add(const Arguments& arguments) {
    const auto q = arguments.is_null(1) ? nothing : arguments.quantile(1);
    if (!is_first_ && !(q == q_ || (q != q && q_ != q_))) throw std::runtime_error("q differs from row to row");
    is_first_ = false;
    q_ = q;
    if (arguments.is_null(0)) return;
    const auto value = arguments.number(0, "value");
    if (!std::isfinite(value)) return;
    min_ = sketch_.empty() ? value : std::min(min_, value);
    max_ = sketch_.empty() ? value : std::max(max_, value);
    sketch_.add(value);
  }
  double result() const {
    return sketch_.empty() || q_ != q_ ? nothing : std::clamp(sketch_.quantile(q_), min_, max_);
  }

 private:
  bool is_first_ = true;
  double q_ = nothing, min_ = 0, max_ = 0;
  Sketch sketch_;
};

void require_order(std::int64_t before_ns, std::int64_t time_ns) {
  if (time_ns < before_ns)
    throw std::runtime_error("samples are out of order: " + std::to_string(time_ns) + " comes after " +
                             std::to_string(before_ns) + "; GROUP BY series, of rows ordered by time_ns");
}

double seconds(std::int64_t from_ns, std::int64_t to_ns) noexcept {
  return static_cast<double>(static_cast<std::uint64_t>(to_ns) - static_cast<std::uint64_t>(from_ns)) / 1e9;
}

/// time_ns, value of a counter.
class Increase {
 public:
  void add(const Arguments& arguments) {
    if (arguments.is_null(0) || arguments.is_null(1)) return;
    const Point point{arguments.integer(0, "time_ns"), arguments.number(1, "value")};
    if (!last_) {
      first_ns_ = point.time_ns;
    } else {
      require_order(last_->time_ns, point.time_ns);
      increase_ += step(last_->value, point.value);
    }
    last_ = point;
  }
  double result() const { return last_ ? increase_ : nothing; }

 protected:
  std::optional<Point> last_;
  std::int64_t first_ns_ = 0;
  double increase_ = 0;
};

class Rate : public Increase {
 public:
  double result() const {
    return last_ && last_->time_ns > first_ns_ ? increase_ / seconds(first_ns_, last_->time_ns) : nothing;
  }
};

/// time_ns, value, state: each value holds until the next sample.
class TimeShare {
 public:
  void add(const Arguments& arguments) {
    if (arguments.is_null(0)) return;
    const auto time_ns = arguments.integer(0, "time_ns");
    is_asked_ = is_asked_ && !arguments.is_null(2);
    if (is_started_) {
      require_order(last_ns_, time_ns);
      const auto held = seconds(last_ns_, time_ns);
      whole_ += held;
      if (holds_) part_ += held;
    }
    is_started_ = true;
    last_ns_ = time_ns;
    holds_ = is_same(arguments);
  }
  double result() const { return is_asked_ && whole_ > 0 ? part_ / whole_ : nothing; }

 private:
  /// A NULL is the name of a state that has none.
  static bool is_same(const Arguments& arguments) {
    if (arguments.is_null(1) || arguments.is_null(2)) return false;
    if (arguments.is_text(1) && arguments.is_text(2)) return arguments.text(1) == arguments.text(2);
    if (arguments.is_text(1)) arguments.fail(2, "state", "a name, as value is one");
    if (arguments.is_text(2)) arguments.fail(2, "state", "a number, as value is one");
    return arguments.number(1, "value") == arguments.number(2, "state");
  }

  bool is_asked_ = true, is_started_ = false, holds_ = false;
  std::int64_t last_ns_ = 0;
  double part_ = 0, whole_ = 0;
};

}  // namespace

int add_sample_functions(sqlite3* host) {
  for (const int code :
       {add_aggregate<Quantile>(host, "quantile", 2), add_aggregate<Increase>(host, "counter_increase", 2),
        add_aggregate<Rate>(host, "counter_rate", 2), add_aggregate<TimeShare>(host, "state_share", 3)})
    if (code != SQLITE_OK) return code;
  return SQLITE_OK;
}

}  // namespace ringdown::extension
