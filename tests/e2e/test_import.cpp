// ring-persister import, from the outside.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "old_database.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"

namespace fs = std::filesystem;
using Catch::Contains;
using support::OldDatabase;

namespace {

struct Fixture {
  fs::path folder = support::unique_folder();
  std::string old = folder / "old.db", database = folder / "m.db";
  std::int64_t now_s = std::time(nullptr);
  std::int64_t minute_s = now_s / 60 * 60;

  ~Fixture() { fs::remove_all(folder); }
  std::int64_t query(const std::string& sql) const { return support::query(database, sql); }
  void check_verified() const {
    const auto run = support::verify(database);
    INFO(run.output);
    CHECK(run.status == 0);
  }
  /// Drains a ring that has these values for series "m" of wan "a", now.
  void persist(const std::vector<double>& values) const {
    const auto ring = support::unique_ring();
    ring::Producer producer(ring, {.geometry = {.lanes = 1, .lane_records = 1024, .arena_bytes = 4096}});
    const auto series = producer.gauge("m", {.labels = {{"wan", "a"}}});
    for (const auto value : values) REQUIRE(producer.push(series, value));
    const auto run =
        support::run({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--until-idle", "--own-metrics-s", "0"});
    INFO(run.output);
    REQUIRE(run.status == 0);
    ring::Segment::remove(ring);
  }
};

/// Twenty rows a second of three series, as a control loop writes them.
void insert_loop(OldDatabase& old, std::int64_t from_s, std::int64_t to_s, const std::string& wan = "a") {
  for (auto s = from_s; s < to_s; ++s)
    for (int cycle = 0; cycle < 20; ++cycle)
      old.insert(s, wan, "rtt_ms", static_cast<double>(s - from_s) + cycle / 32.0)
          .insert(s, wan, "rate_mbps", cycle, "raw", R"({"direction": "download"})")
          .insert(s, wan, "bytes_total", static_cast<double>((s - from_s) * 20 + cycle));
}

}  // namespace

TEST_CASE("import stores every raw row as a sample, in order and spread over its second, and rolls them up",
          "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  const auto from_s = f.minute_s - 300;
  insert_loop(old, from_s, from_s + 200);
  old.insert(from_s + 200, "a", "alone", 7);
  const auto imported = support::import({old.commit(), "--db", f.database});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.of("raw", "rows") == 12001);
  CHECK(imported.of("raw", "stored") == 12001);
  f.check_verified();

  const auto values = support::stored_values(f.database);
  REQUIRE(values.at("rtt_ms").size() == 4000);
  for (std::size_t i = 0; i < 4000; ++i) {
    REQUIRE(values.at("rtt_ms")[i] == static_cast<double>(i / 20) + static_cast<double>(i % 20) / 32);
    REQUIRE(values.at("bytes_total")[i] == static_cast<double>(i));
  }
  ringdown::Database database(f.database, ringdown::Database::Access::read_only);
  ringdown::RawReader reader(database, {}, [](const auto& what, auto, auto) { throw std::runtime_error(what); });
  std::map<std::uint32_t, std::int64_t> nth;
  for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
    for (const auto& sample : samples) {
      const auto i = nth[sample.series]++;
      if (sample.series <= 3) REQUIRE(sample.time_ns == from_s * 1'000'000'000 + i * 50'000'000);
    }
  CHECK(f.query("SELECT count(*) FROM series WHERE name = 'rate_mbps' AND labels = "
                "'{\"direction\":\"download\",\"wan\":\"a\"}' "
                "AND kind = 'gauge'") == 1);
  CHECK(f.query("SELECT sum(count) FROM tier_1m") == 12001);
  CHECK(f.query("SELECT sum(count) FROM tier_1h") == 12001);
  CHECK(f.query("SELECT sum(increase) FROM tier_1h JOIN series ON id = series WHERE kind = 'counter'") == 3999);
  CHECK(f.query("SELECT count(*) FROM tier_1s WHERE count = 20") == 600);
}

TEST_CASE("rows at 1m, 5m and 1h become rows of their tier with the same value unless finer rows cover them",
          "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  const auto hour_s = f.now_s / 3600 * 3600 - 7200;
  old.insert(hour_s - 3600, "a", "m", 1.25, "1h").insert(hour_s - 3600, "a", "other", 3, "1h");
  old.insert(hour_s - 3300, "a", "m", 2.5, "5m");  // finer than the first
  old.insert(hour_s, "a", "m", 4, "5m").insert(hour_s + 300, "a", "m", 5, "5m");
  old.insert(hour_s + 360, "a", "m", 6, "1m").insert(hour_s + 420, "a", "m", 9, "1m");  // finer than that of 300
  old.insert(hour_s + 425, "a", "m", 8);                                                // and than that of 420
  old.insert(hour_s + 420, "b", "m", 10, "1m");                                         // another series
  const auto imported = support::import({old.commit(), "--db", f.database});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.of("raw", "stored") == 1);
  CHECK(imported.of("1m", "stored") == 2);
  CHECK(imported.of("1m", "covered") == 1);
  CHECK(imported.of("5m", "stored") == 2);
  CHECK(imported.of("5m", "covered") == 1);
  CHECK(imported.of("1h", "stored") == 1);
  CHECK(imported.of("1h", "covered") == 1);
  f.check_verified();
  const auto rows = [&](const std::string& granularity) {
    return support::rows(f.database,
                         "SELECT timestamp - " + std::to_string(hour_s) +
                             ", wan_name, metric_name, value FROM metrics "
                             "WHERE granularity = '" +
                             granularity + "' ORDER BY 1, 2, 3",
                         4);
  };
  CHECK(rows("1m") == std::vector<std::string>{"360|a|m|6.0", "420|a|m|8.0", "420|b|m|10.0"});
  CHECK(rows("5m") == std::vector<std::string>{"-3300|a|m|2.5", "0|a|m|4.0", "300|a|m|7.0", "300|b|m|10.0"});
  CHECK(rows("1h") == std::vector<std::string>{"-3600|a|m|2.5", "-3600|a|other|3.0", "0|a|m|6.0", "0|b|m|10.0"});
  CHECK(f.query("SELECT count(*) FROM tier_1m WHERE count = 1 AND sum = 6 AND min = 6 AND max = 6 AND first = 6 AND "
                "last = 6 AND "
                "increase IS NULL AND states IS NULL AND sketch IS NULL") == 1);
}

TEST_CASE("each kind of ambiguous row is listed with its id, counted and not stored", "[import]") {
  Fixture f;
  OldDatabase old(f.old, OldDatabase::loose_schema);
  const auto t = std::to_string(f.minute_s - 600), hour = std::to_string(f.now_s / 3600 * 3600);
  const std::vector<std::pair<std::string, std::string>> wrong{
      {t + ", 'a', 'm', 1, NULL, '2m'", "granularity"},
      {t + ", 'a', 'm', 1, NULL, NULL", "granularity"},
      {t + ", 'a', 'm', 1, NULL, x'726177'", "granularity"},
      {"'yesterday', 'a', 'm', 1, NULL, 'raw'", "time"},
      {"NULL, 'a', 'm', 1, NULL, 'raw'", "time"},
      {"-5, 'a', 'm', 1, NULL, 'raw'", "early"},
      {"86400, 'a', 'm', 1, NULL, '1m'", "early"},
      {t + "000, 'a', 'm', 1, NULL, 'raw'", "future"},
      {"1e300, 'a', 'm', 1, NULL, 'raw'", "time"},
      {t + ", 'a', 'm', NULL, NULL, 'raw'", "value"},
      {t + ", 'a', 'm', 'high', NULL, 'raw'", "value"},
      {t + ", 'a', 'm', 9e999, NULL, '5m'", "value"},
      {t + ", 'a', 'm', x'00', NULL, '1h'", "value"},
      {t + ", NULL, 'm', 1, NULL, 'raw'", "name"},
      {t + ", 'a', NULL, 1, NULL, 'raw'", "name"},
      {t + ", 'a', 'round trip', 1, NULL, 'raw'", "name"},
      {t + ", 'a', 'm', 1, 'x', 'raw'", "labels"},
      {t + ", 'a', 'm', 1, '[1]', 'raw'", "labels"},
      {t + ", 'a', 'm', 1, '{\"k\":{}}', 'raw'", "labels"},
      {t + ", 'a', 'm', 1, '{\"k\":null}', 'raw'", "labels"},
      {t + ", 'a', 'm', 1, '{\"wan\":\"b\"}', 'raw'", "labels"},
      {t + ", 'a', 'm', 1, 7, 'raw'", "labels"},
      {t + ", 'a', 'm', 1, '{\"a-b\":\"c\"}', 'raw'", "labels"},
      {t + " + 1, 'a', 'm', 1, NULL, '1m'", "bucket"},
      {t + ".5, 'a', 'm', 1, NULL, '1m'", "bucket"},
      {hour + ", 'a', 'm', 1, NULL, '1h'", "open_bucket"},
      {t + ", 'z', 'm', 2, NULL, '1m'", "duplicate"}};
  old.execute("INSERT INTO metrics (timestamp, wan_name, metric_name, value, labels, granularity) VALUES (" + t +
              ", 'z', 'm', 1, NULL, '1m')");
  std::map<std::string, std::vector<std::int64_t>> expected;
  std::int64_t id = 1;
  for (const auto& [row, reason] : wrong) {
    old.execute("INSERT INTO metrics (timestamp, wan_name, metric_name, value, labels, granularity) VALUES (" + row +
                ")");
    expected[reason].push_back(++id);
  }
  const std::vector<std::string> right{t + ", '', 'm', 1, '{}', 'raw'", t + ".25, 'a', 'm', 1, NULL, 'raw'",
                                       t + ", 'a', 'm', 2, '{\"n\":1.5,\"b\":true,\"t\":\"x\"}', 'raw'",
                                       t + ", 'a', 'm', 3, '{\"wan\":\"a\"}', 'raw'"};
  for (const auto& row : right)
    old.execute("INSERT INTO metrics (timestamp, wan_name, metric_name, value, labels, granularity) VALUES (" + row +
                ")");
  const auto csv = (f.folder / "list.csv").string();
  const auto imported = support::import({old.commit(), "--db", f.database, "--list", csv});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.json.at("holds") == true);
  std::int64_t ambiguous = 0;
  for (const auto* granularity : {"raw", "1m", "5m", "1h"}) ambiguous += imported.of(granularity, "ambiguous");
  CHECK(ambiguous == static_cast<std::int64_t>(wrong.size()));
  CHECK(imported.of("raw", "stored") == static_cast<std::int64_t>(right.size()));
  CHECK(imported.of("1m", "stored") == 1);
  const auto& told = imported.json.at("files").at(0).at("ambiguous");
  CHECK(told.size() == expected.size());
  std::size_t lines = 0;
  const auto list = support::read_file(csv);
  for (auto& [reason, ids] : expected) {
    INFO(reason);
    auto found = told.at(reason).at("first_ids").get<std::vector<std::int64_t>>();
    std::sort(found.begin(), found.end());
    CHECK(found == ids);
    for (const auto each : ids) CHECK_THAT(list, Contains("," + std::to_string(each) + "," + reason + ","));
  }
  for (const char c : list) lines += c == '\n';
  CHECK(lines == wrong.size() + 1);
  f.check_verified();
  CHECK(
      f.query(
          "SELECT count(*) FROM series WHERE labels = '{\"b\":\"true\",\"n\":\"1.5\",\"t\":\"x\",\"wan\":\"a\"}'") ==
      1);
  CHECK(f.query("SELECT count(*) FROM series WHERE labels = '{}'") == 1);
}

TEST_CASE("a limit of series and a tier that is off leave rows ambiguous", "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  const auto hour_s = f.now_s / 3600 * 3600 - 3600;
  old.insert(f.minute_s - 60, "a", "m", 1).insert(f.minute_s - 60, "b", "m", 1).insert(hour_s, "a", "m", 2, "1h");
  std::ofstream(f.folder / "off.toml") << "[tiers]\n\"1h\" = \"off\"\n";
  const auto imported =
      support::import({old.commit(), "--db", f.database, "--series-max", "1", "--config", f.folder / "off.toml"});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.json.at("files").at(0).at("ambiguous").at("series_limit").at("first_ids") == nlohmann::json{2});
  CHECK(imported.json.at("files").at(0).at("ambiguous").at("tier_off").at("first_ids") == nlohmann::json{3});
  CHECK(f.query("SELECT count(*) FROM tier_1h") == 0);
}

TEST_CASE("importing again takes rows with greater ids only, and says when there is nothing new", "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  const auto from_s = f.minute_s - 300;
  old.insert(from_s - 120, "a", "rtt_ms", 5, "1m");
  insert_loop(old, from_s, from_s + 90);
  REQUIRE(support::import({old.commit(), "--db", f.database}).status == 0);
  const auto nothing = support::run({RING_PERSISTER_PATH, "import", f.old, "--db", f.database});
  CHECK(nothing.status == 0);
  CHECK_THAT(nothing.output, Contains("old.db: nothing new"));

  // The daemon goes on: it has averaged what it deleted, and writes into the same minute.
  old.execute("DELETE FROM metrics WHERE timestamp < " + std::to_string(from_s + 60));
  old.insert(from_s, "a", "rtt_ms", 30, "1m");
  insert_loop(old, from_s + 90, from_s + 150);
  const auto second = support::import({old.commit(), "--db", f.database});
  INFO(second.output);
  REQUIRE(second.status == 0);
  CHECK(second.of("raw", "rows") == 3600);
  CHECK(second.of("raw", "stored") == 3600);
  CHECK(second.of("1m", "covered") == 1);
  CHECK(second.json.at("files").at(0).at("granularities").at("raw").at("before").at("stored") == 5400);
  f.check_verified();
  CHECK(f.query("SELECT sum(count) FROM tier_1m") == 9001);
  CHECK(f.query("SELECT sum(count) FROM tier_1h") == 9001);
}

TEST_CASE("files imported together and one after the other give the same rollups", "[import]") {
  Fixture f;
  OldDatabase a(f.folder / "a.db"), b(f.folder / "b.db");
  const auto from_s = f.minute_s - 400;
  insert_loop(a, from_s, from_s + 130, "a");
  insert_loop(b, from_s + 7, from_s + 150, "b");
  b.insert(from_s / 3600 * 3600 - 3600, "b", "rtt_ms", 1, "1h");
  const auto apart = (f.folder / "apart.db").string();
  REQUIRE(support::import({a.commit(), b.commit(), "--db", f.database}).status == 0);
  REQUIRE(support::import({f.folder / "b.db", "--db", apart}).status == 0);
  REQUIRE(support::import({f.folder / "a.db", "--db", apart}).status == 0);
  for (const auto* tier : {"tier_1s", "tier_1m", "tier_5m", "tier_1h"}) {
    const auto sql =
        std::string("SELECT bucket, name, labels, count, sum, min, max, first, last, first_at, last_at") +
        (tier == std::string("tier_1s") ? "" : ", increase") + " FROM " + tier +
        " JOIN series ON id = series ORDER BY 1, 2, 3";
    const auto together = support::rows(f.database, sql, tier == std::string("tier_1s") ? 11 : 12);
    CHECK(together.size() > 3);
    CHECK(together == support::rows(apart, sql, tier == std::string("tier_1s") ? 11 : 12));
  }
  f.check_verified();
  f.database = apart;
  f.check_verified();
}

TEST_CASE("finer rows that come after a wider one was imported do not take its place", "[import]") {
  Fixture f;
  OldDatabase first(f.old), second(f.folder / "second.db");
  const auto hour_s = f.now_s / 3600 * 3600 - 7200;
  first.insert(hour_s, "a", "m", 1, "1h").insert(hour_s - 3600, "a", "m", 2, "5m");
  second.insert(hour_s, "a", "m", 3, "5m").insert(hour_s + 60, "a", "m", 4, "1m").insert(hour_s + 61, "a", "m", 5);
  second.insert(hour_s - 3600, "a", "m", 6, "1m")
      .insert(hour_s - 3300, "a", "m", 7, "1m")
      .insert(hour_s, "b", "m", 8, "5m");
  REQUIRE(support::import({first.commit(), "--db", f.database}).status == 0);
  const auto imported = support::import({second.commit(), "--db", f.database});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.json.at("files").at(0).at("ambiguous").at("overlap").at("first_ids") == nlohmann::json{3});
  CHECK(imported.of("5m", "covered") == 1);
  CHECK(imported.of("5m", "stored") == 1);
  CHECK(imported.of("1m", "covered") == 3);  // by the two hours
  CHECK(imported.of("1m", "stored") == 0);
  CHECK(f.query("SELECT sum(sum) FROM tier_1h") == 1 + 2 + 8);
  f.check_verified();
}

TEST_CASE(
    "into a database in use: what it has of a minute is not stored twice, the rest is, and the persister goes on",
    "[import]") {
  Fixture f;
  f.persist({1, 2, 3});
  const auto live_s = f.query("SELECT max(bucket) FROM tier_1m");
  OldDatabase old(f.old);
  for (int i = 0; i < 10; ++i) old.insert(live_s - 600 + 60 * i, "a", "m", i);
  old.insert(live_s, "a", "m", 100).insert(live_s, "b", "m", 7);
  old.insert(live_s - 3600 * 24 * 40, "a", "m", 5);  // longer ago than raw samples are kept
  const auto imported = support::import({old.commit(), "--db", f.database});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(imported.of("raw", "stored") == 12);
  CHECK(imported.json.at("files").at(0).at("ambiguous").at("overlap").at("first_ids") == nlohmann::json{11});
  CHECK(f.query("SELECT count(*) FROM series WHERE labels = '{\"wan\":\"a\"}' AND name = 'm'") == 1);
  CHECK(f.query("SELECT sum(count) FROM tier_1m JOIN series ON id = series WHERE labels = '{\"wan\":\"a\"}'") == 14);
  f.check_verified();
  f.persist({4, 5});
  CHECK(f.query("SELECT sum(count) FROM tier_1h JOIN series ON id = series WHERE labels = '{\"wan\":\"a\"}' AND name "
                "= 'm'") == 16);
  f.check_verified();
}

TEST_CASE(
    "what is older than its age is told before, and deleted by the next persister when it is in the wider tiers",
    "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  const auto past_s = f.now_s / 3600 * 3600 - 40 * 86400;
  insert_loop(old, past_s, past_s + 60);
  old.insert(past_s - 300, "a", "rtt_ms", 3, "1m");
  const auto run = support::run({RING_PERSISTER_PATH, "import", old.commit(), "--db", f.database});
  INFO(run.output);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.output, Contains("3600 raw rows are older than 7d") && Contains("1 1m rows are older than 30d"));
  CHECK(f.query("SELECT count(*) FROM tier_1s") == 0);  // they would be deleted at once
  CHECK(f.query("SELECT total(samples) FROM batches") == 3600);
  f.check_verified();
  f.persist({1});
  CHECK(f.query("SELECT total(samples) FROM batches") == 1);
  CHECK(f.query("SELECT sum(count) FROM tier_1m") == 1);
  CHECK(f.query("SELECT sum(count) FROM tier_1h") == 3602);
  f.check_verified();
}

TEST_CASE("kinds of new series are those of --kind, and counters by their name", "[import]") {
  Fixture f;
  OldDatabase old(f.old);
  for (int i = 0; i < 60; ++i)
    old.insert(f.minute_s - 120 + i, "a", "wan_state", i < 40 ? 1 : 2)
        .insert(f.minute_s - 120 + i, "a", "zone", 3)
        .insert(f.minute_s - 120 + i, "a", "sent_bytes", i)
        .insert(f.minute_s - 120 + i, "a", "drops_total", i)
        .insert(f.minute_s - 120 + i, "a", "rtt_ms", i);
  const auto imported = support::import({old.commit(), "--db", f.database, "--kind", "wan_*=state:green,yellow,red",
                                         "--kind", "zone=state", "--kind", "*_bytes=counter"});
  INFO(imported.output);
  REQUIRE(imported.status == 0);
  CHECK(support::rows(f.database, "SELECT name, kind FROM series ORDER BY name", 2) ==
        std::vector<std::string>{"drops_total|counter", "rtt_ms|gauge", "sent_bytes|counter", "wan_state|state",
                                 "zone|state"});
  CHECK(f.query("SELECT count(*) FROM series WHERE states = '[\"green\",\"yellow\",\"red\"]'") == 1);
  CHECK(support::rows(f.database,
                      "SELECT metric_name, value FROM metrics WHERE granularity = '1m' AND metric_name IN "
                      "('wan_state', 'drops_total') ORDER BY 1",
                      2) == std::vector<std::string>{"drops_total|59.0", "wan_state|1.0"});
  f.check_verified();
  CHECK(support::run({RING_PERSISTER_PATH, "import", f.old, "--db", f.database, "--kind", "x=histogram"}).status ==
        2);
}

TEST_CASE("import refuses what is in no old shape, is ours, is in use or has another table by the same name",
          "[import]") {
  Fixture f;
  const auto refused = [&](const std::string& file) {
    const auto run = support::run({RING_PERSISTER_PATH, "import", file, "--db", f.database});
    CHECK(run.status == 1);
    return run.output;
  };
  CHECK_THAT(refused(f.old), Contains("No such file"));
  ringdown::Database(f.old, ringdown::Database::Access::read_write_create)
      .execute("CREATE TABLE metrics (timestamp, value)");
  CHECK_THAT(refused(f.old), Contains("lacks wan_name, metric_name"));
  ringdown::Database(f.old, ringdown::Database::Access::read_write_create)
      .execute("DROP TABLE metrics; CREATE VIEW metrics AS SELECT 1");
  CHECK_THAT(refused(f.old), Contains("there is no table metrics"));
  CHECK(!fs::exists(f.database));
  std::ofstream(f.old) << "text";
  refused(f.old);

  OldDatabase old(f.old);
  for (int i = 0; i < 5; ++i) old.insert(f.minute_s - 600, "a", "m", i);
  REQUIRE(support::import({old.commit(), "--db", f.database}).status == 0);
  CHECK_THAT(refused(f.database), Contains("is a database of ring-persister already"));
  {
    OldDatabase other(f.old);
    other.insert(f.minute_s - 600, "a", "m", 0);
    CHECK_THAT(refused(other.commit()), Contains("another table has the name now") && Contains("highest id is 1"));
    for (int i = 0; i < 9; ++i) other.insert(f.minute_s - 600, "b", "m", i);
    CHECK_THAT(refused(other.commit()), Contains("that row is another one"));
  }
  const auto ring = support::unique_ring();
  support::Child persister({RING_PERSISTER_PATH, "--ring", ring, "--db", f.database}, f.folder / "log");
  while (!support::read_file(f.folder / "log").ends_with('\n') && persister.running()) ::usleep(1000);
  CHECK_THAT(refused(f.old), Contains("writes to it already"));
  persister.signal(SIGTERM);
  persister.wait();
}
