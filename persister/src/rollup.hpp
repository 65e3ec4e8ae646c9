// rollup.hpp: what a tier keeps of one series' samples in one bucket, and how such rows become wider ones.
// Values are finite. No row is made of a bucket before a series' first sample.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ring/definition.hpp"
#include "sketch.hpp"

namespace ringdown {

struct Point {
  std::int64_t time_ns;
  double value;
};

/// The time spent in a state. All states but the 64 lowest of a row share an entry behind them: `state` is
/// NaN, its name "other".
struct StateTime {
  double state;
  std::int64_t ns;
  bool is_other() const noexcept { return state != state; }
  bool operator==(const StateTime& b) const noexcept {
    return ns == b.ns && (state == b.state || (is_other() && b.is_other()));
  }
};
inline constexpr std::size_t states_max = 64;

struct Rollup {
  std::int64_t count = 0;  // 0: a carried bucket, without samples, in which the state from before holds on
  double sum = 0;          // infinite once it has been beyond a double
  double min = 0, max = 0, first = 0, last = 0;  // of a carried bucket: all the state
  std::int64_t first_ns = 0, last_ns = 0;  // time stamps of first and last; of a carried bucket: its start
  double increase = 0;            // Kind::counter: the sum of the steps from sample to sample, see step()
  std::vector<StateTime> states = {};  // Kind::state: ascending. A state that was seen for no time has 0 ns
  Sketch sketch = {};                  // Kind::gauge

  /// Whether the sketch says more than Sketch(min, count) would.
  bool needs_sketch() const noexcept { return !sketch.empty() && min < max; }
};

/// What a counter grew by from one sample to the next. One that fell was reset, and has grown from zero
/// again.
inline double step(double before, double value) noexcept { return value >= before ? value - before : value; }

/// A row in the making, sample by sample.
class Accumulator {
 public:
  /// Of the bucket [start_ns, end_ns). `before`: see roll_up. A kind of 0 has nothing beyond what all kinds have.
  Accumulator(ring::Kind kind, std::optional<Point> before, std::int64_t start_ns, std::int64_t end_ns);
  /// @param point  one that is older than the one before does not count for growth and time in states
  void add(Point point);
  Rollup finish() &&;

 private:
  /// What only a kind needs: rows of tier_1s, which has many open at a time, are without it.
  struct Growth {
    std::optional<Point> held = {};  // the sample before
    double increase = 0, errors = 0;
    void add(Point point);
  };
  struct Times {
    std::optional<Point> held;       // the state, and since when
    std::int64_t end_ns;
    std::vector<StateTime> states = {};
    void add(Point point, bool first);
  };
  using Detail = std::variant<Sketch, Growth, Times>;  // of a gauge, a counter, a state

  std::int64_t count_ = 0;
  double sum_ = 0, sum_errors_ = 0;
  double min_ = 0, max_ = 0, first_ = 0, last_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  std::unique_ptr<Detail> detail_;
};

/// Time in states begins at the bucket's start in the state of `before` if that is known, else at the first
/// sample; the last state holds on to the bucket's end. A counter's increase begins at `before` too.
/// @param points  in time order, of the same time in the order pushed; all in [start_ns, end_ns)
/// @param before  the sample before them. It is inside the bucket when an earlier part of that was rolled up
///                already; its state then begins at its time
Rollup roll_up(ring::Kind kind, std::span<const Point> points, std::optional<Point> before,
               std::int64_t start_ns, std::int64_t end_ns);

/// Adds later samples of the same bucket, rolled up with `before` = the last sample of `whole`. Those of a
/// counter or a state may not be older than that one; those of a gauge may.
void extend(ring::Kind kind, Rollup& whole, const Rollup& later, std::int64_t end_ns);

/// Adds samples of the same bucket that may be older than the last of `whole`. The growth of a counter stays as it is;
/// so does the time in states, but that the last state holds on to the end.
void extend_late(ring::Kind kind, Rollup& whole, const Rollup& later, std::int64_t end_ns);

/// Adds the bucket that follows, as when five rows of a minute become one.
void append(ring::Kind kind, Rollup& whole, const Rollup& next);

/// The state with the most time, of several the highest; "other" only when it is the only one. NaN without
/// any.
double mode(const std::vector<StateTime>& states) noexcept;

/// The one number a reader wants: a gauge's mean, a counter's last value, a state's mode.
double value_of(ring::Kind kind, const Rollup& rollup) noexcept;

/// {"0":59000000000,"2":1000000000}: JSON. The states are written with as few digits as tell them apart.
std::string states_text(const std::vector<StateTime>& states);
/// Throws std::runtime_error saying what is wrong.
std::vector<StateTime> parse_states(std::string_view text);

}  // namespace ringdown
