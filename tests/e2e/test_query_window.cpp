// test_query_window.cpp: functions of windows are those of the samples, wherever tiers end and samples begin.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "maintenance.hpp"
#include "query_plant.hpp"
#include "query_window.hpp"

using Catch::Contains;
using plant::second_ns;
using plant::start_ns;

namespace {

constexpr std::int64_t hour_s = 3600, seconds = 3 * hour_s;

/// Three hours of two gauges, a counter and a state, each second, but for half an hour without; rolled up to a point.
struct Hours : plant::Folder {
  std::string db = (path / "hours.db").string();
  struct Sample {
    std::int64_t time_ns;
    double value;
  };
  std::map<std::uint32_t, std::vector<Sample>> samples;  // by series

  Hours(std::uint64_t seed, std::int64_t horizon_s) {
    std::mt19937_64 random(seed);
    ringdown::Store store(db);
    ringdown::Batch batch;
    batch.series = {{1, {ring::Kind::gauge, "rtt_ms", "ms", {{"site", "x"}, {"wan", "a"}}, {}}},
                    {2, {ring::Kind::gauge, "rtt_ms", "ms", {{"site", "x"}, {"wan", "b"}}, {}}},
                    {3, {ring::Kind::counter, "bytes_total", "B", {}, {}}},
                    {4, {ring::Kind::state, "zone", "", {}, {"GREEN", "RED"}}}};
    double bytes = 0, zone = 0;
    for (std::int64_t s = 0; s < seconds; ++s) {
      if (s >= 5000 && s < 6800) continue;
      bytes = random() % 2000 == 0 ? 0 : bytes + static_cast<double>(random() % 100);
      if (random() % 50 == 0) zone = 1 - zone;
      const std::array<double, 4> values{static_cast<double>(random() % 10000) / 100, static_cast<double>(random() % 10), bytes, zone};
      for (std::uint32_t i = 0; i < values.size(); ++i) {
        batch.samples.push_back({start_ns + s * second_ns, values[i], i + 1});
        samples[i + 1].push_back({start_ns + s * second_ns, values[i]});
      }
    }
    store.commit(batch);
    constexpr auto ever = ringdown::forever_s;
    ringdown::Maintenance maintenance(store.database(), {ringdown::Tiers{{ever, ever, ever, ever, ever}, 0}, {}}, 1);
    ringdown::Budget budget;
    while (horizon_s > 0 && maintenance.run(start_ns + horizon_s * second_ns, start_ns, ringdown::Maintenance::Clock::now(), budget)) {
    }
  }
  /// As retention does, of the first seconds.
  void expire_minutes(std::int64_t until_s) const {
    const auto end = std::to_string(start_ns / second_ns + until_s);
    ringdown::Database(db, ringdown::Database::Access::read_write_create)
        .execute("DELETE FROM tier_1m WHERE bucket < " + end + "; UPDATE progress SET expired = " + end + " WHERE job = 'tier_1m'");
  }
  std::vector<nlohmann::json> rows(std::vector<std::string> words, const char* zone = "UTC") const {
    words.insert(words.begin(), {"--db", db, "--format", "json"});
    const auto run = plant::query(*this, std::move(words), zone);
    INFO(run.err);
    REQUIRE(run.status == 0);
    std::istringstream lines(run.out);
    std::vector<nlohmann::json> out;
    for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
};

/// What a window should have of a series: of its samples alone.
struct Expected {
  double count = 0, sum = 0, min = INFINITY, max = -INFINITY, last = 0, increase = 0, red_ns = 0, known_ns = 0;
};

/// @param piece_ns  as long as a row would be: a state is believed in those that begin within five minutes of a sample
Expected expected(const std::vector<Hours::Sample>& samples, std::int64_t begin_ns, std::int64_t end_ns, std::int64_t piece_ns) {
  constexpr std::int64_t hold_ns = 300 * second_ns;
  Expected out;
  const auto last_ns = samples.back().time_ns;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto [time_ns, value] = samples[i];
    const auto next_ns = i + 1 < samples.size() ? samples[i + 1].time_ns : last_ns + 1;
    const auto until_ns = std::min(next_ns, (time_ns + hold_ns) / piece_ns * piece_ns + piece_ns);
    const auto held_ns = static_cast<double>(std::max<std::int64_t>(
        0, std::min({until_ns, end_ns, last_ns + 1}) - std::max(time_ns, begin_ns)));
    out.known_ns += held_ns;
    if (value == 1) out.red_ns += held_ns;
    if (time_ns < begin_ns || time_ns >= end_ns) continue;
    ++out.count;
    out.sum += value;
    out.min = std::min(out.min, value);
    out.max = std::max(out.max, value);
    out.last = value;
    if (i > 0) out.increase += ringdown::step(samples[i - 1].value, value);
  }
  return out;
}

}  // namespace

TEST_CASE("a window's functions are those of its samples, whatever of it is in which tier", "[query][window]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  // Rolled up not at all, to anywhere, to within what the state holds through, and as far as whole hours go; of that, at last,
  // the first rows of 1m are deleted.
  const auto somewhere_s = static_cast<std::int64_t>(std::mt19937_64(seed)() % seconds);
  const auto way = GENERATE(0u, 1u, 2u, 3u, 4u);
  const auto horizon_s = std::array{std::int64_t{0}, somewhere_s, 5000 + somewhere_s % 900, seconds + 2 * hour_s, seconds + 2 * hour_s}[way];
  const Hours f(seed, horizon_s);
  if (way == 4) f.expire_minutes(300 * (1 + somewhere_s / 300));
  for (const auto* const step : {"10s", "1m", "90s", "7m", "10m", "1h", "2h"}) {
    const auto step_ns = ringdown::window_at(0, 0 + (step == std::string("10s")   ? 10
                                                     : step == std::string("1m")  ? 60
                                                     : step == std::string("90s") ? 90
                                                     : step == std::string("7m")  ? 420
                                                     : step == std::string("10m") ? 600
                                                     : step == std::string("1h")  ? 3600
                                                                                  : 7200) * second_ns).end_ns;
    INFO("horizon " << horizon_s << " s, step " << step);
    std::map<std::string, std::size_t> windows;
    for (const auto& row : f.rows({"--from", "0", "--step", step, "--show", "count,sum,min,max,avg,last,increase,rate,share(RED)"})) {
      const auto name = row["name"].get<std::string>();
      const auto id = name == "bytes_total" ? 3u : name == "zone" ? 4u : row["labels"]["wan"] == "a" ? 1u : 2u;
      const auto begin_ns = row["time_ns"].get<std::int64_t>(), end_ns = begin_ns + step_ns;
      const auto piece_ns = std::min(step_ns, 60 * second_ns);
      const auto e = expected(f.samples.at(id), begin_ns, end_ns, piece_ns);
      INFO(row.dump());
      REQUIRE(begin_ns % step_ns == 0);
      REQUIRE(row["count"] == e.count);
      REQUIRE(row["last"] == (e.count > 0 || id != 4 ? e.last : row["last"].get<double>()));
      ++windows[name + row["labels"].dump()];
      if (e.count > 0) {
        REQUIRE(row["sum"].get<double>() == Approx(e.sum));
        REQUIRE(row["min"] == e.min);
        REQUIRE(row["max"] == e.max);
      }
      if (id <= 2) REQUIRE(row["avg"].get<double>() == Approx(e.sum / e.count));
      if (id > 2) REQUIRE(row["avg"].is_null());
      if (id == 3) {
        REQUIRE(row["increase"].get<double>() == Approx(e.increase));
        const auto known_s = static_cast<double>(std::min(end_ns, f.samples.at(3).back().time_ns + 1) -
                                                 std::max(begin_ns, f.samples.at(3).front().time_ns)) / 1e9;
        if (horizon_s == 0) REQUIRE(row["rate"].get<double>() == Approx(e.increase / known_s));
      }
      // Rows hold a state on to their end; only samples know where it was last seen.
      const bool is_even = step_ns % piece_ns == 0 || row["count"].get<double>() * 1e9 == static_cast<double>(step_ns);
      if (id == 4 && is_even && (horizon_s == 0 || end_ns <= f.samples.at(4).back().time_ns))
        REQUIRE(row["share(RED)"].get<double>() == Approx(e.red_ns / e.known_ns));
    }
    REQUIRE(windows.size() == 4);
    for (const auto& [series, count] : windows) {
      INFO(series);
      std::set<std::int64_t> there;
      for (const auto& sample : f.samples.at(1)) there.insert(sample.time_ns / step_ns);
      if (series.starts_with("zone"))
        CHECK(count >= there.size());  // and those that a state held through
      else
        CHECK(count == there.size());
    }
  }
}

TEST_CASE("quantiles of windows are within one percent, and of a group those of all its samples", "[query][window]") {
  const Hours f(7, seconds);
  const auto rows = f.rows({"rtt_ms", "--from", "0", "--step", "1h", "--show", "count,quantile(0.9),max", "--by", "site"});
  REQUIRE(rows.size() == 3);
  for (const auto& row : rows) {
    std::vector<double> values;
    const auto begin_ns = row["time_ns"].get<std::int64_t>();
    for (const auto id : {1u, 2u})
      for (const auto& sample : f.samples.at(id))
        if (sample.time_ns >= begin_ns && sample.time_ns < begin_ns + hour_s * second_ns) values.push_back(sample.value);
    std::sort(values.begin(), values.end());
    INFO(row.dump());
    CHECK(row["labels"] == nlohmann::json{{"site", "x"}});
    CHECK(row["count"] == values.size());
    CHECK(row["max"] == values.back());
    const auto exact = values[static_cast<std::size_t>(0.9 * static_cast<double>(values.size() - 1))];
    CHECK(row["quantile(0.9)"].get<double>() == Approx(exact).epsilon(0.011));
  }
}

TEST_CASE("days are local ones, also those that are shorter or longer when the clock changes", "[query][window]") {
  const auto day = [](const char* zone, std::int64_t utc_s) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    const auto window = ringdown::window_at(utc_s * second_ns, 86'400 * second_ns);
    ::unsetenv("TZ");
    ::tzset();
    return std::pair(window.begin_ns / second_ns, (window.end_ns - window.begin_ns) / second_ns / hour_s);
  };
  CHECK(day("UTC", 1'774'785'600) == std::pair<std::int64_t, std::int64_t>(1'774'742'400, 24));
  CHECK(day("Europe/Berlin", 1'774'785'600) == std::pair<std::int64_t, std::int64_t>(1'774'738'800, 23));  // 2026-03-29
  CHECK(day("Europe/Berlin", 1'792'933'200) == std::pair<std::int64_t, std::int64_t>(1'792'879'200, 25));  // 2026-10-25
  CHECK(day("Asia/Kathmandu", 1'774'785'600).second == 24);
}

TEST_CASE("what a window or a function cannot be is refused with what it can be", "[query][window]") {
  const Hours f(1, 0);
  const auto refused = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--db", f.db, "--from", "0"});
    const auto run = plant::query(f, std::move(words));
    CHECK(run.status == 2);
    return run.err;
  };
  CHECK_THAT(refused({"--show", "median"}), Contains("function 'median': expected avg, min, max"));
  CHECK_THAT(refused({"--show", "quantile(2)"}), Contains("a number from 0 to 1"));
  CHECK_THAT(refused({"--show", "avg,"}), Contains("function ''"));
  CHECK_THAT(refused({"--show", "avg", "--step", "raw"}), Contains("--step 1m"));
  CHECK_THAT(refused({"--step", "soon"}), Contains("soon"));
  CHECK_THAT(refused({"--step", "2y"}), Contains("2y"));
  CHECK_THAT(refused({"--by", "wan"}), Contains("--show"));
  CHECK_THAT(refused({"--format", "prometheus", "--step", "1m"}), Contains("samples only"));
}

TEST_CASE("samples are written as Prometheus' text, those of a name together", "[query]") {
  plant::Plant p;
  const auto run = plant::query(p, {"--db", p.db, "--from", "0", "--format", "prometheus"});
  CHECK(run.status == 0);
  CHECK(run.out == "# TYPE bytes_total counter\n"
                   "bytes_total{path=\"a\\\\b\"} 1000000000000000.1 1764000000999\n"
                   "# TYPE link_state gauge\n"
                   "link_state{wan=\"spectrum\"} 1 1764000000250\n"
                   "link_state{wan=\"spectrum\"} 0 1764000061000\n"
                   "link_state{wan=\"spectrum\"} 7 1764000061000\n"
                   "# TYPE load gauge\nload -4 1764000062000\n"
                   "# TYPE rtt_ms gauge\n"
                   "rtt_ms{wan=\"spectrum\"} 0.1 1764000000250\n"
                   "rtt_ms{wan=\"spectrum\"} 12.5 1764000000500\n"
                   "rtt_ms{wan=\"spectrum\"} 0.30000000000000004 1764000001000\n");
  const auto open = plant::query(p, {"--db", p.db, "bytes_total", "--from", "0", "--format", "openmetrics"});
  CHECK(open.out == "# TYPE bytes counter\nbytes_total{path=\"a\\\\b\"} 1000000000000000.1 1764000000.999999999\n# EOF\n");
}
