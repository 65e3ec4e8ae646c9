// test_verify.cpp: verify finds nothing in sound databases, and every kind of damage in others.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemons.hpp"
#include "ring/producer.hpp"
#include "verify.hpp"

using namespace ringdown;
using Catch::Contains;
using tiers::second_ns;
using tiers::World;

namespace {

Verified verified(Database& database) {
  return verify(database, [](const std::string&, double) {});
}

/// Batches, slices and restarts at random; what comes of them may be half done.
void live(World& world, std::mt19937_64& random) {
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  tiers::Daemons daemons(random);
  const auto steps = std::array<std::int64_t, 3>{1, 7, 1000}[random() % 3];
  for (int b = 0; b < 30; ++b) {
    world.commit(daemons.batch());
    for (auto slices = random() % 20; slices > 0; --slices)
      world.slice(random() % World::jobs, tiers::wall_ns(), random() % 100 == 0, steps);
    if (random() % 10 == 0) world.restart();
    if (random() % 15 == 0) world.finish();
  }
}

/// Two hours of all kinds of series, rolled up, nothing out of order.
void live_well(World& world) {
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  for (int b = 0; b < 120; ++b) {
    std::vector<Sample> samples;
    for (std::uint32_t i = 0; i < 60; ++i) {
      tiers::wall_ns() += second_ns;
      samples.push_back(
          {tiers::wall_ns(), static_cast<double>((b * 60 + static_cast<int>(i)) / 7 % 5), i % 6 + 1});
    }
    world.commit(samples);
  }
  world.finish();
}

constexpr const char* a_gauge =
    " WHERE series = 1 AND count > 3 AND min < max AND bucket = (SELECT min(bucket) + 3600 FROM tier_1m) / "
    "3600 * 3600";

std::string at_a_gauge(const std::string& sql) { return sql + a_gauge; }

}  // namespace

TEST_CASE("verify finds nothing after and amid random batches, slices and restarts", "[verify][property]") {
  const auto seed = support::test_seed();
  for (int round = 0; round < support::rounds(support::is_sanitized ? 20 : 60); ++round) {
    const auto round_seed = seed + static_cast<std::uint64_t>(round);
    INFO("RINGDOWN_SEED=" << round_seed << " RINGDOWN_ROUNDS=1");
    std::mt19937_64 random(round_seed);
    World world(tiers::some_series());
    live(world, random);
    const auto amid = verified(world.database());
    INFO(verified_text(amid));
    CHECK(amid.findings() == 0);
    world.finish();
    const auto after = verified(world.database());
    INFO(verified_text(after));
    CHECK(after.findings() == 0);
    CHECK(after.samples_1m.rows == world.query("SELECT count(*) FROM tier_1m"));
    CHECK(after.samples_1s.rows == world.query("SELECT count(*) FROM tier_1s"));
    CHECK(after.wide_5m.rows == world.query("SELECT count(*) FROM tier_5m"));
    CHECK(after.wide_1h.rows == world.query("SELECT count(*) FROM tier_1h"));
    CHECK(after.batches.rows == world.query("SELECT count(*) FROM batches"));
    if (Catch::getResultCapture().lastAssertionPassed() == false) break;
  }
}

TEST_CASE("verify finds one lost, doubled or changed count, whichever row of whichever tier it is in",
          "[verify][property]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  World world(tiers::some_series());
  live(world, random);
  world.finish();
  REQUIRE(verified(world.database()).findings() == 0);
  for (const std::string tier : {"tier_1s", "tier_1m", "tier_5m", "tier_1h"})
    for (const auto* change :
         {"UPDATE % SET count = count + 1", "UPDATE % SET count = count - 1", "DELETE FROM %"}) {
      const auto rows = world.query("SELECT count(*) FROM " + tier + " WHERE count > 0 AND series < 7");  // 7: its raw samples are dropped
      const auto row = std::to_string(random() % static_cast<std::uint64_t>(rows));
      auto sql = std::string(change) +
                 " WHERE (bucket, series) = (SELECT bucket, series FROM % WHERE count > 0 AND series < 7 LIMIT 1 OFFSET " +
                 row + ")";
      while (sql.find('%') != std::string::npos) sql.replace(sql.find('%'), 1, tier);
      INFO(sql);
      world.database().execute("BEGIN");
      // verify begins transactions of its own, so the damage is undone by putting the row back.
      world.database().execute("CREATE TEMP TABLE before AS SELECT * FROM " + tier);
      world.database().execute(sql);
      world.database().execute("COMMIT");
      const auto found = verified(world.database());
      INFO(verified_text(found));
      CHECK(found.findings() > 0);
      CHECK_THAT(verified_text(found), Contains(tier + " bucket "));
      world.database().execute("DELETE FROM " + tier + "; INSERT INTO " + tier +
                               " SELECT * FROM temp.before; DROP TABLE temp.before");
    }
  CHECK(verified(world.database()).findings() == 0);
}

TEST_CASE("verify names what is damaged, what it found and what it expected", "[verify]") {
  World world(tiers::some_series());
  live_well(world);
  const auto damage = GENERATE_COPY(values<std::tuple<std::string, std::string, std::string>>({
      {at_a_gauge("UPDATE tier_1s SET count = 7") + " OR bucket = (SELECT min(bucket) FROM tier_1s)",
       "samples in tier_1s", "count 7, expected 1"},
      {at_a_gauge("UPDATE tier_1m SET count = 7"), "samples in tier_1m",
       "count 7, expected 10 by the raw samples"},
      {at_a_gauge("UPDATE tier_1m SET min = -1, first = -1"), "samples in tier_1m", "min -1 and max"},
      {at_a_gauge("UPDATE tier_1m SET max = 2e9"), "tier_5m of tier_1m", "expected 2000000000 by tier_1m"},
      {at_a_gauge("UPDATE tier_5m SET sum = sum + 1"), "tier_5m of tier_1m", "sum "},
      {at_a_gauge("UPDATE tier_1h SET first = 4, min = 0"), "tier_1h of tier_5m", "first 4"},
      {at_a_gauge("DELETE FROM tier_1h"), "tier_1h of tier_5m", "no row, expected one with count"},
      {at_a_gauge("DELETE FROM tier_1m"), "samples in tier_1m", "no row, expected one with count 10"},
      {at_a_gauge("UPDATE tier_1m SET sketch = x'0101'"), "rows", "tier_1m bucket"},
      {at_a_gauge("UPDATE tier_1m SET sketch = NULL"), "rows", "no sketch"},
      {at_a_gauge("UPDATE tier_5m SET sketch = (SELECT sketch FROM tier_1h WHERE series = 1 AND sketch IS "
                  "NOT NULL)"),
       "rows", "sketch of"},
      {"UPDATE tier_1m SET states = '{\"0\":70000000000}' WHERE series = 3", "rows",
       "states of 70000000000 ns, expected up to 60000000000"},
      {"UPDATE tier_1h SET states = '{\"0\":1}' WHERE series = 4", "tier_1h of tier_5m",
       "states {\"0\":1}, expected"},
      {"UPDATE tier_5m SET states = 'x' WHERE series = 4", "rows", "expected '{'"},
      {"UPDATE tier_5m SET increase = increase + 1 WHERE series = 2", "tier_5m of tier_1m", "increase"},
      {"INSERT INTO tier_1m SELECT bucket + 864000, series, count, sum, min, max, first, last, first_at, "
       "last_at, NULL, NULL, NULL, sketch "
       "FROM tier_1m WHERE series = 1 LIMIT 1",
       "frontiers", "expected none: the frontier is"},
      {"INSERT INTO tier_5m SELECT bucket + 864000, series, count, sum, min, max, first, last, first_at, "
       "last_at, NULL, NULL, NULL, sketch "
       "FROM tier_5m WHERE series = 1 LIMIT 1",
       "frontiers", "tier_5m bucket"},
      {"INSERT INTO tier_1s SELECT bucket, 77, count, sum, min, max, first, last, first_at, last_at FROM "
       "tier_1s LIMIT 1",
       "references", "series 77: a row, expected none: no such series"},
      {"UPDATE series SET tier_1s = 0 WHERE id = 2", "samples in tier_1s", "series.tier_1s is 0"},
      {"INSERT INTO latest VALUES (77, 1, 1)", "references", "latest series 77: no such row in series"},
      {"INSERT INTO dirty VALUES ('tier_1m', 0, 77, 0)", "references", "dirty tier_1m bucket 0 series 77"},
      {"INSERT INTO losses VALUES (1, 1, 0, 9, 'lane_full', 0, 1, 1, 1)", "references",
       "losses 1 producer 9"},
      {"INSERT INTO losses VALUES (1, 1, 0, NULL, 'lane_full', 5, 1, 1, 1)", "cursors", "lost 0, expected 5"},
      {"UPDATE cursors SET producer = 9", "references", "cursors ring 1 lane 0 producer 9"},
      {"UPDATE cursors SET ring = 2", "references", "cursors ring 2 lane 0: no such row in rings"},
      {"UPDATE cursors SET stored = 7199", "cursors", "stored 7199 together, expected 7200 at least"},
      {"UPDATE cursors SET lost = 3", "cursors", "cursors ring 1 lane 0: lost 3, expected 0"},
      {"UPDATE durability SET through_ns = 9000000000000000000", "cursors", "through_ns 9000000000000000000"},
      {"UPDATE batches SET samples = 61 WHERE id = 5", "batches",
       "batch 5: samples 61, expected 60 by its blob"},
      {"UPDATE batches SET max_ns = max_ns + 1 WHERE id = 5", "batches", "batch 5: min_ns"},
      {"UPDATE batches SET committed_ns = 1 WHERE id = 5", "batches",
       "batch 5: committed_ns 1, expected more than"},
      {"UPDATE batches SET blob = x'00' WHERE id = 5", "batches", "batch 5: its 60 samples cannot be read"},
      {"DELETE FROM batches WHERE id = 5", "samples in tier_1m", "expected"},
      {"UPDATE progress SET done = 7, target = 7, replay = 1 WHERE job = 'tier_1m'", "samples in tier_1m",
       "expected 0 by the raw samples"},
      {"UPDATE progress SET done = 999, target = 999 WHERE job = 'tier_1s'", "progress",
       "progress tier_1s done: 999"},
      {"UPDATE progress SET done = 9 WHERE job = 'tier_1s'; UPDATE progress SET frontier = frontier - 3600 "
       "WHERE job = 'tier_1s'",
       "progress", "progress tier_1s replay: "},
      {"UPDATE progress SET frontier = frontier - 60, next_frontier = next_frontier - 60 WHERE job = "
       "'tier_1m'",
       "frontiers", "tier_1m bucket"},
      {"UPDATE progress SET frontier = frontier - 3600, next_frontier = next_frontier - 3600 WHERE job = "
       "'tier_1h'",
       "frontiers", "tier_1h bucket"},
      {"UPDATE progress SET frontier = frontier + 3600, next_frontier = next_frontier + 3600 WHERE job = "
       "'tier_5m'",
       "progress", "progress tier_5m next_frontier: "},
      {"UPDATE progress SET frontier = frontier + 1 WHERE job = 'tier_1h'", "progress", "contradicts itself"},
  }));
  const auto& [sql, check, text] = damage;
  INFO(sql);
  REQUIRE(verified(world.database()).findings() == 0);
  world.database().execute(sql);
  const auto found = verified(world.database());
  INFO(verified_text(found));
  CHECK(found.findings() > 0);
  CHECK_THAT(verified_text(found), Contains("\n" + check + ": ") && Contains(text));
}

TEST_CASE("verify leaves out the buckets of a batch that is known to be damaged", "[verify]") {
  World world(tiers::some_series());
  live_well(world);
  world.database().execute(
      "UPDATE batches SET blob = x'00' WHERE id = 118; INSERT INTO damaged_batches VALUES (118, 60, 'bad', 1)");
  const auto found = verified(world.database());
  INFO(verified_text(found));
  CHECK(found.findings() == 0);
  CHECK(found.samples_1m.left_out > 0);
  CHECK_THAT(verified_text(found), Contains("batch 118 was found damaged: bad"));
}

TEST_CASE("verify leaves alone what may have expired", "[verify]") {
  World world(tiers::some_series());
  live_well(world);
  const auto hour_s = std::to_string(world.query("SELECT min(bucket) FROM tier_1h") + 3600);
  world.database().execute("UPDATE progress SET expired = " + hour_s +
                           " WHERE job IN ('tier_1s', 'tier_1m', 'batches')");
  for (const auto* tier : {"tier_1s", "tier_1m"})
    world.database().execute("DELETE FROM " + std::string(tier) + " WHERE bucket < " + hour_s);
  world.database().execute("DELETE FROM batches WHERE max_ns < " + hour_s + " * 1000000000");
  const auto found = verified(world.database());
  INFO(verified_text(found));
  CHECK(found.findings() == 0);
  CHECK(found.samples_1m.rows > 0);
  world.database().execute("DELETE FROM tier_1m WHERE bucket = " + hour_s);
  CHECK(verified(world.database()).findings() > 0);
}

TEST_CASE("verify finds nothing whatever retention deletes", "[verify][property]") {
  const auto seed = support::test_seed();
  for (int round = 0; round < support::rounds(20); ++round) {
    const auto round_seed = seed + static_cast<std::uint64_t>(round);
    INFO("RINGDOWN_SEED=" << round_seed << " RINGDOWN_ROUNDS=1");
    std::mt19937_64 random(round_seed);
    World world(tiers::some_series(),
                Rules({Ages{3600, 900, 7200, 14'400, forever_s}, 0}, tiers::rules_of(tiers::some_series())));
    tiers::wall_ns() = 1'700'000'000 * second_ns;
    tiers::Daemons daemons(random);
    for (int b = 0; b < 40; ++b) {
      world.commit(daemons.batch());
      for (auto slices = random() % 30; slices > 0; --slices)
        world.slice(random() % World::jobs, tiers::wall_ns(), random() % 100 == 0, 100);
      if (random() % 3 == 0) world.work(tiers::wall_ns());
      if (random() % 2 == 0) world.retain(tiers::wall_ns());
      if (random() % 10 == 0) world.restart();
      if (random() % 8 != 0) continue;
      const auto found = verified(world.database());
      INFO("batch " << b << "\n" << verified_text(found));
      CHECK(found.findings() == 0);
    }
    if (Catch::getResultCapture().lastAssertionPassed() == false) break;
  }
}

TEST_CASE("ring-persister verify holds beside a persister that writes, and tells by its status what is wrong",
          "[verify]") {
  const auto folder = support::unique_folder();
  const auto ring = support::unique_ring(), database = (folder / "m.db").string();
  const auto look = [&](std::vector<std::string> more) {
    std::vector<std::string> words{RING_PERSISTER_PATH, "verify", "--db", database};
    words.insert(words.end(), more.begin(), more.end());
    return support::run(words);
  };
  CHECK(look({}).status == 3);
  CHECK(support::run({RING_PERSISTER_PATH, "verify"}).status == 2);
  support::Child persister(
      {RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--round-ms", "5", "--commit-ms", "10"},
      folder / "log");
  while (support::read_file(folder / "log").find("drains ring") == std::string::npos) {
    REQUIRE(persister.running());
    ::usleep(1000);
  }
  ring::Producer producer(ring);
  const auto gauge = producer.gauge("gauge"), counter = producer.counter("counter");
  const auto mode = producer.state("mode", {}, {"OFF", "ON"});
  auto now_ns = realtime_ns() - 3'000 * second_ns;
  for (int look_number = 0; look_number < 5; ++look_number) {
    for (int i = 0; i < 600; ++i) {
      now_ns += second_ns;
      producer.push(gauge, i % 13, now_ns);
      producer.push(counter, i, now_ns);
      producer.push(mode, i / 100 % 2, now_ns);
    }
    const auto run = look({"--json"});
    INFO(run.output);
    CHECK(run.status == 0);
    CHECK_THAT(run.output, Contains("\"holds\": true"));
  }
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  const auto quiet = look({"--quiet"});
  CHECK(quiet.status == 0);
  CHECK(quiet.output.empty());
  CHECK_THAT(look({}).output, Contains("All holds."));
  Database(database, Database::Access::read_write_create).execute("UPDATE tier_1h SET count = count + 1");
  const auto damaged = look({"--quiet"});
  CHECK(damaged.status == 1);
  CHECK_THAT(damaged.output, Contains("tier_1h of tier_5m: tier_1h bucket "));
}
