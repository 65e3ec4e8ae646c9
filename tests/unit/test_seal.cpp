// test_seal.cpp: what sealing leaves out, what it stores once, and what becomes of damaged chunks.
#include <catch2/catch.hpp>
#include <filesystem>

#include "maintenance.hpp"
#include "raw_reader.hpp"
#include "schema.hpp"
#include "store.hpp"
#include "stored.hpp"
#include "support.hpp"
#include "verify.hpp"

using namespace ringdown;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t first_ns = 1'700'000'040 * second;
std::int64_t time_now_ns = first_ns;

Rules rules(bool keep, std::vector<Rule> more = {}) {
  Rule rule;
  rule.name = "debug_*";
  rule.keep = keep;
  more.push_back(rule);
  return Rules({{forever_s, forever_s, forever_s, forever_s, forever_s}, 0}, more);
}

struct Fixture {
  explicit Fixture(bool keep, std::vector<Rule> more_rules = {}) : rules_(std::move(more_rules)), folder(support::unique_folder()) {
    time_now_ns = first_ns;
    open(keep);
    store->ring_id("r", "g", 1);
    Batch batch;
    for (const auto* name : {"debug_a", "kept", "debug_b"})
      batch.series.push_back({static_cast<std::uint32_t>(batch.series.size() + 1), {ring::Kind::gauge, name, "", {}, {}}});
    store->commit(batch);
  }
  ~Fixture() {
    close();
    std::filesystem::remove_all(folder);
  }
  void close() {
    maintenance.reset();
    store.reset();
  }
  void open(bool keep) {
    close();
    store.emplace(folder / "m.db", StoreOptions{.rules = rules(keep, rules_), .wall_ns = [] { return time_now_ns; }});
    maintenance.emplace(store->database(), rules(keep, rules_), 1);
  }
  /// A batch a minute of ten seconds' samples of all three series, two of them under the same time.
  void minutes(int count) {
    for (int m = 0; m < count; ++m) {
      Batch batch;
      for (int s = 0; s < 10; ++s)
        for (std::uint32_t id = 1; id <= 3; ++id) {
          batch.samples.push_back({time_now_ns + s * second, pushed + 0.1 * id, id});
          batch.samples.push_back({time_now_ns + s * second, pushed + 0.2 * id, id});
          pushed += 1;
        }
      time_now_ns += 60 * second;
      samples += static_cast<std::int64_t>(batch.samples.size());
      batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = static_cast<std::uint64_t>(samples) + 1,
                               .stored = static_cast<std::uint64_t>(samples)});
      store->commit(batch);
    }
  }
  void maintain() {
    for (int pass = 0; pass < 2; ++pass) {  // jobs that are due now and then look for what the others have done
      steady += std::chrono::seconds(10);
      for (bool more = true; more;) {
        Budget budget{.steps = 2};
        more = maintenance->run(time_now_ns, time_now_ns, steady, budget);
      }
    }
  }
  std::int64_t query(const std::string& sql) { return store->database().query_integer(sql); }
  Verified verified() {
    Database reader(folder / "m.db", Database::Access::read_only);
    return verify(reader, [](const std::string&, double) {});
  }

  std::vector<Rule> rules_;
  std::filesystem::path folder;
  std::optional<Store> store;
  std::optional<Maintenance> maintenance;
  Maintenance::Clock::time_point steady = Maintenance::Clock::now();
  std::int64_t samples = 0;
  double pushed = 0;
};

}  // namespace

TEST_CASE("sealing leaves out samples that are not kept, and nothing else", "[seal]") {
  Fixture all(true), some(false);
  time_now_ns = first_ns;
  all.minutes(30);
  all.maintain();
  time_now_ns = first_ns;
  some.minutes(30);
  some.maintain();
  const auto before = support::stored_values(all.folder / "m.db"), after = support::stored_values(some.folder / "m.db");
  CHECK(after.at("kept") == before.at("kept"));
  CHECK(after.at("debug_a").size() == 15 * 20);  // the first quarter of an hour is sealed
  CHECK(before.at("debug_a").size() == 600);
  CHECK(some.query("SELECT sum(samples) FROM batches") == 15 * 60);
  CHECK(some.query("SELECT sum(samples) FROM windows") == 15 * 20);
  for (const std::string tier : {"tier_1s", "tier_1m", "tier_5m"}) {
    INFO(tier);
    const auto sums = "SELECT sum(count) * 1000003 + count(*) FROM " + tier;
    CHECK(some.query(sums) == all.query(sums));
    CHECK(some.query("SELECT sum(sum) FROM " + tier) == all.query("SELECT sum(sum) FROM " + tier));
  }
  CHECK(all.verified().findings() == 0);
  CHECK(some.verified().findings() == 0);
}

TEST_CASE("values are rounded to their series' resolution when they are sealed, and only then", "[seal]") {
  Rule coarse;
  coarse.name = "kept";
  coarse.resolution = 0.001;
  Fixture f(true, {coarse});
  const double pushed_values[] = {0.1234567, -1.0005001, 22.000499999, 1e300, 5e-324, 1'700'000'000.1239};
  for (int m = 0; m < 30; ++m) {
    Batch batch;
    for (std::uint32_t id = 1; id <= 2; ++id)
      for (std::size_t i = 0; i < std::size(pushed_values); ++i)
        batch.samples.push_back({time_now_ns + static_cast<std::int64_t>(i), pushed_values[i], id});
    time_now_ns += 60 * second;
    const auto stored = static_cast<std::uint64_t>(m + 1) * batch.samples.size();
    batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = stored + 1, .stored = stored});
    f.store->commit(batch);
  }
  f.maintain();
  const std::vector<double> as_pushed(std::begin(pushed_values), std::end(pushed_values)),
      rounded{0.123, -1.001, 22, 1e300, 0, 1'700'000'000.124};
  const auto stored = support::stored_values(f.folder / "m.db");
  const auto repeated = [](const auto& first, int times_first, const auto& then, int times_then) {
    std::vector<double> out;
    for (int i = 0; i < times_first; ++i) out.insert(out.end(), first.begin(), first.end());
    for (int i = 0; i < times_then; ++i) out.insert(out.end(), then.begin(), then.end());
    return out;
  };
  CHECK(stored.at("kept") == repeated(rounded, 15, as_pushed, 15));
  CHECK(stored.at("debug_a") == repeated(as_pushed, 15, as_pushed, 15));
  CHECK(f.query("SELECT count(*) FROM tier_1m WHERE series = 2 AND min = -1.0005001") == 29);  // the last minute is not over
  CHECK(f.query("SELECT resolution = 0.001 FROM series WHERE name = 'kept'") == 1);
  CHECK(f.verified().findings() == 0);
}

TEST_CASE("a damaged chunk is named and left out, and what it was is not merged away", "[seal]") {
  Fixture f(true);
  f.minutes(30);
  f.maintain();
  f.store->database().execute("UPDATE columns SET blob = zeroblob(length(blob)) WHERE id = (SELECT (id >> 26 << 26) + vals "
                              "FROM chunks WHERE id & 0xffffff = 2)");
  Database reader(f.folder / "m.db", Database::Access::read_only);
  std::vector<std::string> told;
  std::map<std::uint32_t, int> samples;
  RawReader raw(reader, {}, [&](const auto& what, auto, auto) { told.push_back(what); });
  for (auto block = raw.next(); !block.empty(); block = raw.next())
    for (const auto& sample : block) ++samples[sample.series];
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Catch::Contains("series 2 of window ") && Catch::Contains("unknown version"));
  CHECK(samples == std::map<std::uint32_t, int>{{1, 600}, {2, 300}, {3, 600}});
  CHECK_THAT(verified_text(f.verified()), Catch::Contains("series 2: its 300 samples cannot be read"));
}

TEST_CASE("what series have in common is stored once", "[seal]") {
  Fixture f(true);
  for (int m = 0; m < 30; ++m) {
    Batch batch;
    for (std::uint32_t id = 1; id <= 3; ++id) batch.samples.push_back({time_now_ns, id == 3 ? 7.0 : m, id});
    time_now_ns += 60 * second;
    const auto stored = static_cast<std::uint64_t>(m + 1) * 3;
    batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = stored + 1, .stored = stored});
    f.store->commit(batch);
  }
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM chunks") == 3);
  CHECK(f.query("SELECT count(*) FROM columns") == 3);  // the time stamps, the values of 1 and 2, those of 3
  CHECK(f.verified().findings() == 0);
}

TEST_CASE("batches with nothing that is kept leave no window", "[seal]") {
  Fixture f(false);
  for (int m = 0; m < 30; ++m) {
    Batch batch;
    batch.samples = {{time_now_ns, 1, 1}, {time_now_ns, 2, 3}};
    time_now_ns += 60 * second;
    batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = static_cast<std::uint64_t>(m * 2 + 3),
                             .stored = static_cast<std::uint64_t>(m * 2 + 2)});
    f.store->commit(batch);
  }
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM batches") == 15);
  CHECK(f.query("SELECT count(*) FROM windows") == 0);
  CHECK(f.verified().findings() == 0);
}

TEST_CASE("a series that is kept from now on has all raw samples from then on, and verify knows", "[seal]") {
  Fixture f(false);
  f.minutes(30);
  f.maintain();
  f.open(true);
  f.minutes(30);
  f.maintain();
  CHECK(support::stored_values(f.folder / "m.db").at("debug_a").size() >= 600 + 15 * 20);
  CHECK(f.verified().findings() == 0);
  // and a sample that is missing from then on is found
  f.store->database().execute("DELETE FROM batches WHERE id = (SELECT max(id) - 5 FROM batches)");
  CHECK(f.verified().findings() > 0);
}

TEST_CASE("a database from before sealing is opened without a look at its batches, and sealed afterwards", "[seal]") {
  const auto folder = support::unique_folder();
  constexpr int minutes = 60;
  std::vector<double> pushed;
  {
    Database db(folder / "m.db", Database::Access::read_write_create);
    db.execute(std::string(schema::creation) + schema::every_open);
    for (int version = 1; version <= 3; ++version) db.execute(schema::migrations[version - 1]);
    db.execute("PRAGMA application_id = " + std::to_string(schema::application_id) + "; PRAGMA user_version = 3");
    db.execute("INSERT INTO series (id, name, labels, kind, unit, states) VALUES (1, 'kept', '{}', 'gauge', '', '[]'); "
               "INSERT INTO rings VALUES (1, 'r', 'g', 1); "
               "INSERT INTO cursors VALUES (1, 0, 61, NULL, 60, 0, 0, '{}')");
    Statement insert(db, "INSERT INTO batches VALUES (?, ?, ?, ?, 1, ?)");
    std::vector<std::byte> blob;
    for (int m = 0; m < minutes; ++m) {
      const auto at_ns = first_ns + m * 60 * second;
      pushed.push_back(m * 0.1);
      encode_batch(std::vector<Sample>{{at_ns, pushed.back(), 1}}, blob);
      insert.bind(1, std::int64_t{m + 1}).bind(2, at_ns + second).bind(3, at_ns).bind(4, at_ns)
          .bind(5, std::span<const std::byte>(blob)).run();
    }
  }
  time_now_ns = first_ns + minutes * 60 * second;
  Store store(folder / "m.db", {.rules = rules(true), .wall_ns = [] { return time_now_ns; }});
  CHECK(store.database().query_integer("SELECT count(*) FROM batches") == minutes);
  Maintenance maintenance(store.database(), rules(true), 1);
  auto steady = Maintenance::Clock::now();
  for (int pass = 0; pass < 2; ++pass, steady += std::chrono::seconds(10))
    for (bool more = true; more;) more = maintenance.run(time_now_ns, time_now_ns, steady, Budget{});
  CHECK(store.database().query_integer("SELECT count(*) FROM windows") >= 3);
  CHECK(store.database().query_integer("SELECT count(*) FROM batches") < 20);
  CHECK(support::stored_values(folder / "m.db").at("kept") == pushed);
  const auto found = verify(store.database(), [](const std::string&, double) {});
  INFO(verified_text(found));
  CHECK(found.findings() == 0);
  std::filesystem::remove_all(folder);
}
