// test_query_summary.cpp: ring-query --summary says what the samples of a range come to, from samples and from tiers alike.
#include <catch2/catch.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "maintenance.hpp"
#include "query_plant.hpp"

using Catch::Contains;
using plant::second_ns;
using plant::start_ns;

namespace {

/// Two hours of a gauge, a counter that is reset once and a state, each second, in all tiers.
struct TwoHours : plant::Folder {
  std::string db = (path / "two.db").string();
  std::vector<double> values;
  double grown = 0;
  std::int64_t red_ns = 0;

  TwoHours() {
    std::mt19937_64 random(1);
    ringdown::Store store(db);
    ringdown::Batch batch;
    batch.series = {{1, {ring::Kind::gauge, "rtt_ms", "ms", {}, {}}},
                    {2, {ring::Kind::counter, "bytes_total", "B", {}, {}}},
                    {3, {ring::Kind::state, "zone", "", {{"wan", "a"}}, {"GREEN", "RED, \"hard\""}}}};
    double bytes = 100;
    for (std::int64_t second = 0; second < 7200; ++second) {
      values.push_back(20 + static_cast<double>(random() % 1000) / 100);
      const double before = bytes;
      bytes = second == 4000 ? 3 : bytes + static_cast<double>(random() % 10);
      if (second > 0) grown += bytes >= before ? bytes - before : bytes;
      const double zone = second % 100 < 25 ? 1 : 0;
      if (second < 7199) red_ns += zone == 1 ? second_ns : 0;
      for (const auto& [series, value] : {std::pair{1u, values.back()}, {2u, bytes}, {3u, zone}})
        batch.samples.push_back({start_ns + second * second_ns, value, series});
    }
    store.commit(batch);
    constexpr auto ever = ringdown::forever_s;
    ringdown::Maintenance maintenance(store.database(), {ringdown::Tiers{{ever, ever, ever, ever, ever}, 0}, {}}, 1);
    ringdown::Budget budget;
    while (maintenance.run(ringdown::Fold::everything, start_ns, ringdown::Maintenance::Clock::now(), budget)) {
    }
    std::sort(values.begin(), values.end());
  }
  plant::Result run(std::vector<std::string> words) const {
    words.insert(words.begin(), {"--db", db, "--from", "0", "--summary"});
    return plant::query(*this, std::move(words));
  }
};

}  // namespace

TEST_CASE("a summary is that of the samples, whether it comes from them or from a tier", "[query]") {
  const TwoHours f;
  for (const std::string step : {"raw", "1m", "5m", "1h"}) {
    INFO(step);
    const auto run = f.run({"--step", step, "--format", "json"});
    REQUIRE(run.status == 0);
    std::istringstream lines(run.out);
    std::vector<nlohmann::json> rows;
    for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
    REQUIRE(rows.size() == 3);
    const auto& gauge = rows[0];
    CHECK(gauge["count"] == 7200);
    CHECK(gauge["min"] == f.values.front());
    CHECK(gauge["max"] == f.values.back());
    for (const auto& [name, q] : {std::pair{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}})
      CHECK(gauge[name].get<double>() == Approx(f.values[static_cast<std::size_t>(q * 7199)]).epsilon(0.01));
    CHECK(rows[1]["increase"] == f.grown);
    CHECK(rows[1]["rate_per_s"].get<double>() == Approx(f.grown / 7200).epsilon(0.001));
    CHECK(rows[2]["state_ns"]["RED, \"hard\""] == f.red_ns);
  }
}

TEST_CASE("a summary comes as a table and as CSV, one row a series", "[query]") {
  const TwoHours f;
  const auto table = f.run({});
  CHECK(table.status == 0);
  CHECK_THAT(table.err, Contains("--step auto: 1m"));
  CHECK_THAT(table.out, Contains("SHARES OR GROWTH") && Contains("zone{wan=\"a\"}") && Contains("GREEN 75") &&
                            Contains("RED, \"hard\" 25") && Contains("/s"));
  CHECK(std::count(table.out.begin(), table.out.end(), '\n') == 4);
  const auto csv = f.run({"--format", "csv", "zone", "rtt_ms"});
  CHECK_THAT(csv.out, Contains("from_s,name,labels,to_s,count,min,p50,p95,p99,max,mean,increase,last,last_state,states,gaps,longest_gap_s,gaps_s\n"));
  CHECK_THAT(csv.out, Contains(",GREEN,\"GREEN=5400.000000000;RED, \"\"hard\"\"=1800.000000000\",0,0.000000000,0.000000000\n"));
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 3);
}

TEST_CASE("a summary tells gaps by how far apart a series' samples usually are", "[query]") {
  const plant::Folder f;
  const auto db = (f.path / "gaps.db").string();
  {
    ringdown::Store store(db);
    ringdown::Batch batch;
    batch.series = {{1, {ring::Kind::gauge, "each_second", "", {}, {}}}, {2, {ring::Kind::gauge, "each_5m", "", {}, {}}},
                    {3, {ring::Kind::gauge, "twice", "", {}, {}}}, {4, {ring::Kind::gauge, "uneven", "", {}, {}}}};
    std::mt19937_64 random(support::test_seed());
    for (std::int64_t second = 0; second < 7200; ++second) {
      const auto add = [&](std::uint32_t series, std::int64_t late_ns = 0) {
        batch.samples.push_back({start_ns + second * second_ns + late_ns, 1, series});
      };
      if ((second < 1000 || second >= 1300) && (second < 3000 || second >= 3600)) add(1);
      if (second % 300 == 0) add(2);
      if (second == 10 || second == 7000) add(3);
      add(4, static_cast<std::int64_t>(random() % 300'000'000));
    }
    store.commit(batch);
    constexpr auto ever = ringdown::forever_s;
    ringdown::Maintenance maintenance(store.database(), {ringdown::Tiers{{ever, ever, ever, ever, ever}, 0}, {}}, 1);
    ringdown::Budget budget;
    while (maintenance.run(ringdown::Fold::everything, start_ns, ringdown::Maintenance::Clock::now(), budget)) {
    }
  }
  REQUIRE(start_ns % (3600 * second_ns) == 0);
  struct Expected {
    const char* step;
    std::int64_t count, longest_s, all_s;
  };
  for (const auto& [step, count, longest_s, all_s] :
       {Expected{"raw", 2, 601, 902}, {"1m", 2, 660, 960}, {"5m", 1, 900, 900}, {"1h", 0, 0, 0}}) {
    INFO(step);
    const auto run = plant::query(f, {"--db", db, "--from", "0", "--summary", "--step", step, "--format", "json"});
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);) {
      const auto row = nlohmann::json::parse(line);
      INFO(line);
      const bool is_the_one = row["name"] == "each_second";
      CHECK(row["gaps"]["count"] == (is_the_one ? count : 0));
      CHECK(row["gaps"]["longest_ns"] == (is_the_one ? longest_s * second_ns : 0));
      CHECK(row["gaps"]["all_ns"] == (is_the_one ? all_s * second_ns : 0));
    }
  }
  const auto table = plant::query(f, {"--db", db, "--from", "0", "--summary", "--step", "raw", "each_second"});
  CHECK_THAT(table.out, Contains("GAPS") && Contains("2, 10m1s"));
}

TEST_CASE("a summary of nothing is no output, and one of the 1s tier is refused", "[query]") {
  const TwoHours f;
  const auto none = plant::query(f, {"--db", f.db, "--summary", "--last", "1m"});
  CHECK(none.status == 0);
  CHECK(none.out.empty());
  CHECK_THAT(none.err, Contains("no data of 3 series"));
  const auto refused = f.run({"--step", "1s"});
  CHECK(refused.status == 2);
  CHECK_THAT(refused.err + refused.out, Contains("tier 1s has no quantiles"));
}
