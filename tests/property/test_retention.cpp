// test_retention.cpp: nothing is deleted that the next tier lacks, and the file stays as small as what is kept.
#include <catch2/catch.hpp>

#include "tiers.hpp"
#include "verify.hpp"

using namespace ringdown;
using tiers::second_ns;
using tiers::World;

namespace {

constexpr std::int64_t day_s = 86'400;
constexpr std::int64_t start_ns = 1'700'000'000 * second_ns;

std::vector<tiers::Series> gauges(std::size_t count) { return std::vector<tiers::Series>(count); }

Rules keep(Ages age_s, std::uint64_t size_bytes_max = 0, std::vector<Rule> rules = {}) {
  return {Tiers{age_s, size_bytes_max}, std::move(rules)};
}

/// `seconds` of one sample every `step_s` of each series, up to now.
std::vector<Sample> samples(std::uint32_t series, std::int64_t seconds, std::int64_t step_s) {
  std::vector<Sample> out;
  for (auto at_s = seconds; at_s > 0; at_s -= step_s)
    for (std::uint32_t id = 1; id <= series; ++id)
      out.push_back({tiers::wall_ns() - at_s * second_ns + 7, static_cast<double>(at_s % 97) / 8 + id, id});
  return out;
}

}  // namespace

TEST_CASE("over a month the file is flat behind the first horizon and no sample goes before its rollup",
          "[retention][property]") {
  tiers::wall_ns() = start_ns;
  World world(gauges(6), keep({day_s, 900, 3 * day_s, 8 * day_s, forever_s}));
  std::int64_t pushed = 0, pages_day_10 = 0, pages_most = 0;
  for (int hour = 0; hour < 30 * 24; ++hour) {
    tiers::wall_ns() += 3600 * second_ns;
    const auto batch = samples(6, 3600, 30);
    pushed += static_cast<std::int64_t>(batch.size());
    world.commit(batch);
    world.work(tiers::wall_ns());
    world.retain(tiers::wall_ns());
    if (hour % 24 == 23) {
      const auto found = verify(world.database(), [](const std::string&, double) {});
      INFO("day " << hour / 24 << "\n" << verified_text(found));
      CHECK(found.findings() == 0);
      // Whatever was deleted: all but the open buckets is above, once.
      const auto hours = world.query("SELECT coalesce(sum(count), 0) FROM tier_1h");
      CHECK(hours >= pushed - 3 * static_cast<std::int64_t>(batch.size()));
      CHECK(hours <= pushed);
    }
    const auto pages = world.query("PRAGMA page_count");
    if (hour == 10 * 24) pages_day_10 = pages;
    if (hour > 10 * 24) pages_most = std::max(pages_most, pages);
  }
  constexpr double kept_for_ever_pages = 20 * 24 * 6 * 100 / 4096.0;  // tier_1h's rows of 20 days
  CHECK(static_cast<double>(pages_most) < 1.05 * static_cast<double>(pages_day_10) + kept_for_ever_pages);
  CHECK(world.query("SELECT (max(committed_ns) - min(committed_ns)) / 3600000000000 FROM batches") <= 24);
  CHECK(world.query("SELECT max(bucket) - min(bucket) FROM tier_1m") < 3 * day_s + 3600);
  CHECK(world.query("SELECT max(bucket) - min(bucket) FROM tier_5m") < 8 * day_s + 2 * 3600);
  world.finish();
  CHECK(world.query("SELECT sum(count) FROM tier_1h") == pushed);
}

TEST_CASE("whatever its age, nothing is deleted that is not rolled up", "[retention]") {
  tiers::wall_ns() = start_ns;
  World world(gauges(2), keep({600, 60, 3600, 6 * 3600, forever_s}));
  world.commit(samples(2, 7200, 10));
  const auto far_ns = start_ns + 1000 * day_s * second_ns;
  CHECK_FALSE(world.retain(far_ns));
  CHECK(world.query("SELECT sum(samples) FROM batches") == 1440);

  for (bool more = true; more;) more = world.slice(0, 0, true, 1000);  // tier_1s alone is not enough
  world.retain(far_ns);
  CHECK(world.query("SELECT sum(samples) FROM batches") == 1440);

  for (bool more = true; more;) more = world.slice(1, 0, true, 1000);
  world.retain(far_ns);
  CHECK(world.query("SELECT count(*) FROM batches") == 0);
  CHECK(world.query("SELECT sum(count) FROM tier_1m") == 1440);  // 5m is not made yet

  for (bool more = true; more;) more = world.slice(3, 0, true, 1000);
  world.retain(far_ns);
  CHECK(world.query("SELECT count(*) FROM tier_1m") <= 10);
  CHECK(world.query("SELECT sum(count) FROM tier_5m") == 1440);
  world.finish();
  world.retain(far_ns);
  CHECK(world.query("SELECT count(*) FROM tier_5m") <= 24);
  CHECK(world.query("SELECT sum(count) FROM tier_1h") == 1440);
}

TEST_CASE("a batch's number is not used again once all batches are deleted", "[retention]") {
  tiers::wall_ns() = start_ns;
  World world(gauges(1), keep({600, 60, 3600, 6 * 3600, forever_s}));
  for (int i = 0; i < 3; ++i) {
    world.commit(samples(1, 100, 10));
    tiers::wall_ns() += 7200 * second_ns;
    world.work(tiers::wall_ns());
    world.retain(tiers::wall_ns());
    CHECK(world.query("SELECT count(*) FROM batches") == 0);
    if (i == 1) world.restart();
  }
  world.finish();
  CHECK(world.query("SELECT sum(count) FROM tier_1h") == 30);
}

TEST_CASE("a bucket that waits to be made again keeps what it is made from", "[retention]") {
  tiers::wall_ns() = start_ns;
  World world(gauges(1), keep({600, 60, 3600, 6 * 3600, forever_s}));
  world.commit(samples(1, 7200, 10));
  world.finish();
  const auto early_s = world.query("SELECT min(bucket) FROM tier_5m");
  world.database().execute("INSERT INTO dirty VALUES ('tier_5m', " + std::to_string(early_s) + ", 1, 0)");
  const auto rows = world.query("SELECT count(*) FROM tier_1m");
  world.retain(start_ns + 1000 * day_s * second_ns);
  CHECK(world.query("SELECT count(*) FROM tier_1m") == rows);
  world.finish();
  world.retain(start_ns + 1000 * day_s * second_ns);
  CHECK(world.query("SELECT count(*) FROM tier_1m") <= 10);
}

TEST_CASE("rows stay as long as a bucket of the same hour waits to be made again or is not over", "[retention]") {
  tiers::wall_ns() = start_ns;
  const auto far_ns = start_ns + 1000 * day_s * second_ns;
  for (const std::string tier : {"tier_1m", "tier_5m", "tier_1h", "none: the 1m tier ends within the hour"}) {
    World world(gauges(1), keep({600, 60, 3600, 6 * 3600, forever_s}));
    world.commit(samples(1, 3 * 3600, 10));
    world.finish();
    const auto hour_s = world.query("SELECT max(bucket) - 3600 FROM tier_1h");
    const auto late_s = std::to_string(hour_s + (tier == "tier_1h" ? 0 : 1800));
    if (tier.starts_with("tier"))
      world.database().execute("INSERT INTO dirty VALUES ('" + tier + "', " + late_s + ", 1, 0)");
    else
      world.database().execute("UPDATE progress SET frontier = " + late_s + ", next_frontier = " + late_s +
                               " WHERE job = 'tier_1m'");
    world.retain(far_ns);
    INFO(tier);
    CHECK(world.query("SELECT count(*) FROM tier_5m WHERE bucket >= " + std::to_string(hour_s)) >= 12);
    CHECK(world.query("SELECT expired FROM progress WHERE job = 'tier_5m'") == hour_s);
    CHECK(world.query("SELECT expired % 300 FROM progress WHERE job = 'tier_1m'") == 0);
  }
}

TEST_CASE("beyond the database's size raw samples go first, and the file shrinks to what is left", "[retention]") {
  tiers::wall_ns() = start_ns;
  constexpr std::uint64_t size_bytes_max = 1 << 20;
  World world(gauges(8), keep({forever_s, forever_s, forever_s, forever_s, forever_s}, size_bytes_max));
  std::int64_t pushed = 0;
  for (int i = 0; i < 300; ++i) {
    tiers::wall_ns() += 60 * second_ns;
    auto batch = samples(8, 60, 1);
    for (auto& s : batch) s.value += static_cast<double>((s.time_ns ^ s.series * 2654435761) % 1000003) * 1e-9;
    pushed += static_cast<std::int64_t>(batch.size());
    world.commit(batch);
    for (std::size_t job = 1; job < World::jobs; ++job)
      for (bool more = true; more;) more = world.slice(job, tiers::wall_ns(), false, 1000);
  }
  world.slice(0, 0, true, 1'000'000);
  for (bool more = true; more;) more = world.slice(0, 0, true, 1'000'000);
  CHECK(world.query("PRAGMA page_count") * 4096 > 4 << 20);
  const auto minutes = world.query("SELECT count(*) FROM tier_1m");
  world.retain(tiers::wall_ns());
  const auto used = world.query("PRAGMA page_count") - world.query("PRAGMA freelist_count");
  CHECK(used * 4096 <= static_cast<std::int64_t>(size_bytes_max));
  CHECK(static_cast<double>(world.query("PRAGMA page_count")) <= 1.1 * static_cast<double>(used));
  CHECK(world.query("SELECT count(*) FROM batches") <= 1);  // what is not folded yet
  CHECK(world.query("SELECT count(*) FROM tier_1m") == minutes);
  world.finish();
  CHECK(world.query("SELECT sum(count) FROM tier_1h") == pushed);
}

TEST_CASE("a rule's ages are its series' own", "[retention]") {
  tiers::wall_ns() = start_ns;
  Rule brief;
  brief.name = "s2";
  brief.age_s[tier_1m] = 3600;
  World world(gauges(3), keep({600, 60, day_s, 10 * day_s, forever_s}, 0, {brief}));
  for (int hour = 0; hour < 30; ++hour) {
    tiers::wall_ns() += 3600 * second_ns;
    world.commit(samples(3, 3600, 20));
    world.work(tiers::wall_ns());
    world.retain(tiers::wall_ns());
  }
  const auto hours = [&](int series) {
    return world.query("SELECT (max(bucket) - min(bucket)) / 3600 FROM tier_1m WHERE series = " + std::to_string(series));
  };
  CHECK(hours(1) >= 22);
  CHECK(hours(3) == hours(1));
  CHECK(hours(2) <= 1);
  CHECK(world.query("SELECT count(*) FROM tier_5m WHERE series = 2") == world.query("SELECT count(*) FROM tier_5m WHERE series = 1"));
}

TEST_CASE("a sample whose minute is deleted already counts in the finest tier that has its time", "[retention]") {
  tiers::wall_ns() = start_ns;
  World world(gauges(2), keep({600, 60, 3600, 2 * day_s, 10 * day_s}));
  const auto old = samples(2, 3600, 10);
  std::int64_t pushed = 0;
  const auto go_on = [&](const std::vector<Sample>& batch, std::int64_t seconds) {
    world.commit(batch);
    pushed += static_cast<std::int64_t>(batch.size());
    tiers::wall_ns() += seconds * second_ns;
    world.work(tiers::wall_ns());
    world.retain(tiers::wall_ns());
  };
  const auto count = [&](const char* tier) { return world.query(std::string("SELECT coalesce(sum(count), 0) FROM ") + tier); };
  go_on(old, 2 * 3600);
  go_on(samples(2, 60, 10), 3600);
  REQUIRE(count("tier_1m") < pushed);  // the first ones are deleted
  go_on(old, 120);
  CHECK(count("tier_5m") == pushed);
  world.finish();
  CHECK(count("tier_1h") == pushed);

  go_on(samples(2, 60, 10), 3 * day_s);
  world.finish();
  world.retain(tiers::wall_ns());
  REQUIRE(count("tier_5m") < pushed);
  go_on(old, 120);
  world.finish();
  CHECK(count("tier_1h") == pushed);

  go_on(samples(2, 60, 10), 20 * day_s);
  world.finish();
  world.retain(tiers::wall_ns());
  const auto left = count("tier_1h");
  go_on(old, 120);
  world.finish();
  CHECK(count("tier_1h") == left);
  CHECK(world.query("SELECT count FROM anomalies WHERE kind = 'too_late'") == static_cast<std::int64_t>(old.size()));
}

TEST_CASE("a sample that came early still counts when its batch is deleted before its minute is made again",
          "[retention]") {
  tiers::wall_ns() = start_ns;
  auto series = gauges(1);
  series[0].rule.aggregation = ring::Kind::counter;
  World world(series, keep({600, 60, 2 * 3600, 6 * 3600, forever_s}, 0, tiers::rules_of(series)));
  world.commit({{start_ns + 7200 * second_ns, 5, 1}});  // by a clock two hours ahead
  world.work(tiers::wall_ns());
  tiers::wall_ns() += 7200 * second_ns;
  world.commit({{tiers::wall_ns() + 1, 7, 1}});
  world.retain(tiers::wall_ns());
  REQUIRE(world.query("SELECT count(*) FROM batches") == 1);
  world.finish();
  CHECK(world.query("SELECT sum(count) FROM tier_1m") == 2);
  CHECK(world.query("SELECT sum(count) FROM tier_1h") == 2);
  CHECK(world.query("SELECT count FROM anomalies WHERE kind = 'not_redone'") >= 1);
}
