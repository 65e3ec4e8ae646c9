// test_rollup.cpp: rollups beside a naive model, and however they are put together.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "rollup.hpp"
#include "support.hpp"

using namespace ringdown;
using ring::Kind;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr double inf = std::numeric_limits<double>::infinity(), greatest = std::numeric_limits<double>::max();
constexpr double other = std::numeric_limits<double>::quiet_NaN();

using Random = std::mt19937_64;
using Points = std::vector<Point>;

/// Values as a series of the kind has them; some states are many, some counters start again.
double next_value(Random& random, Kind kind, double before, int states) {
  if (kind == Kind::gauge) return random() % 3 == 0 ? before : std::normal_distribution<>(0, 10)(random);
  if (kind == Kind::counter)
    return random() % 10 == 0 ? static_cast<double>(random() % 5)
                              : before + static_cast<double>(random() % 1000) / 8;
  if (states < 100 && random() % 3) return before;
  return static_cast<double>(static_cast<int>(random() % static_cast<unsigned>(states)) - states / 2);
}

/// In [start_ns, end_ns), ascending, some at the same time, some at the very start.
Points some_points(Random& random, Kind kind, std::int64_t start_ns, std::int64_t end_ns, std::size_t count) {
  const auto width = static_cast<std::uint64_t>(end_ns - start_ns);
  Points out(count);
  for (auto& point : out) {
    point.time_ns = start_ns + static_cast<std::int64_t>(random() % width);
    if (random() % 4 == 0) point.time_ns -= (point.time_ns - start_ns) % second;
  }
  std::sort(out.begin(), out.end(), [](const Point& a, const Point& b) { return a.time_ns < b.time_ns; });
  const int states = random() % 4 ? 4 : 200;
  double value = 3;
  for (auto& point : out) point.value = value = next_value(random, kind, value, states);
  return out;
}

/// What roll_up promises, one number at a time and without cleverness.
void check_model(Kind kind, const Rollup& row, const Points& points, std::optional<Point> before,
                 std::int64_t start_ns, std::int64_t end_ns) {
  REQUIRE(row.count == static_cast<std::int64_t>(points.size()));
  long double sum = 0, magnitude = 0, increase = 0;
  double min = inf, max = -inf;
  Sketch sketch;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto value = points[i].value;
    sum += value;
    magnitude += std::abs(value);
    min = std::min(min, value);
    max = std::max(max, value);
    sketch.add(value);
    if (i > 0 || before) {
      const auto from = i > 0 ? points[i - 1].value : before->value;
      increase += value >= from ? value - from : value;
    }
  }
  CHECK(std::abs(static_cast<double>(sum - row.sum)) <= 1e-15 * static_cast<double>(magnitude));
  if (!points.empty()) {
    CHECK(row.min == min);
    CHECK(row.max == max);
    CHECK(row.first == points.front().value);
    CHECK(row.last == points.back().value);
    CHECK(row.first_ns == points.front().time_ns);
    CHECK(row.last_ns == points.back().time_ns);
  } else if (before) {
    for (const auto state : {row.min, row.max, row.first, row.last}) CHECK(state == before->value);
    CHECK(row.first_ns == start_ns);
    CHECK(row.last_ns == start_ns);
  }
  CHECK(row.sketch == (kind == Kind::gauge ? sketch : Sketch{}));
  if (kind == Kind::counter)
    CHECK(row.increase == Approx(static_cast<double>(increase)).epsilon(1e-14));
  else
    CHECK(row.increase == 0);
  if (kind != Kind::state) {
    CHECK(row.states.empty());
    return;
  }
  std::map<double, std::int64_t> times;
  if (before) {
    const auto from = std::max(start_ns, before->time_ns),
               to = points.empty() ? end_ns : points.front().time_ns;
    if (to > from) times[before->value] += to - from;
  }
  for (std::size_t i = 0; i < points.size(); ++i)
    times[points[i].value] += (i + 1 < points.size() ? points[i + 1].time_ns : end_ns) - points[i].time_ns;
  std::vector<StateTime> expected;
  for (const auto& [state, ns] : times)
    if (expected.size() < states_max)
      expected.push_back({state, ns});
    else if (expected.size() == states_max)
      expected.push_back({other, ns});
    else
      expected.back().ns += ns;
  CHECK(row.states == expected);
}

void check_same(const Rollup& found, const Rollup& expected, const Points& points) {
  double magnitude = 0;
  for (const auto& point : points) magnitude += std::abs(point.value);
  CHECK(found.count == expected.count);
  CHECK(std::abs(found.sum - expected.sum) <= 1e-12 * magnitude);
  CHECK(found.min == expected.min);
  CHECK(found.max == expected.max);
  CHECK(found.first == expected.first);
  CHECK(found.last == expected.last);
  CHECK(found.first_ns == expected.first_ns);
  CHECK(found.last_ns == expected.last_ns);
  CHECK(std::abs(found.increase - expected.increase) <= 1e-12 * magnitude);
  CHECK(found.states == expected.states);
  CHECK(found.sketch == expected.sketch);
}

std::optional<Point> some_before(Random& random, Kind kind, std::int64_t start_ns) {
  if (random() % 3 == 0) return std::nullopt;
  return Point{start_ns - 1 - static_cast<std::int64_t>(random() % 100) * second,
               next_value(random, kind, 2, 4)};
}

constexpr Kind kinds[] = {Kind::gauge, Kind::counter, Kind::state};

std::string why(std::string_view text) {
  try {
    parse_states(text);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "accepted";
}

std::string numbered_states(int count) {
  std::string out = "{";
  for (int i = 0; i < count; ++i) out += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
  return out;
}

}  // namespace

TEST_CASE("a rollup is what a naive model says", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round)
    for (const auto kind : kinds) {
      const auto start = static_cast<std::int64_t>(random() % 100 * 60) * second - 3000 * second;
      const auto end = start + 60 * second;
      const auto points = some_points(random, kind, start, end, random() % 3 ? random() % 200 : random() % 3);
      auto before = some_before(random, kind, start);
      if (before && !points.empty() && random() % 4 == 0) before->time_ns = points.front().time_ns;  // inside
      const auto row = roll_up(kind, points, before, start, end);
      INFO("kind " << static_cast<int>(kind) << ", points " << points.size());
      check_model(kind, row, points, before, start, end);
    }
}

TEST_CASE("the times of states add up to the bucket's width when the state before is known", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round) {
    const auto start = 600 * second, end = 660 * second;
    const auto points = some_points(random, Kind::state, start, end, random() % 200);
    const bool known = random() % 2;
    const auto before = known ? std::optional(Point{start - second, 1}) : std::nullopt;
    const auto row = roll_up(Kind::state, points, before, start, end);
    std::int64_t sum = 0;
    for (const auto& entry : row.states) sum += entry.ns;
    const auto from = known || points.empty() ? start : points.front().time_ns;
    CHECK(sum == (known || !points.empty() ? end - from : 0));
    CHECK(row.states.size() <= states_max + 1);
  }
}

TEST_CASE("a bucket rolled up in parts equals the bucket rolled up at once", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round)
    for (const auto kind : kinds) {
      const auto start = 600 * second, end = 660 * second;
      const auto points = some_points(random, kind, start, end, random() % 200);
      const auto before = some_before(random, kind, start);
      auto last = before;
      Rollup found;
      std::span<const Point> left(points);
      for (int parts = 0; parts == 0 || !left.empty(); ++parts) {  // some without points
        const auto part = left.first(random() % (left.size() + 1));
        left = left.subspan(part.size());
        const auto later = roll_up(kind, part, last, start, end);
        if (parts == 0)
          found = later;
        else
          extend(kind, found, later, end);
        if (!part.empty()) last = part.back();
      }
      INFO("kind " << static_cast<int>(kind) << ", points " << points.size());
      check_same(found, roll_up(kind, points, before, start, end), points);
    }
}

TEST_CASE("late samples extend a gauge's bucket", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round) {
    const auto start = 600 * second, end = 660 * second;
    const auto points = some_points(random, Kind::gauge, start, end, 1 + random() % 50);
    std::vector<Points> parts(1 + random() % 4);  // in which each time is in the order pushed
    std::int64_t time_ns = -1;
    std::size_t part = 0;
    for (const auto& point : points) {
      if (point.time_ns != time_ns) part = random() % parts.size();
      time_ns = point.time_ns;
      parts[part].push_back(point);
    }
    Rollup found;
    for (const auto& some : parts)
      extend(Kind::gauge, found, roll_up(Kind::gauge, some, std::nullopt, start, end), end);
    check_same(found, roll_up(Kind::gauge, points, std::nullopt, start, end), points);
  }
}

TEST_CASE("late samples leave the time in states and the growth as they were, whatever their order", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  const auto total = [](const Rollup& row) {
    return std::accumulate(row.states.begin(), row.states.end(), std::int64_t{0},
                           [](std::int64_t sum, const StateTime& entry) { return sum + entry.ns; });
  };
  for (int round = support::rounds(300); round > 0; --round)
    for (const auto kind : {Kind::state, Kind::counter}) {
      const auto start = 600 * second, end = 660 * second;
      auto all = some_points(random, kind, start, end, 1 + random() % 20);
      auto found = roll_up(kind, all, Point{start - second, 1}, start, end);
      for (int part = 0; part < 5; ++part) {
        const auto before = found;
        const auto late = some_points(random, kind, start, end, 1 + random() % 5);
        all.insert(all.end(), late.begin(), late.end());
        extend_late(kind, found, roll_up(kind, late, std::nullopt, start, end), end);
        CHECK(found.increase == before.increase);
        CHECK(total(found) == total(before));
        CHECK(found.count == static_cast<std::int64_t>(all.size()));
        const auto [min, max] = std::minmax_element(
            all.begin(), all.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
        CHECK(found.min == min->value);
        CHECK(found.max == max->value);
      }
    }
}

TEST_CASE("of samples with one time the first pushed is first and the last pushed last", "[rollup]") {
  auto row = roll_up(Kind::gauge, Points{{5, 1}, {5, 2}}, std::nullopt, 0, 10);
  CHECK(row.first == 1);
  CHECK(row.last == 2);
  extend(Kind::gauge, row, roll_up(Kind::gauge, Points{{5, 3}, {5, 4}}, Point{5, 2}, 0, 10), 10);
  CHECK(row.first == 1);
  CHECK(row.last == 4);
}

TEST_CASE("rows of a minute appended equal the row of their samples", "[rollup]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round)
    for (const auto kind : kinds) {
      const auto start = 600 * second, minute = 60 * second, end = start + 5 * minute;
      auto points = some_points(random, kind, start, end, random() % 100);
      const auto silent = start + static_cast<std::int64_t>(random() % 5) * minute;  // and maybe more
      const auto silent_end = silent + minute * static_cast<std::int64_t>(1 + random() % 3);
      std::erase_if(points, [&](const Point& p) { return p.time_ns >= silent && p.time_ns < silent_end; });
      const auto before = some_before(random, kind, start);
      auto last = before;
      std::optional<Rollup> found;
      for (auto from = start; from < end; from += minute) {
        Points some;
        for (const auto& point : points)
          if (point.time_ns >= from && point.time_ns < from + minute) some.push_back(point);
        if (some.empty() && !last) continue;  // the series has not begun
        const auto next = roll_up(kind, some, last, from, from + minute);
        if (found)
          append(kind, *found, next);
        else
          found = next;
        if (!some.empty()) last = some.back();
      }
      INFO("kind " << static_cast<int>(kind) << ", points " << points.size());
      CHECK(found.has_value() == (before || !points.empty()));
      if (found) check_same(*found, roll_up(kind, points, before, start, end), points);
    }
}

TEST_CASE("a bucket without samples changes nothing but the last state", "[rollup]") {
  auto row = roll_up(Kind::state, Points{{0, 2}, {30, 4}}, std::nullopt, 0, 60);
  append(Kind::state, row, roll_up(Kind::state, {}, Point{59, 9}, 60, 120));  // a sample that came too late for `row`
  CHECK(row.count == 2);
  CHECK(row.min == 2);
  CHECK(row.max == 4);
  CHECK(row.first == 2);
  CHECK(row.last == 9);
  CHECK(row.last_ns == 30);
}

TEST_CASE("a counter that falls has grown from zero again", "[rollup]") {
  const Points points{{10, 7}, {20, 9}, {30, 2}, {40, 2}, {50, 6}};
  CHECK(roll_up(Kind::counter, points, std::nullopt, 0, 60).increase == 2 + 2 + 0 + 4);
  CHECK(roll_up(Kind::counter, points, Point{-5, 4}, 0, 60).increase == 3 + 8);
  CHECK(roll_up(Kind::counter, points, Point{-5, 100}, 0, 60).increase == 7 + 8);
  CHECK(roll_up(Kind::counter, {}, Point{-5, 100}, 0, 60).increase == 0);
}

TEST_CASE("a sum keeps what plain addition loses, and is infinite for good beyond a double", "[rollup]") {
  const auto sum = [](const Points& points) { return roll_up(Kind::gauge, points, std::nullopt, 0, 60).sum; };
  CHECK(sum({{1, 1}, {2, 1e100}, {3, 1}, {4, -1e100}}) == 2);
  Points resets{{0, 0}, {1, 1e17}};  // a double has no 1e17 + 1
  for (int i = 0; i < 16; ++i) resets.insert(resets.end(), {{2, 0}, {2, 1}});
  CHECK(roll_up(Kind::counter, resets, std::nullopt, 0, 60).increase == 1e17 + 16);
  const Points high{{1, greatest}, {2, greatest}}, low{{3, -greatest}, {4, -greatest}};
  CHECK(sum(high) == inf);
  CHECK(sum({high[0], high[1], low[0], low[1]}) == inf);
  for (const auto kind : kinds) {
    auto row = roll_up(kind, high, std::nullopt, 0, 60);
    extend(kind, row, roll_up(kind, low, high[1], 0, 60), 60);
    CHECK(row.sum == inf);
    append(kind, row, roll_up(kind, low, low[1], 60, 120));
    CHECK(row.sum == inf);
  }
  CHECK(value_of(Kind::gauge, roll_up(Kind::gauge, high, std::nullopt, 0, 60)) == inf);
  auto counter = roll_up(Kind::counter, Points{{1, -greatest}, {2, greatest}, {3, 5}}, std::nullopt, 0, 60);
  CHECK(counter.increase == inf);
  append(Kind::counter, counter, roll_up(Kind::counter, Points{{61, -greatest}}, Point{3, 5}, 60, 120));
  CHECK(counter.increase == inf);
}

TEST_CASE("a gauge's sketch is needed unless its values are all equal", "[rollup]") {
  const auto row = [](const Points& points) { return roll_up(Kind::gauge, points, Point{-1, 8}, 0, 60); };
  CHECK(row({{1, 3}, {2, 3.5}}).needs_sketch());
  CHECK_FALSE(row({}).needs_sketch());
  for (const auto value : {3.25, 0.0, -7e300}) {
    const auto same = row({{1, value}, {2, value}, {3, value}});
    CHECK_FALSE(same.needs_sketch());
    CHECK(Sketch(same.min, static_cast<std::uint64_t>(same.count)) == same.sketch);
  }
}

TEST_CASE("the mode is the state with the most time, of several the highest", "[rollup]") {
  CHECK(mode({{0, 5}, {1, 9}, {2, 3}}) == 1);
  CHECK(mode({{0, 9}, {1, 5}, {2, 9}}) == 2);
  CHECK(mode({{-3, 0}}) == -3);
  CHECK(mode({{0, 5}, {1, 4}, {other, 100}}) == 0);
  CHECK(std::isnan(mode({{other, 100}})));
  CHECK(std::isnan(mode({})));
}

TEST_CASE("the value of a row is a gauge's mean, a counter's last value and a state's mode", "[rollup]") {
  const Points points{{0, 2}, {30, 3}, {40, 7}};
  const auto value = [&](Kind kind) { return value_of(kind, roll_up(kind, points, std::nullopt, 0, 60)); };
  CHECK(value(Kind::gauge) == 4);
  CHECK(value(Kind::counter) == 7);
  CHECK(value(Kind::state) == 2);
  for (const auto kind : kinds) CHECK(value_of(kind, roll_up(kind, {}, Point{-9, 6}, 0, 60)) == 6);
}

TEST_CASE("further states than the 64 lowest share one entry", "[rollup]") {
  Points points;
  for (int i = 0; i < 100; ++i) points.push_back({i, static_cast<double>(99 - i)});
  auto row = roll_up(Kind::state, points, std::nullopt, 0, 100);
  REQUIRE(row.states.size() == 65);
  for (int i = 0; i < 64; ++i)
    CHECK((row.states[static_cast<std::size_t>(i)] == StateTime{static_cast<double>(i), 1}));
  CHECK((row.states[64] == StateTime{other, 36}));
  const auto text = states_text(row.states);
  CHECK(text.ends_with(R"(,"63":1,"other":36})"));
  CHECK(parse_states(text) == row.states);
  append(Kind::state, row, row);
  CHECK((row.states[64] == StateTime{other, 72}));
}

TEST_CASE("zero is one state, whatever its sign", "[rollup]") {
  const auto row = roll_up(Kind::state, Points{{0, -0.0}, {10, 1}, {20, 0.0}}, std::nullopt, 0, 60);
  CHECK(states_text(row.states) == R"({"0":50,"1":10})");
}

TEST_CASE("times of states are read as they were written", "[rollup]") {
  CHECK(states_text({}) == "{}");
  CHECK(states_text({{0, 59 * second}, {2, second}}) == R"({"0":59000000000,"2":1000000000})");
  CHECK(states_text({{-1.5, 1}, {0.1, 0}, {1e300, 2}, {other, 3}}) ==
        R"({"-1.5":1,"0.1":0,"1e+300":2,"other":3})");
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int round = support::rounds(300); round > 0; --round) {
    std::vector<StateTime> states;
    for (auto count = random() % 65; count > 0; --count) {
      const auto state = std::bit_cast<double>(random());
      if (std::isfinite(state)) states.push_back({state, static_cast<std::int64_t>(random() >> 10)});
    }
    std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.state < b.state; });
    if (random() % 2) states.push_back({other, 7});
    CHECK(parse_states(states_text(states)) == states);
    const auto text = states_text(states);
    for (std::size_t size = 0; size < text.size(); ++size)
      if (why(std::string_view(text).substr(0, size)) == "accepted")
        FAIL(text.substr(0, size) << " was accepted");
  }
}

TEST_CASE("damaged times of states are refused with the place and the text", "[rollup]") {
  CHECK(why("") == "times of states: expected '{' at character 0 in ''");
  CHECK(why(R"({"1":5,"1":6})") ==
        R"(times of states: states that do not ascend at character 12 in '{"1":5,"1":6}')");
  CHECK(why(R"({"-0":5,"0":6})").find("ascend") != std::string::npos);
  CHECK(why(R"({"2":5,"1":6})").find("ascend") != std::string::npos);
  CHECK(why(R"({"other":5,"1":6})").find("ascend") != std::string::npos);
  CHECK(why(R"({"other":5,"other":6})").find("ascend") != std::string::npos);
  CHECK(why(R"({"nan":5})").find("finite state") != std::string::npos);
  CHECK(why(R"({"inf":5})").find("finite state") != std::string::npos);
  CHECK(why(R"({"1e999":5})").find("expected a state") != std::string::npos);
  CHECK(why(R"({"1":-5})").find("found -5") != std::string::npos);
  CHECK(why(R"({"1":9223372036854775807})") == "accepted");
  CHECK(why(R"({"1":9223372036854775808})").find("expected nanoseconds") != std::string::npos);
  CHECK(why(R"({"1":9223372036854775807,"2":1})").find("2^63") != std::string::npos);
  CHECK(why(R"({"1":5}x)").find("behind its end at character 7") != std::string::npos);
  CHECK(why(R"({,"1":5})").find("in quotes") != std::string::npos);
  CHECK(why(R"({"1":5,})").find("in quotes") != std::string::npos);
  CHECK(why(R"({"1"5})").find("':'") != std::string::npos);
  CHECK(why(R"({"1:5})").find("closing quote") != std::string::npos);
  CHECK(why(numbered_states(64) + R"(,"other":1})") == "accepted");
  CHECK(why(numbered_states(65) + "}").find("more than 64 states") != std::string::npos);
}
