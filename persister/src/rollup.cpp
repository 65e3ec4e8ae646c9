#include "rollup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "exact_sum.hpp"

namespace ringdown {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t ns_max = std::numeric_limits<std::int64_t>::max();

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

/// @return how much there was to take
std::int64_t take_time(std::vector<StateTime>& states, double state, std::int64_t ns) {
  const auto at = find(states, state);  // or behind where it would be
  if (at == states.end() || !(at->state == state || at->is_other())) return 0;
  const auto taken = std::clamp<std::int64_t>(ns, 0, at->ns);
  at->ns -= taken;
  return taken;
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

Accumulator::Accumulator(ring::Kind kind, std::optional<Point> before, std::int64_t start_ns, std::int64_t end_ns) {
  std::optional<Point> held;
  if (before) {
    held = {std::max(start_ns, before->time_ns), before->value};
    min_ = max_ = first_ = last_ = before->value;  // of a carried bucket
    first_ns_ = last_ns_ = start_ns;
  }
  if (kind == ring::Kind::gauge) detail_ = std::make_unique<Detail>(Sketch{});
  if (kind == ring::Kind::counter) detail_ = std::make_unique<Detail>(Growth{held});
  if (kind == ring::Kind::state) detail_ = std::make_unique<Detail>(Times{held, end_ns});
}

void Accumulator::add(Point point) {
  const auto [time_ns, value] = point;
  if (count_++ == 0) {
    min_ = max_ = first_ = last_ = value;
    first_ns_ = last_ns_ = time_ns;
  }
  add_exactly(sum_, sum_errors_, value);
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  if (time_ns < first_ns_) first_ns_ = time_ns, first_ = value;
  if (time_ns >= last_ns_) last_ns_ = time_ns, last_ = value;
  if (!detail_) return;
  if (auto* const sketch = std::get_if<Sketch>(detail_.get()))
    sketch->add(value);
  else if (auto* const growth = std::get_if<Growth>(detail_.get()))
    growth->add(point);
  else
    std::get_if<Times>(detail_.get())->add(point, count_ == 1);
}

void Accumulator::Growth::add(Point point) {
  if (held && point.time_ns < held->time_ns) return;
  if (held) add_exactly(increase, errors, step(held->value, point.value));
  held = point;
}

void Accumulator::Times::add(Point point, bool first) {
  if (held && (point.time_ns < held->time_ns || point.value == held->value)) return;
  if (held && (!first || held->time_ns < point.time_ns))  // a state from before that has no time here is none
    add_time(states, held->value, point.time_ns - held->time_ns);
  held = point;
}

Rollup Accumulator::finish() && {
  Rollup row{count_, exact(sum_, sum_errors_), min_, max_, first_, last_, first_ns_, last_ns_};
  if (!detail_) return row;
  if (auto* const sketch = std::get_if<Sketch>(detail_.get())) {
    row.sketch = std::move(*sketch);
  } else if (auto* const growth = std::get_if<Growth>(detail_.get())) {
    row.increase = exact(growth->increase, growth->errors);
  } else {
    auto& times = *std::get_if<Times>(detail_.get());
    if (times.held) add_time(times.states, times.held->value, times.end_ns - times.held->time_ns);
    row.states = std::move(times.states);
  }
  return row;
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

void extend_late(ring::Kind kind, Rollup& whole, const Rollup& later, std::int64_t end_ns) {
  auto states = whole.states;
  const auto increase = whole.increase;
  if (kind == ring::Kind::state && later.count > 0 && later.last_ns >= whole.last_ns)
    add_time(states, later.last, take_time(states, whole.last, end_ns - later.last_ns));
  extend(kind, whole, later, end_ns);
  whole.states = std::move(states);
  whole.increase = increase;
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
