// test_extension_totals.cpp: ring_totals gives what SQLite's own aggregates make of a plain table of what was pushed.
#include "extension_host.hpp"

using namespace extension;

namespace {

/// What is asked, as SQL: ends of a range and a step, each perhaps NULL.
struct Question {
  std::string from, to, step;
  std::string call() const { return "ring_totals(" + from + ", " + to + ", " + step + ")"; }

  /// The same of `plain`. Of one time, what was pushed earlier comes first.
  std::string plain(const std::string& where) const {
    const std::string start = "coalesce(" + from + ", -9223372036854775808)";
    const std::string stepped =
        step == "NULL" || step == "0" ? start : "max(" + start + ", time_ns - time_ns % " + step + ")";
    return "SELECT DISTINCT start_ns, series, name, labels, kind, unit, count(*) OVER w, min(value) OVER w, "
           "max(value) OVER w, sum(value) OVER w, first_value(value) OVER w, last_value(value) OVER w, "
           "min(time_ns) OVER w, max(time_ns) OVER w FROM "
           "(SELECT *, rowid AS nth, " +
           stepped + " AS start_ns FROM plain WHERE (" + where + ") AND time_ns >= " + start +
           " AND time_ns < coalesce(" + to +
           ", 9223372036854775807)) "
           "WINDOW w AS (PARTITION BY start_ns, series ORDER BY time_ns, nth "
           "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY start_ns, series";
  }
};

constexpr auto columns =
    "start_ns, series, name, labels, kind, unit, count, min, max, sum, first, last, first_ns, last_ns";

std::string one_of(std::mt19937_64& random, const std::vector<std::string>& choices) {
  return choices[random() % choices.size()];
}

Question any_question(std::mt19937_64& random, const Plant& plant) {
  const auto time = [&] {
    const auto any =
        plant.pushed[random() % plant.pushed.size()].time_ns + static_cast<std::int64_t>(random() % 3) - 1;
    return one_of(random, {std::to_string(any), std::to_string(any), "NULL"});
  };
  return {time(), time(), one_of(random, {"NULL", "0", "1", "60000000000", "900000000000", "3600000000000", "7"})};
}

/// Sealed and not yet sealed samples.
void fill(Plant& plant) {
  plant.minutes(60);
  plant.maintain();
  plant.minutes(5);
  REQUIRE(plant.query("SELECT count(*) FROM windows") > 0);
  REQUIRE(plant.query("SELECT count(*) FROM batches") > 0);
}

}  // namespace

TEST_CASE("ring_totals of any range, step and series are what SQLite makes of what was pushed",
          "[extension][property]") {
  const auto seed = support::test_seed();
  std::mt19937_64 random(seed);
  std::size_t rows = 0;
  const int worlds = std::max(1, support::rounds(400) / 100);
  for (int world = 0; world < worlds; ++world) {
    INFO("RINGDOWN_SEED=" << seed);
    Plant plant(random());
    plant.minutes(70, 12);
    plant.maintain();
    plant.minutes(static_cast<int>(random() % 10), 12);
    Host host(plant.path());
    make_plain(host, plant.pushed);
    for (int i = 0; i < 60; ++i) {
      const auto question = any_question(random, plant);
      const auto where =
          one_of(random, {"1", "series = 3", "series IN (1, 4, 99)", "name = 'rtt_ms'", "labels LIKE '%att%'",
                          "kind = 'gauge' AND unit = 'ms'", "name GLOB 'z*' OR series = 1", "series > 4.5"});
      INFO(question.call() << " WHERE " << where);
      const auto got = host.rows("SELECT " + std::string(columns) + " FROM " + question.call() + " WHERE " + where +
                                 " ORDER BY start_ns, series");
      const bool same = got == host.rows(question.plain(where));
      REQUIRE(same);
      rows += got.size();
    }
  }
  CHECK(rows > 0);
}

TEST_CASE("ring_totals joins with other tables, and its parameters may be compared in WHERE", "[extension]") {
  Plant plant;
  fill(plant);
  Host host(plant.path());
  const auto middle = std::to_string(start_ns + 1800 * second_ns);
  CHECK(host.one("SELECT count(*) FROM ring_totals") == "6");
  CHECK(host.one("SELECT sum(count) FROM ring_totals") == std::to_string(plant.pushed.size()));
  CHECK(host.rows("SELECT s.id, t.count FROM main.series AS s JOIN ring_totals(NULL, " + middle +
                  ") AS t ON t.series = s.id ORDER BY 1") ==
        host.rows("SELECT series, count(*) FROM ring_samples WHERE time_ns < " + middle + " GROUP BY series"));
  CHECK(host.one("SELECT sum(count) FROM ring_totals WHERE to_ns = " + middle + " OR from_ns = " + middle) ==
        std::to_string(plant.pushed.size()));
  CHECK(
      host.rows("SELECT DISTINCT from_ns, to_ns, step_ns, skip_damaged, schema FROM ring_totals(1.5, 1.8e18, 60, 1)")
          .at(0)
          .cells == std::vector<std::string>{"2", "1800000000000000000", "60", "1", "main"});
  CHECK(host.one("SELECT count(*) FROM ring_totals(5, 5)") == "0");
  CHECK(host.one("SELECT count(*) FROM ring_totals(NULL, -1e30)") == "0");
}

TEST_CASE("ring_totals refuses parameters that are none, naming them", "[extension]") {
  Plant plant;
  Host host(plant.path());
  const auto error = [&](const std::string& arguments) {
    return host.error("SELECT * FROM ring_totals(" + arguments + ")");
  };
  CHECK(error("'now'") == "ring_totals: from_ns is now; expected nanoseconds since 1970");
  CHECK(error("0, x'3132'") == "ring_totals: to_ns is 12; expected nanoseconds since 1970");
  CHECK(error("0, 1, -60") == "ring_totals: step_ns is -60; expected nanoseconds, 0 (no steps) or more");
  CHECK(error("0, 1, 1.5") == "ring_totals: step_ns is 1.5; expected nanoseconds, 0 (no steps) or more");
  CHECK(error("0, 1, 1e30") == "ring_totals: step_ns is 1.0e+30; expected nanoseconds, 0 (no steps) or more");
  CHECK(error("0, 1, 60, 0, 'other'").find("FROM ring_totals WHERE schema = 'main'") != std::string::npos);
  CHECK(error("0, 1, 60.0, 0, 'main'").empty());
}

TEST_CASE("damage ends a query of ring_totals unless it is to be skipped", "[extension]") {
  Plant plant;
  fill(plant);
  const auto count = plant.query("SELECT count FROM chunks WHERE id = (SELECT min(id) FROM chunks)");
  plant.database().execute("UPDATE chunks SET count = 0 WHERE id = (SELECT min(id) FROM chunks)");
  plant.database().execute("DELETE FROM main.series WHERE id = 6");
  Host host(plant.path());
  const auto error = host.error("SELECT * FROM ring_totals");
  CHECK(error.find("its row says 0 samples") != std::string::npos);
  CHECK(error.find("skip_damaged = 1 leaves it out") != std::string::npos);
  CHECK(host.error("SELECT * FROM ring_totals WHERE series = 6").empty());
  CHECK(host.error("SELECT * FROM ring_totals(NULL, NULL, NULL, 1)").empty());
  std::int64_t of_six = 0;
  for (const auto& sample : plant.pushed) of_six += sample.series == 6;
  CHECK(host.one("SELECT sum(count) FROM ring_totals WHERE skip_damaged = 1") ==
        std::to_string(static_cast<std::int64_t>(plant.pushed.size()) - of_six - count));
}
