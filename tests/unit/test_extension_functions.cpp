// test_extension_functions.cpp: the extension's SQL functions against naive answers, and what they refuse.
#include <algorithm>
#include <cmath>
#include <map>

#include "extension_host.hpp"

using namespace extension;

namespace {

double real(const std::string& cell) { return std::stod(cell); }

/// One series' samples by time, of the same time as pushed.
std::vector<ringdown::Sample> of(const Plant& plant, std::uint32_t series) {
  std::vector<ringdown::Sample> out;
  for (const auto& sample : plant.pushed)
    if (sample.series == series) out.push_back(sample);
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
  return out;
}

double rank(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::floor(q * static_cast<double>(values.size() - 1)))];
}

}  // namespace

TEST_CASE("quantiles of samples and of tiers are those of the values, within 1 %", "[extension]") {
  Plant plant;
  plant.minutes(130);
  plant.maintain();
  Host host(plant.path());
  for (const std::uint32_t series : {1u, 2u, 5u}) {
    std::vector<double> all, rolled_up;
    const auto frontier_s = plant.query("SELECT frontier FROM progress WHERE job = 'tier_1m'");
    for (const auto& sample : of(plant, series)) {
      all.push_back(sample.value);
      if (sample.time_ns < frontier_s * second_ns) rolled_up.push_back(sample.value);
    }
    for (const double q : {0.0, 0.01, 0.5, 0.95, 1.0}) {
      INFO(series << " " << q);
      const auto id = std::to_string(series), text = std::to_string(q);
      const auto expected = rank(all, q);
      CHECK(real(host.one("SELECT quantile(value, " + text + ") FROM ring_samples WHERE series = " + id)) ==
            Approx(expected).epsilon(0.0101).margin(1e-12));
      CHECK(real(host.one("SELECT sketch_merge_quantile(sketch, count, min, max, " + text +
                          ") FROM tier_1m WHERE series = " + id + " AND bucket < " + std::to_string(frontier_s))) ==
            Approx(rank(rolled_up, q)).epsilon(0.0101).margin(1e-12));
    }
  }
  CHECK(host.one("SELECT count(*) FROM tier_1m AS t JOIN main.series AS s ON s.id = series WHERE kind = 'gauge' AND "
                 "count > 0 AND NOT "
                 "sketch_quantile(sketch, count, min, max, 0.5) BETWEEN min AND max") == "0");
  CHECK(host.one("SELECT sketch_quantile(NULL, 3, 4.5, 4.5, 0.5)") == "4.5");
}

TEST_CASE("a counter's growth and rate are what a naive sum gives, resets seen", "[extension]") {
  Plant plant;
  plant.minutes(60);
  plant.maintain();
  Host host(plant.path());
  const auto samples = of(plant, 3);
  double growth = 0;
  for (std::size_t i = 1; i < samples.size(); ++i)
    growth += samples[i].value >= samples[i - 1].value ? samples[i].value - samples[i - 1].value : samples[i].value;
  const auto seconds = static_cast<double>(samples.back().time_ns - samples.front().time_ns) / 1e9;
  CHECK(real(host.one("SELECT counter_increase(time_ns, value) FROM ring_samples WHERE series = 3")) ==
        Approx(growth).epsilon(0.02));
  CHECK(real(host.one("SELECT counter_rate(time_ns, value) FROM ring_samples WHERE series = 3")) ==
        Approx(growth / seconds).epsilon(0.02));
  CHECK(host.one("SELECT counter_rate(column1, column2) FROM (VALUES (0, 10), (500000000, 15), (1000000000, 2), "
                 "(2000000000, NULL), "
                 "(4000000000, 7))") == "3");
  CHECK(host.one("SELECT counter_increase(column1, column2) FROM (VALUES (0, 10))") == "0");
  CHECK(host.one("SELECT counter_rate(column1, column2) FROM (VALUES (5, 10), (5, 11))") == "NULL");
  CHECK(host.one("SELECT counter_increase(1, 1) WHERE 0") == "NULL");
  CHECK(host.error("SELECT counter_rate(column1, column2) FROM (VALUES (5, 10), (4, 11))") ==
        "counter_rate: samples are out of order: 4 comes after 5; GROUP BY series, of rows ordered by time_ns");
  CHECK(host.error("SELECT counter_rate(time_ns, value) FROM ring_samples GROUP BY series").empty());
}

TEST_CASE("shares of the time in a state add up to 1, of samples and of tiers", "[extension]") {
  Plant plant;
  plant.minutes(60);
  plant.maintain();
  Host host(plant.path());
  const auto samples = of(plant, 4);
  std::map<double, double> ns;
  for (std::size_t i = 1; i < samples.size(); ++i)
    if (samples[i].time_ns > samples[i - 1].time_ns)
      ns[samples[i - 1].value] += static_cast<double>(samples[i].time_ns - samples[i - 1].time_ns);
  const auto whole = static_cast<double>(samples.back().time_ns - samples.front().time_ns);
  double sum = 0;
  for (const auto& [state, time] : ns) {
    const auto text = std::to_string(static_cast<int>(state));
    const auto share =
        real(host.one("SELECT state_share(time_ns, value, " + text + ") FROM ring_samples WHERE series = 4"));
    CHECK(share == Approx(time / whole).margin(0.02));  // samples of one time may change places
    sum += share;
  }
  CHECK(sum == Approx(1));
  CHECK(host.one("SELECT state_share(time_ns, state, 'YELLOW') = state_share(time_ns, value, 1) FROM ring_samples "
                 "WHERE series = 4") == "1");
  CHECK(host.one("SELECT round(sum(share), 9) FROM (SELECT state_merge_share(states, column1) AS share FROM tier_1m, "
                 "(VALUES (0), (1), (2), (3)) WHERE series = 4 GROUP BY column1)") == "1");
  CHECK(host.one(
            "SELECT count(*) FROM tier_1m WHERE series = 4 AND abs(state_share(states, 0) + state_share(states, 1) + "
            "state_share(states, 2) + state_share(states, 3) - 1) > 1e-9") == "0");
  CHECK(host.one("SELECT state_share('{\"0\":1,\"2\":3}', 2)") == "0.75");
  CHECK(host.one("SELECT state_share('{\"0\":1,\"2\":3}', '2')") == "0.75");
  CHECK(host.one("SELECT state_share('{\"0\":1,\"2\":3}', 1)") == "0");
  CHECK(host.one("SELECT state_share('{\"0\":1,\"other\":3}', 'other')") == "0.75");
  CHECK(host.one("SELECT state_share('{\"0\":1,\"other\":3}', 9)") == "NULL");  // perhaps one of those
  CHECK(host.one("SELECT state_share('{}', 0)") == "NULL");
}

TEST_CASE("NULL gives NULL, and a bad argument an error that names it", "[extension]") {
  Host host(":memory:", SQLITE_OPEN_READWRITE);
  for (const std::string null :
       {"sketch_quantile(NULL, 3, 1, 1, NULL)", "sketch_quantile(NULL, 0, 1, 2, 0.5)",
        "sketch_quantile(NULL, 3, 1, 2, 0.5)", "sketch_quantile(NULL, NULL, 1, 2, 0.5)",
        "sketch_merge_quantile(NULL, 0, 1, 1, 0.5)", "sketch_merge_quantile(NULL, 3, 1, 1, NULL)",
        "quantile(NULL, 0.5)", "quantile(1, NULL)", "quantile(9e999, 0.5)", "counter_rate(NULL, 1)",
        "counter_rate(1, NULL)", "counter_increase(NULL, NULL)", "state_share(NULL, 1)",
        "state_share('{\"0\":1}', NULL)", "state_merge_share(NULL, 1)", "state_merge_share('{\"0\":1}', NULL)",
        "state_share(1, 1, 1)", "state_share(1, NULL, NULL)", "state_share(NULL, 1, 1)"}) {
    INFO(null);
    CHECK(host.one("SELECT " + null) == "NULL");
  }
  const std::vector<std::pair<std::string, std::string>> errors{
      {"sketch_quantile(NULL, 3, 1, 1, 1.5)", "sketch_quantile: q is 1.5; expected 0 to 1"},
      {"sketch_quantile(NULL, -3, 1, 1, 1)", "sketch_quantile: count is -3; expected 0 or more"},
      {"sketch_quantile(NULL, 'x', 1, 1, 1)", "sketch_quantile: count is x; expected an integer"},
      {"sketch_merge_quantile(NULL, 3, 1, 2, 1)",
       "sketch_merge_quantile: no sketch, but min is less than max; only gauges have one, from tier_1m on"},
      {"sketch_quantile('a', 3, 1, 2, 1)", "sketch_quantile: sketch is a; expected a blob"},
      {"sketch_quantile(x'', 3, 1, 2, 1)", "sketch_quantile: quantile sketch: it is empty"},
      {"sketch_quantile(x'01000000', 3, 1, 2, 1)", "sketch_quantile: the sketch has"},
      {"sketch_merge_quantile(x'09', 3, 1, 2, 1)", "sketch_merge_quantile: quantile sketch: version 9"},
      {"sketch_merge_quantile(NULL, 3, NULL, 2, 1)", "sketch_merge_quantile: min is NULL; expected a number"},
      {"quantile('high', 0.5)", "quantile: value is high; expected a number"},
      {"quantile(1, -0.1)", "quantile: q is -0.1; expected 0 to 1"},
      {"quantile(1, x'00')", "quantile: q is a blob; expected a number"},
      {"quantile(column1, column1) FROM (VALUES (0.25), (0.5))", "quantile: q differs from row to row"},
      {"counter_rate(1.5, 1)", "counter_rate: time_ns is 1.5; expected an integer"},
      {"counter_increase(1, 'x')", "counter_increase: value is x; expected a number"},
      {"state_share('{\"0\":', 1)", "state_share: times of states: expected nanoseconds"},
      {"state_share('{\"0\":1}', 'RED')", "state_share: state is RED; expected a number"},
      {"state_merge_share('[]', 1)", "state_merge_share: times of states: expected '{'"},
      {"state_share(1, 2, 'RED')", "state_share: state is RED; expected a number, as value is one"},
      {"sketch_merge_quantile(NULL, 9223372036854775807, 1, 1, column1) FROM (VALUES (0.5), (0.5))",
       "sketch_merge_quantile: 2^63 samples or more"}};
  for (const auto& [call, error] : errors) {
    INFO(call);
    CHECK_THAT(host.error("SELECT " + call), Catch::StartsWith(error));
  }
}
