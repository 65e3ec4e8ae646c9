#include <catch2/catch.hpp>

#include "fold.hpp"
#include "maintenance.hpp"
#include "store.hpp"
#include "stored.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

constexpr std::int64_t second = 1'000'000'000;

struct StoreFixture {
  std::filesystem::path folder = support::unique_folder();
  Store store{folder / "m.db"};
  std::int64_t commits = 0;
  StoreFixture() { store.ring_id("r", "g", 1); }
  void commit(std::vector<Sample> samples) {
    Batch batch;
    if (commits++ == 0)
      for (std::uint32_t id = 1; id <= 8; ++id)
        batch.series.push_back({id, {ring::Kind::gauge, "s" + std::to_string(id), "", {}, {}}});
    batch.samples = std::move(samples);
    store.commit(batch);
  }
};

}  // namespace

TEST_CASE("sums beyond a double's range cost themselves and not the rollup", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1.7e308, 1}, {2, 1.7e308, 1}, {3, 1, 2}});
  support::fold_all(f.store.database(), "tier_1s");
  f.commit({{4, -1.7e308, 1}, {5, -1.7e308, 1}});
  support::fold_all(f.store.database(), "tier_1s");
  CHECK(f.store.database().query_integer("SELECT count FROM tier_1s WHERE series = 1 AND sum IS NULL") == 4);
  CHECK(f.store.database().query_integer("SELECT sum FROM tier_1s WHERE series = 2") == 1);
}

TEST_CASE("the view metrics gives the shape that scripts query", "[fold]") {
  StoreFixture f;
  Batch batch;
  batch.series.push_back({1, ring::checked({ring::Kind::gauge, "rtt", "ms", {{"wan", "x"}, {"direction", "up"}}, {}})});
  batch.series.push_back({2, ring::checked({ring::Kind::counter, "bytes_total", "", {}, {}})});
  batch.samples = {{100 * second, 1, 1}, {100 * second + 1, 3, 1}, {100 * second, 5, 2}, {100 * second + 9, 8, 2}};
  f.store.commit(batch);
  support::fold_all(f.store.database(), "tier_1s");
  Statement rows(f.store.database(),
                 "SELECT timestamp, wan_name, metric_name, value, labels, granularity FROM metrics ORDER BY 3");
  REQUIRE(rows.step());
  CHECK(rows.text(1) == "");
  CHECK(rows.real(3) == 8);
  CHECK(rows.text(4) == "{}");
  REQUIRE(rows.step());
  CHECK(rows.integer(0) == 100);
  CHECK(rows.text(1) == "x");
  CHECK(rows.text(2) == "rtt");
  CHECK(rows.real(3) == 2);
  CHECK(rows.text(4) == R"({"direction":"up"})");
  CHECK(rows.text(5) == "raw");
}

TEST_CASE("a backlog longer than what is held in memory waits for the horizon, and writes nothing meanwhile", "[fold]") {
  StoreFixture f;
  auto& database = f.store.database();
  std::vector<Sample> samples;
  for (std::int64_t s = 0; s < 1000; ++s) samples.push_back({(1'764'000'000 + s) * second, 1, 1});
  f.commit(samples);
  SeriesRules rules(database);
  Fold fold(database, rules, "tier_1s", 1);
  Budget budget;
  const auto run = [&](std::int64_t horizon_s) {
    int slices = 0;
    while (slices < 100 && fold.run(horizon_s * second, budget)) ++slices;
    return slices;
  };
  CHECK(run(1'764'000'000) <= 1);  // not all that the ring has is committed
  CHECK(database.query_integer("SELECT count(*) FROM tier_1s") == 0);
  const auto written = database.query_integer("SELECT total_changes()");
  CHECK(run(1'764'000'000) == 0);
  CHECK(database.query_integer("SELECT total_changes()") == written);
  CHECK(run(1'764'000'500) < 100);
  CHECK(database.query_integer("SELECT count(*) FROM tier_1s") > 400);
  CHECK(run(1'764'002'000) < 100);
  CHECK(database.query_integer("SELECT sum(count) FROM tier_1s") == 1000);
}

TEST_CASE("a damaged batch costs its own samples and not the rollup of the others", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1, 1}});
  f.commit({{2, 2, 1}});
  f.commit({{3, 3, 1}});
  f.store.database().execute("UPDATE batches SET blob = x'00' WHERE id = 2");
  support::fold_all(f.store.database(), "tier_1s");
  CHECK(f.store.database().query_integer("SELECT samples FROM damaged_batches WHERE batch = 2") == 1);
  CHECK(f.store.database().query_integer("SELECT count FROM tier_1s") == 2);
}

TEST_CASE("a lost progress row is damage, not a reason to roll all up again", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1, 1}});
  support::fold_all(f.store.database(), "tier_1s");
  f.store.database().execute("DELETE FROM progress WHERE job = 'tier_1s'");
  CHECK_THROWS_WITH(support::fold_all(f.store.database(), "tier_1s"), Catch::Contains("no progress row of tier_1s"));
  CHECK(f.store.database().query_integer("SELECT sum(count) FROM tier_1s") == 1);
}

TEST_CASE("in every tier download and upload stay apart, a spike is seen, and a category is never averaged", "[fold]") {
  StoreFixture f;
  const auto gauge = [](const char* name, const char* direction) {
    return ring::checked({ring::Kind::gauge, name, "", {{"direction", direction}, {"wan", "x"}}, {}});
  };
  Batch batch;
  batch.series = {{1, gauge("rate", "download")}, {2, gauge("rate", "upload")}, {3, gauge("rtt", "download")},
                  {4, ring::checked({ring::Kind::state, "zone", "", {{"wan", "x"}}, {"GREEN", "YELLOW", "RED"}})}};
  for (int s = 0; s < 7200; ++s) {
    const auto at_ns = (3600 + s) * second;
    batch.samples.push_back({at_ns, 900, 1});
    batch.samples.push_back({at_ns, 40, 2});
    batch.samples.push_back({at_ns, s == 5000 ? 500.0 : 22.0, 3});
    batch.samples.push_back({at_ns, s % 60 < 40 ? 0.0 : 2.0, 4});
  }
  f.store.commit(batch);
  auto& db = f.store.database();
  const Rules rules({{forever_s, forever_s, forever_s, forever_s, forever_s}, 0}, {});
  Maintenance maintenance(db, rules, 1);
  for (bool more = true; more;)
    more = maintenance.run(Fold::everything, 10'800 * second, Maintenance::Clock::now(), Budget{});
  const auto count = [&](const std::string& where) {
    return db.query_integer("SELECT count(*) FROM metrics WHERE " + where);
  };
  const std::pair<const char*, int> tiers[] = {{"raw", 7200}, {"1m", 120}, {"5m", 24}, {"1h", 2}};
  for (const auto& [granularity, rows] : tiers) {
    INFO(granularity);
    const auto of_tier = std::string(" AND granularity = '") + granularity + "'";
    CHECK(count(R"(metric_name = 'rate' AND labels = '{"direction":"download"}' AND value = 900)" + of_tier) == rows);
    CHECK(count(R"(metric_name = 'rate' AND labels = '{"direction":"upload"}' AND value = 40)" + of_tier) == rows);
    CHECK(count("metric_name = 'rate'" + of_tier) == 2 * rows);
    CHECK(count("metric_name = 'zone' AND value IN (0, 2)" + of_tier) == rows);
  }
  CHECK(count("metric_name = 'zone' AND value = 0 AND granularity <> 'raw'") == 120 + 24 + 2);
  for (const std::string tier : {"tier_1s", "tier_1m", "tier_5m", "tier_1h"})
    CHECK(db.query_integer("SELECT max(max) FROM " + tier + " WHERE series = 3") == 500);
}
