#include "rollup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace ringdown {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t ns_max = std::numeric_limits<std::int64_t>::max();

/// Neumaier's sum: the rounding errors of the additions (by Knuth's two-sum) are added up beside it.
void add_exactly(double& sum, double& errors, double value) noexcept {
  const double before = sum, added = (sum += value) - before;
  errors += (before - (sum - added)) + (value - added);
}
double exact(double sum, double errors) noexcept { return std::isfinite(sum) ? sum + errors : sum; }

/// An infinite sum stays as it is, whatever comes.
double plus(double sum, double more) noexcept { return std::isfinite(sum) ? sum + more : sum; }

/// Neither is negative; rows somebody else wrote may hold any.
std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  return __builtin_add_overflow(a, b, &a) ? ns_max : a;
}

std::vector<StateTime>::iterator find(std::vector<StateTime>& states, double state) {
  return std::lower_bound(states.begin(), states.end(), state, [](const StateTime& entry, double to_find) {
    return !entry.is_other() && !(entry.state >= to_find);
  });
}

void add_time(std::vector<StateTime>& states, double state, std::int64_t ns) {
  const auto at = find(states, state);
  if (at != states.end() && StateTime{state, at->ns} == *at) {
    at->ns = plus(at->ns, ns);
    return;
  }
  states.insert(at, {state + 0.0, ns});  // -0.0 is 0
  if (states.size() <= states_max || states[states_max].is_other()) return;
  const auto highest = states[states_max];
  states.erase(states.begin() + states_max);
  add_time(states, nan, highest.ns);
}

void add_times(std::vector<StateTime>& states, const std::vector<StateTime>& more) {
  for (const auto& [state, ns] : more) add_time(states, state, ns);
}

void take_time(std::vector<StateTime>& states, double state, std::int64_t ns) {
  const auto at = find(states, state);  // or behind where it would be
  if (at != states.end() && (at->state == state || at->is_other()))
    at->ns = std::max<std::int64_t>(0, at->ns - ns);
}

/// What both ways of adding have in common. A carried bucket's `min` and `max` are those of no sample.
void add(ring::Kind kind, Rollup& whole, const Rollup& more) {
  if (more.count > 0) {
    whole.min = std::min(whole.min, more.min);
    whole.max = std::max(whole.max, more.max);
  }
  whole.count = plus(whole.count, more.count);
  whole.sum = plus(whole.sum, more.sum);
  if (kind == ring::Kind::counter) whole.increase = plus(whole.increase, more.increase);
  if (kind == ring::Kind::state) add_times(whole.states, more.states);
  if (kind == ring::Kind::gauge) whole.sketch.merge(more.sketch);
}

std::runtime_error damaged(const std::string& why, std::string_view text) {
  constexpr std::size_t shown_max = 60;
  return std::runtime_error("times of states: " + why + " in '" + std::string(text.substr(0, shown_max)) +
                            (text.size() > shown_max ? "...'" : "'"));
}

/// Takes what somebody else may have written apart.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  bool at_end() const noexcept { return rest_.empty(); }
  bool take(std::string_view expected) noexcept {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw damaged(why + " at character " + std::to_string(text_.size() - rest_.size()), text_);
  }
  template <class Number>
  Number number(const char* what) {
    Number out{};
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc{}) fail(std::string("expected ") + what);
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return out;
  }

 private:
  std::string_view text_, rest_;
};

StateTime parse_entry(Parser& parser) {
  double state = nan;
  if (!parser.take("\"other\"")) {
    if (!parser.take("\"")) parser.fail("expected a state in quotes");
    state = parser.number<double>("a state");
    if (!std::isfinite(state)) parser.fail("expected a finite state");
    if (!parser.take("\"")) parser.fail("expected a state's closing quote");
  }
  if (!parser.take(":")) parser.fail("expected ':'");
  const auto ns = parser.number<std::int64_t>("nanoseconds");
  if (ns < 0) parser.fail("expected no negative time, found " + std::to_string(ns));
  return {state + 0.0, ns};
}

}  // namespace

Accumulator::Accumulator(ring::Kind kind, std::optional<Point> before, std::int64_t start_ns, std::int64_t end_ns)
    : kind_(kind), end_ns_(end_ns) {
  if (!before) return;
  if (kind != ring::Kind::gauge) held_ = {std::max(start_ns, before->time_ns), before->value};
  row_.min = row_.max = row_.first = row_.last = before->value;  // of a carried bucket
  row_.first_ns = row_.last_ns = start_ns;
}

void Accumulator::add(Point point) {
  const auto [time_ns, value] = point;
  if (row_.count++ == 0) {
    row_.min = row_.max = row_.first = row_.last = value;
    row_.first_ns = row_.last_ns = time_ns;
  }
  add_exactly(row_.sum, sum_errors_, value);
  row_.min = std::min(row_.min, value);
  row_.max = std::max(row_.max, value);
  if (time_ns < row_.first_ns) row_.first_ns = time_ns, row_.first = value;
  if (time_ns >= row_.last_ns) row_.last_ns = time_ns, row_.last = value;
  if (kind_ == ring::Kind::gauge) return row_.sketch.add(value);
  if (held_ && time_ns < held_->time_ns) return;
  switch (kind_) {
    case ring::Kind::gauge: return;
    case ring::Kind::counter:
      if (held_) add_exactly(row_.increase, increase_errors_, step(held_->value, value));
      held_ = point;
      return;
    case ring::Kind::state:
      if (held_ && held_->value == value) return;
      if (held_ && (row_.count > 1 || held_->time_ns < time_ns))  // a state from before that has no time here is none
        add_time(row_.states, held_->value, time_ns - held_->time_ns);
      held_ = point;
  }
}

Rollup Accumulator::finish() && {
  row_.sum = exact(row_.sum, sum_errors_);
  row_.increase = exact(row_.increase, increase_errors_);
  if (kind_ == ring::Kind::state && held_) add_time(row_.states, held_->value, end_ns_ - held_->time_ns);
  return std::move(row_);
}

Rollup roll_up(ring::Kind kind, std::span<const Point> points, std::optional<Point> before, std::int64_t start_ns,
               std::int64_t end_ns) {
  Accumulator row(kind, before, start_ns, end_ns);
  for (const auto& point : points) row.add(point);
  return std::move(row).finish();
}

void extend(ring::Kind kind, Rollup& whole, const Rollup& later, std::int64_t end_ns) {
  if (later.count == 0) return;
  if (whole.count == 0) {  // then `later` begins where `whole` did
    whole = later;
    return;
  }
  if (kind == ring::Kind::state) take_time(whole.states, whole.last, end_ns - whole.last_ns);
  if (later.first_ns < whole.first_ns) {
    whole.first_ns = later.first_ns;
    whole.first = later.first;
  }
  if (later.last_ns >= whole.last_ns) {
    whole.last_ns = later.last_ns;
    whole.last = later.last;
  }
  add(kind, whole, later);
}

void append(ring::Kind kind, Rollup& whole, const Rollup& next) {
  whole.last = next.last;  // a carried state as well
  if (whole.count == 0 && next.count > 0) {
    whole.min = whole.max = whole.first = next.first;
    whole.first_ns = next.first_ns;
  }
  if (next.count > 0) whole.last_ns = next.last_ns;
  add(kind, whole, next);
}

double mode(const std::vector<StateTime>& states) noexcept {
  StateTime most{nan, -1};
  for (const auto& entry : states)
    if (entry.ns >= most.ns && !entry.is_other()) most = entry;
  return most.state;
}

double value_of(ring::Kind kind, const Rollup& rollup) noexcept {
  if (kind == ring::Kind::gauge && rollup.count > 0) return rollup.sum / static_cast<double>(rollup.count);
  if (kind == ring::Kind::state && !rollup.states.empty()) return mode(rollup.states);
  return rollup.last;
}

std::string states_text(const std::vector<StateTime>& states) {
  std::string out = "{";
  const auto put = [&](auto number) {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  };
  for (const auto& entry : states) {
    out += out.size() == 1 ? "\"" : ",\"";
    if (entry.is_other())
      out += "other";
    else
      put(entry.state);
    out += "\":";
    put(entry.ns);
  }
  return out + '}';
}

std::vector<StateTime> parse_states(std::string_view text) {
  Parser parser(text);
  std::vector<StateTime> out;
  std::int64_t sum = 0;
  if (!parser.take("{")) parser.fail("expected '{'");
  while (!parser.take("}")) {
    if (!out.empty() && !parser.take(",")) parser.fail("expected ',' or '}'");
    const auto entry = parse_entry(parser);
    if (!out.empty() && !(out.back().state < entry.state || (entry.is_other() && !out.back().is_other())))
      parser.fail("states that do not ascend");
    if (out.size() == states_max && !entry.is_other())
      parser.fail("more than " + std::to_string(states_max) + " states");
    if (__builtin_add_overflow(sum, entry.ns, &sum)) parser.fail("more nanoseconds than 2^63");
    out.push_back(entry);
  }
  if (!parser.at_end()) parser.fail("something behind its end");
  return out;
}

}  // namespace ringdown
