// test_query_step.cpp: ring-query --step auto takes what reaches far enough back and is as fine as was asked for.
#include <catch2/catch.hpp>

#include "maintenance.hpp"
#include "query_plant.hpp"
#include "query_step.hpp"

using Catch::Contains;
using plant::second_ns;
using plant::start_ns;

namespace {

constexpr std::int64_t hours = 10, hour_ns = 3600 * second_ns;

/// Ten hours of a gauge every 10 s, a commit an hour, in all tiers.
struct TenHours : plant::Folder {
  std::string db = (path / "ten.db").string();

  TenHours() {
    ringdown::Store store(db);
    ringdown::Batch batch;
    batch.series = {{1, {ring::Kind::gauge, "rtt_ms", "ms", {}, {}}}};
    for (std::int64_t hour = 0; hour < hours; ++hour) {
      for (std::int64_t i = 0; i < 360; ++i) batch.samples.push_back({start_ns + hour * hour_ns + i * 10 * second_ns, 1, 1});
      store.commit(batch);
      batch.clear();
    }
    constexpr auto ever = ringdown::forever_s;
    ringdown::Maintenance maintenance(store.database(), {ringdown::Tiers{{ever, ever, ever, ever, ever}, 0}, {}}, 1);
    ringdown::Budget budget;
    while (maintenance.run(ringdown::Fold::everything, start_ns, ringdown::Maintenance::Clock::now(), budget)) {
    }
  }
  std::string step(std::int64_t from_hour, std::int64_t rows_max) const {
    ringdown::Database database(db, ringdown::Database::Access::read_only);
    return ringdown::choose_step(database, {start_ns + from_hour * hour_ns, start_ns + hours * hour_ns}, rows_max);
  }
  void execute(const std::string& sql) const {
    ringdown::Database(db, ringdown::Database::Access::read_write_create).execute(sql);
  }
};

}  // namespace

TEST_CASE("auto takes the finest that has at most the wanted rows, and the coarsest when all have more", "[query]") {
  const TenHours f;
  CHECK(f.step(0, 3600) == "raw");
  CHECK(f.step(0, 3599) == "1m");
  CHECK(f.step(0, 600) == "1m");
  CHECK(f.step(0, 599) == "5m");
  CHECK(f.step(0, 100) == "1h");
  CHECK(f.step(0, 1) == "1h");
  CHECK(f.step(9, 360) == "raw");
  CHECK(f.step(9, 359) == "1m");
}

TEST_CASE("auto takes what reaches back to the range's start before what is finer", "[query]") {
  const TenHours f;
  const auto before = [](std::int64_t hour) { return std::to_string((start_ns + hour * hour_ns) / second_ns); };
  f.execute("DELETE FROM batches WHERE id <= 8");
  CHECK(f.step(0, 10'000) == "1m");
  CHECK(f.step(8, 10'000) == "raw");
  f.execute("DELETE FROM tier_1m WHERE bucket < " + before(5));
  CHECK(f.step(0, 10'000) == "5m");
  CHECK(f.step(5, 10'000) == "1m");
  f.execute("DELETE FROM tier_5m WHERE bucket < " + before(3));
  CHECK(f.step(0, 10'000) == "1h");
  f.execute("DELETE FROM tier_1h WHERE bucket < " + before(3));
  CHECK(f.step(0, 10'000) == "5m");  // nothing reaches further back
}

TEST_CASE("auto tells what it has taken, and an empty database is raw", "[query]") {
  const TenHours f;
  const auto run = plant::query(f, {"--db", f.db, "--step", "auto", "--points", "20", "--from", std::to_string(plant::start_s),
                                    "--format", "csv"});
  CHECK(run.status == 0);
  CHECK_THAT(run.err, Contains("--step auto: 1h"));
  CHECK(std::count(run.out.begin(), run.out.end(), '\n') == hours + 1);
  const plant::Folder empty;
  ringdown::Store store(empty.path / "m.db");
  CHECK(ringdown::choose_step(store.database(), {}, 1) == "raw");
}
