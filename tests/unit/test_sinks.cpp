// test_sinks.cpp: what is kept for a destination, for how long, and what is lost to it.
#include <catch2/catch.hpp>
#include <httplib.h>
#include <unistd.h>

#include <thread>

#include "fold.hpp"
#include "maintenance.hpp"
#include "port.hpp"
#include "sink_status.hpp"
#include "sinks.hpp"
#include "store.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

std::int64_t wall_ns = 0;
std::int64_t test_wall_ns() { return wall_ns; }

struct Fixture {
  Fixture() {
    wall_ns = 1'700'000'000'000'000'000;
    store.emplace((folder / "m.db").string(), StoreOptions{.wall_ns = &test_wall_ns});
    settings.name = "site";
    settings.url = "http://receiver";
    settings.lag_max_s = 6 * 3600;
    batch.series.push_back({1, {ring::Kind::gauge, "a", "", {}, {}}});
  }
  ~Fixture() {
    sinks.reset();
    maintenance.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
  /// A batch of so many samples each minute.
  void record(int minutes, int samples = 10) {
    for (; minutes > 0; --minutes) {
      wall_ns += 60'000'000'000;
      for (int i = 0; i < samples; ++i) batch.samples.push_back({wall_ns - 1'000'000 * (samples - i), 1.0, 1});
      store->commit(batch);
      batch.clear();
    }
  }
  void open(std::vector<RemoteWriteSettings> all) {
    sinks.reset();
    sinks.emplace(store->database(), all, false, &test_wall_ns);
  }
  void maintain() {
    maintenance.emplace(store->database(), rules, 1.0);
    sinks->run(now += 2s);
    maintenance->hold(sinks->hold());
    for (bool more = true; more; now += 20s) {
      Budget budget;
      more = maintenance->run(Fold::everything, wall_ns, now, budget);
    }
  }
  /// The minute that began so long ago.
  static std::int64_t minute_s(int minutes_ago) { return bucket_start(wall_ns / 1'000'000'000 - 60 * minutes_ago, 60); }
  /// All rows of minutes that began more than five minutes ago have arrived for good, but for the one that was made again.
  void settle(std::int64_t redone_s = 0) {
    const auto at = std::to_string(minute_s(5));
    store->database().execute("UPDATE remote_write SET accepted = " + at + ", settled = " + at +
                              "; DELETE FROM remote_write_redone WHERE bucket <> " + std::to_string(redone_s));
    open({settings});
  }
  std::int64_t query(const std::string& sql) { return store->database().query_integer(sql); }
  std::int64_t sealed() { return query("SELECT through_batch FROM sealed"); }

  std::filesystem::path folder = support::unique_folder();
  std::optional<Store> store;
  RemoteWriteSettings settings;
  Rules rules;
  Batch batch;
  std::optional<Sinks> sinks;
  std::optional<Maintenance> maintenance;
  Sinks::Clock::time_point now = Sinks::Clock::now();
};

}  // namespace

TEST_CASE("batches that a destination has not settled are neither sealed nor deleted", "[sinks]") {
  Fixture f;
  f.rules = Rules(Tiers{{600, 600, 30 * 86400, 180 * 86400, forever_s}}, {});
  f.open({f.settings});
  f.record(120);
  f.maintain();
  CHECK(f.sealed() == 0);
  CHECK(f.query("SELECT count(*) FROM batches") == 120);
  f.open({});
  f.maintain();
  CHECK(f.sealed() > 60);
  CHECK(f.query("SELECT count(*) FROM batches") < 60);
}

TEST_CASE("what has waited for lag_max is lost to the destination, counted, and sealed", "[sinks]") {
  Fixture f;
  f.open({f.settings});
  f.record(10 * 60);
  f.maintain();
  CHECK(f.sealed() > 220);  // whole quarters of an hour
  CHECK(f.sealed() <= 239);
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 1);
  CHECK(f.query("SELECT last_batch FROM remote_write_losses") == 239);
  CHECK(f.query("SELECT samples FROM remote_write_losses") == 2390);
  f.record(60, 5);
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 1);  // it goes on where it has ended
  CHECK(f.query("SELECT first_batch FROM remote_write_losses") == 1);
  CHECK(f.query("SELECT samples FROM remote_write_losses") == 2990);
  CHECK(f.query("SELECT lost FROM remote_write") == 2990);
  CHECK(f.query("SELECT settled FROM remote_write") == 299);
}

TEST_CASE("what was accepted but not settled when its time is over is no loss", "[sinks]") {
  Fixture f;
  f.record(8 * 60);
  f.open({f.settings});
  f.store->database().execute("UPDATE remote_write SET accepted = 100");
  f.open({f.settings});
  f.maintain();
  CHECK(f.query("SELECT first_batch FROM remote_write_losses") == 101);
  CHECK(f.query("SELECT lost FROM remote_write") == 190);
}

TEST_CASE("the slowest destination is waited for", "[sinks]") {
  Fixture f;
  f.record(60);
  auto other = f.settings;
  other.name = "other";
  f.open({f.settings, other});
  f.store->database().execute("UPDATE remote_write SET accepted = 50, settled = 40 WHERE destination = 'other'");
  f.store->database().execute("UPDATE remote_write SET accepted = 20, settled = 20 WHERE destination = 'site'");
  f.open({f.settings, other});
  CHECK(f.sinks->hold().batch == 20);  // that one too: it tells which milliseconds were sent
  f.open({other});
  CHECK(f.sinks->hold().batch == 40);
  f.open({});
  CHECK(f.sinks->hold().batch == Hold::nothing);
}

TEST_CASE("a new destination begins with what is not sealed, one that comes back knows what it has missed", "[sinks]") {
  Fixture f;
  f.open({f.settings});
  f.store->database().execute("UPDATE remote_write SET accepted = 30, settled = 30");
  f.record(120);
  f.open({});
  f.maintain();
  const auto sealed = f.sealed();
  REQUIRE(sealed > 60);
  auto other = f.settings;
  other.name = "other";
  f.open({other});
  CHECK(f.sinks->hold().batch == sealed);
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 0);
  f.store->database().execute("UPDATE remote_write SET accepted = 30, settled = 30 WHERE destination = 'site'");
  f.open({f.settings});
  CHECK(f.sinks->hold().batch == sealed);
  CHECK(f.query("SELECT first_batch FROM remote_write_losses") == 31);
  CHECK(f.query("SELECT lost FROM remote_write WHERE destination = 'site'") >= 10 * (sealed - 30));
  f.open({f.settings});
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 1);
}

TEST_CASE("rows of a tier that a destination has not settled stay beyond their age and the database's size", "[sinks]") {
  Fixture f;
  f.settings.send = tier_1m;
  f.rules = Rules(Tiers{{600, 0, 3600, 6 * 3600, forever_s}, GENERATE(0u, 1u)}, {});
  f.open({f.settings});
  f.record(5 * 60);
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM tier_1m") >= 300);
  CHECK(f.query("SELECT count(*) FROM batches") < 60);  // these it does not need
  const auto settled_s = Fixture::minute_s(200);
  f.store->database().execute("UPDATE remote_write SET settled = " + std::to_string(settled_s));
  f.open({f.settings});
  f.maintain();
  CHECK(f.query("SELECT min(bucket) FROM tier_1m") == bucket_start(settled_s, 300));
  f.open({});
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM tier_1m") < 70);
  CHECK(f.query("SELECT lost FROM remote_write") > 130);  // should it come back
}

TEST_CASE("of a tier is lost what is deleted once lag_max is over and was not accepted, row by row", "[sinks]") {
  Fixture f;
  f.settings.send = tier_1m;
  f.rules = Rules(Tiers{{600, 0, 3600, 6 * 3600, forever_s}}, {});
  f.open({f.settings});
  f.record(10 * 60);
  f.maintain();
  const auto rows = [&] { return f.query("SELECT count(*) FROM tier_1m"); };
  const auto made = [&] { return f.query("SELECT sum(count) FROM tier_1h") / 10; };  // a row has ten samples
  const auto lost = [&] { return f.query("SELECT lost FROM remote_write"); };
  CHECK(rows() >= 360);
  CHECK(rows() <= 366);
  CHECK(lost() == made() - rows());
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 1);
  const auto first_s = f.query("SELECT first_batch FROM remote_write_losses");
  CHECK(f.query("SELECT last_batch FROM remote_write_losses") == f.query("SELECT min(bucket) FROM tier_1m") - 60);
  f.record(60);
  f.maintain();
  CHECK(lost() == made() - rows());
  CHECK(f.query("SELECT count(*) FROM remote_write_losses") == 1);  // it goes on where it has ended
  CHECK(f.query("SELECT first_batch FROM remote_write_losses") == first_s);
  CHECK(f.query("SELECT samples FROM remote_write_losses") == lost());
  std::vector<Figure> figures;
  f.sinks->run(f.now += 2s);
  f.sinks->add_figures(figures);
  const auto figure = std::find_if(figures.begin(), figures.end(), [](const auto& one) { return one.name == "ringdown_remote_write_lost_samples_total"; });
  REQUIRE(figure != figures.end());
  CHECK(figure->value == static_cast<double>(lost()));
  const auto before = lost();
  for (int hour = 0; hour < 8; ++hour) {
    f.settle();
    f.record(60);
    f.maintain();
  }
  CHECK(rows() < 140);
  CHECK(lost() == before);  // what it has is no loss
}

TEST_CASE("rows of series that are kept for a shorter time wait for a destination, and are lost to it, as well", "[sinks]") {
  Fixture f;
  f.settings.send = tier_1m;
  f.settings.lag_max_s = 4 * 3600;
  Rule rule;
  rule.name = "a";
  rule.age_s[tier_1m] = 3600;
  f.rules = Rules(Tiers{{600, 0, 86'400, 2 * 86'400, forever_s}}, {rule});
  f.open({f.settings});
  f.record(3 * 60);
  f.maintain();
  CHECK(f.query("SELECT count(*) FROM tier_1m") >= 180);
  f.record(3 * 60);
  f.maintain();
  const auto rows = f.query("SELECT count(*) FROM tier_1m");
  CHECK(rows < 250);
  CHECK(f.query("SELECT lost FROM remote_write") == f.query("SELECT sum(count) FROM tier_1h") / 10 - rows);
}

TEST_CASE("a row that was made again waits to be sent again, and is lost once", "[sinks]") {
  Fixture f;
  f.settings.send = tier_1m;
  f.rules = Rules(Tiers{{600, 0, 3600, 6 * 3600, forever_s}}, {});
  f.open({f.settings});
  f.record(2 * 60);
  f.maintain();
  f.settle();
  const auto early_s = Fixture::minute_s(100);
  f.store->database().execute("INSERT INTO remote_write_redone (destination, bucket, series) VALUES ('site', " + std::to_string(early_s) + ", 1)");
  f.maintain();
  CHECK(f.query("SELECT min(bucket) FROM tier_1m") == bucket_start(early_s, 300));
  CHECK(f.query("SELECT lost FROM remote_write") == 0);
  for (int hour = 0; hour < 6; ++hour) {
    f.record(60);
    f.maintain();
    f.settle(early_s);
  }
  CHECK(f.query("SELECT count(*) FROM tier_1m") < 140);
  CHECK(f.query("SELECT lost FROM remote_write") == 1);
  CHECK(f.query("SELECT first_batch FROM remote_write_losses") == early_s);
  CHECK(f.query("SELECT count(*) FROM remote_write_redone WHERE bucket = " + std::to_string(early_s)) == 0);
}

TEST_CASE("a cursor that is ahead of its database goes back to it", "[sinks]") {
  Fixture f;
  f.record(10);
  f.open({f.settings});
  f.store->database().execute("UPDATE remote_write SET accepted = 900, settled = 800");
  f.open({f.settings});
  CHECK(f.query("SELECT settled FROM remote_write") == 10);
  CHECK(f.query("SELECT accepted FROM remote_write") == 10);
}

TEST_CASE("samples that are set aside are few, and those that wait are never the ones that go", "[sinks]") {
  Fixture f;
  SinkTable table(f.store->database(), "site");
  constexpr auto most = SinkTable::aside_max;
  const auto aside = [&](std::int64_t count, std::int64_t from_ms, bool held) {
    std::vector<AsideSample> samples;
    for (std::int64_t i = 0; i < count; ++i) samples.push_back({1, "a", from_ms + i, 1.0, held, "why"});
    Transaction transaction(f.store->database());
    const auto refused = table.set_aside(samples, wall_ns);
    transaction.commit();
    return refused;
  };
  CHECK(aside(10, 0, true) == 0);
  CHECK(aside(10, 0, false) == 10);
  CHECK(aside(10, 0, false) == 0);  // sent again, and refused again
  CHECK(aside(most + 5, 100, false) == most + 5);
  CHECK(f.query("SELECT min(time_ms) FROM remote_write_aside WHERE held = 0") == 105);
  CHECK(aside(most, 1'000'000, true) == 10);
  CHECK(f.query("SELECT count(*) FROM remote_write_aside WHERE held = 1") == most);
  CHECK(f.query("SELECT count(*) FROM remote_write_aside WHERE held = 0") == most);
}

TEST_CASE("the own metrics tell how each destination is", "[sinks]") {
  Fixture f;
  f.open({f.settings});
  f.record(3);
  std::vector<Figure> figures;
  f.sinks->add_figures(figures);
  const auto lag = std::find_if(figures.begin(), figures.end(), [](const auto& one) { return one.name == "ringdown_remote_write_lag_seconds"; });
  REQUIRE(lag != figures.end());
  CHECK(lag->labels == ring::Labels{{"destination", "site"}});
  CHECK(lag->value == 120);
}

TEST_CASE("what a destination accepts a second is that of the last whole minute", "[sinks]") {
  SinkMeter meter;
  SinkMeter::Clock::time_point now{1000h};
  SinkCounts counts{.samples = 1'000'000, .bytes = 7'000'000};
  for (int s = 0; s < 60; ++s, now += 1s) {
    counts.samples += 100, counts.bytes += 700;
    meter.measure(counts, now);
    CHECK(meter.rates() == SinkRates{});
  }
  for (int s = 0; s < 70; ++s, now += 1s) {
    meter.measure(counts, now);
    if (s < 60) CHECK(meter.rates() == SinkRates{5900 / 60.0, 41'300 / 60.0});  // the first of them came before
  }
  CHECK(meter.rates() == SinkRates{});
}

TEST_CASE("status tells of each destination how far it is, why it waits, and what it refuses", "[sinks]") {
  Fixture f;
  const auto status = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{RING_PERSISTER_PATH, "status", "--db", (f.folder / "m.db").string()};
    words.insert(words.end(), more.begin(), more.end());
    return support::run(words);
  };
  CHECK(status().status == 0);
  CHECK_THAT(status().output, Contains("no destination of remote write"));
  f.open({f.settings});
  f.record(3);
  CHECK(status().status == 0);
  f.store->database().execute("UPDATE remote_write SET accepted = 1, samples = 10, bytes = 55, state = 'waiting', trouble = 'HTTP 503: busy'");
  SinkTable table(f.store->database(), "site");
  f.store->database().execute("UPDATE remote_write SET samples_per_s = 1234.56, bytes_per_s = 9876, written_ns = unixepoch() * 1000000000");
  table.set_aside({{1, "a", 7, 0.5, false, "HTTP 400: out of order"}, {1, "a", 8, 1, true, "future"}}, wall_ns);
  const auto found = status();
  CHECK(found.status == 1);
  CHECK_THAT(found.output, Contains("\nsite         raw    waiting") && Contains("     1234.6  9876      5.50  ") &&
                               Contains("\nsite is waiting: HTTP 503: busy\n") &&
                               Contains("\nsite refused last: a 0.5 at 7 ms: HTTP 400: out of order\n"));
  const auto read = read_sink_status(f.store->database(), wall_ns);
  REQUIRE(read.size() == 1);
  CHECK(read[0].lag_s == 60);
  CHECK(read[0].waiting == 20);
  CHECK(read[0].held == 1);
  CHECK_THAT(status({"--json"}).output, Contains("\"waiting\": 20") && Contains("\"held\": 1") && Contains("\"samples_per_s\": 1234.56"));
  f.store->database().execute("UPDATE remote_write SET written_ns = (unixepoch() - 200) * 1000000000");  // by one that has ended
  CHECK_THAT(status().output, Contains("        0.0    0      5.50 "));
  CHECK(support::run({RING_PERSISTER_PATH, "status", "--db", (f.folder / "no.db").string()}).status == 3);
}

TEST_CASE("on a full disk what a destination refuses is kept, and written once there is room", "[sinks]") {
  Fixture f;
  const auto port = support::free_port();
  f.settings.url = "http://127.0.0.1:" + std::to_string(port) + "/write";
  httplib::Server server;
  server.set_keep_alive_max_count(100'000);
  server.set_tcp_nodelay(true);
  server.Post("/write", [](const auto&, auto& response) {
    response.status = 400;
    response.set_content(std::string(1000, 'x'), "text/plain");
  });
  REQUIRE(server.bind_to_port("127.0.0.1", port));
  std::thread listener([&] { server.listen_after_bind(); });
  f.record(20);
  f.sinks.emplace(f.store->database(), std::vector{f.settings}, true, &test_wall_ns);
  auto& database = f.store->database();
  database.execute("PRAGMA max_page_count = " + std::to_string(database.pragma("page_count")));
  bool was_full = false;
  const auto run = [&] {
    try {
      f.sinks->run(f.now += 2s);
    } catch (const SqliteError& e) {
      CHECK_THAT(e.what(), Contains("full"));
      was_full = true;
    }
  };
  for (int i = 0; i < 12'000 && !was_full; ++i, ::usleep(5000)) run();
  CHECK(was_full);
  database.execute("PRAGMA max_page_count = 1000000");
  for (int i = 0; i < 12'000 && f.query("SELECT accepted FROM remote_write") < 20; ++i, ::usleep(5000)) run();
  CHECK(f.query("SELECT count(*) FROM remote_write_aside WHERE held = 0") == 200);
  CHECK(f.query("SELECT refused FROM remote_write") == 200);
  f.sinks.reset();
  server.stop();
  listener.join();
}
