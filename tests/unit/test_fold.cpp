#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "fold.hpp"
#include "store.hpp"
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

/// Every tier row as text, by an independent path: plain SQL over a table of all samples.
std::map<std::pair<std::int64_t, std::int64_t>, Rollup> model(const std::vector<Sample>& samples, std::int64_t width) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Sample>> buckets;
  for (const auto& s : samples) {
    std::int64_t bucket = s.time_ns / (width * second);
    if (s.time_ns < bucket * width * second) --bucket;
    buckets[{bucket * width, s.series}].push_back(s);
  }
  std::map<std::pair<std::int64_t, std::int64_t>, Rollup> out;
  for (auto& [key, all] : buckets) {
    Rollup r;
    r.count = static_cast<std::int64_t>(all.size());
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
    r.first = all.front().value;
    r.last = all.back().value;
    r.first_ns = all.front().time_ns;
    r.last_ns = all.back().time_ns;
    r.min = r.max = r.first;
    for (const auto& s : all) {
      r.sum += s.value;
      r.min = std::min(r.min, s.value);
      r.max = std::max(r.max, s.value);
    }
    out[key] = r;
  }
  return out;
}

void check_tier(Database& db, const std::string& tier, const std::vector<Sample>& samples, std::int64_t width) {
  auto expected = model(samples, width);
  Statement rows(db, "SELECT bucket, series, count, sum, min, max, first, last, first_at, last_at FROM " + tier);
  while (rows.step()) {
    const auto at = expected.find({rows.integer(0), rows.integer(1)});
    REQUIRE(at != expected.end());
    const auto& r = at->second;
    INFO(tier << " bucket " << rows.integer(0) << " series " << rows.integer(1));
    CHECK(rows.integer(2) == r.count);
    CHECK(rows.real(3) == Approx(r.sum).epsilon(1e-12).margin(1e-9));
    CHECK(rows.real(4) == r.min);
    CHECK(rows.real(5) == r.max);
    CHECK(rows.real(6) == r.first);
    CHECK(rows.real(7) == r.last);
    CHECK(rows.integer(8) == r.first_ns - rows.integer(0) * second);
    CHECK(rows.integer(9) == r.last_ns - rows.integer(0) * second);
    expected.erase(at);
  }
  CHECK(expected.empty());
}

}  // namespace

TEST_CASE("tiers equal the rollup of all samples whatever the batches and the slices", "[fold][property]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < support::rounds(10); ++round) {
    StoreFixture f;
    std::vector<Sample> all;
    std::int64_t now = static_cast<std::int64_t>(random() % 1000) * second - 300 * second;
    for (int b = 0; b < 30; ++b) {
      std::vector<Sample> samples;
      for (std::uint64_t i = random() % 200; i > 0; --i) {
        now += static_cast<std::int64_t>(random() % second);
        const auto late = random() % 10 == 0 ? static_cast<std::int64_t>(random() % 90) * second : 0;
        samples.push_back({now - late, static_cast<double>(static_cast<std::int64_t>(random() % 2001) - 1000) / 8,
                           static_cast<std::uint32_t>(random() % 8) + 1});
        if (random() % 8 == 0) samples.push_back({samples.back().time_ns, 7, samples.back().series});
      }
      all.insert(all.end(), samples.begin(), samples.end());
      f.commit(samples);
      if (random() % 3 == 0) Fold(f.store.database(), "tier_1s", 1).run(static_cast<std::int64_t>(random() % 300));
      if (random() % 5 == 0) Fold(f.store.database(), "tier_1m", 60).run(1);
    }
    Fold fold_1s(f.store.database(), "tier_1s", 1), fold_1m(f.store.database(), "tier_1m", 60);
    while (fold_1s.run(100) > 0) {
    }
    while (fold_1m.run(100) > 0) {
    }
    check_tier(f.store.database(), "tier_1s", all, 1);
    check_tier(f.store.database(), "tier_1m", all, 60);
  }
}

TEST_CASE("sums beyond a double's range cost themselves and not the rollup", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1.7e308, 1}, {2, 1.7e308, 1}, {3, 1, 2}});
  Fold(f.store.database(), "tier_1s", 1).run(1);
  f.commit({{4, -1.7e308, 1}, {5, -1.7e308, 1}});
  Fold(f.store.database(), "tier_1s", 1).run(1);
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
  Fold(f.store.database(), "tier_1s", 1).run(1);
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

TEST_CASE("a damaged batch costs its own samples and not the rollup of the others", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1, 1}});
  f.commit({{2, 2, 1}});
  f.commit({{3, 3, 1}});
  f.store.database().execute("UPDATE batches SET blob = x'00' WHERE id = 2");
  Fold fold(f.store.database(), "tier_1s", 1);
  while (fold.run(1) > 0) {
  }
  CHECK(f.store.database().query_integer("SELECT count FROM tier_1s") == 2);
}

TEST_CASE("a lost progress row is damage, not a reason to roll all up again", "[fold]") {
  StoreFixture f;
  f.commit({{1, 1, 1}});
  Fold fold(f.store.database(), "tier_1s", 1);
  fold.run(1);
  f.store.database().execute("DELETE FROM progress WHERE job = 'tier_1s'");
  CHECK_THROWS_WITH(fold.run(1), Catch::Contains("no progress row of tier_1s"));
  CHECK(f.store.database().query_integer("SELECT sum(count) FROM tier_1s") == 1);
}
