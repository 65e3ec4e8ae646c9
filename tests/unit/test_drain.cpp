#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "drain.hpp"
#include "ring/producer.hpp"
#include "store.hpp"
#include "support.hpp"

using namespace ringdown;
using ring::abi::Loss;

namespace {

const ring::Geometry one_lane{.lanes = 1, .lane_records = 64, .arena_bytes = 4096};

struct DrainFixture {
  explicit DrainFixture(const ring::Geometry& g = one_lane) : geometry(g) { open(); }
  void open() {
    drain.reset();
    store.reset();
    store.emplace(folder / "m.db");
    catalog.emplace(store->series(), store->last_producer());
    drain.emplace(name, geometry, *store, *catalog);
  }
  /// Drains all, commits and, unless the persister "dies" in between, releases.
  void round(bool release = true) {
    Batch batch;
    while (!drain->drain(batch, 1000)) {
    }
    drain->add_cursors(batch);
    store->commit(batch);
    if (release) drain->release();
  }
  std::int64_t query(const std::string& sql) { return store->database().query_integer(sql); }
  std::int64_t stored() { return query("SELECT coalesce(sum(samples), 0) FROM batches"); }
  std::int64_t lost() { return query("SELECT coalesce(sum(count), 0) FROM losses"); }

  ring::Geometry geometry;
  std::string name = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::optional<Store> store;
  std::optional<Catalog> catalog;
  std::optional<Drain> drain;
};

}  // namespace

TEST_CASE("losses have a reason and a place and belong to who lost them", "[drain]") {
  DrainFixture f;
  {
    ring::Producer p(f.name, {.name = "first"});
    const auto a = p.gauge("a");
    p.push(a, 1, 10);  // record 8, behind the epoch
    p.push(a, std::nan(""), 11);
    p.push(a, 2, 12);  // record 9
    f.round();
    CHECK(f.query("SELECT first_seq FROM losses WHERE reason = 'non_finite' AND count = 1") == 9);
    p.push(ring::Series{}, 3, 13);  // never told by a record of its own owner
  }
  ring::Producer p(f.name, {.name = "second"});
  p.push(p.gauge("a"), 3, 14);
  f.round();
  CHECK(f.stored() == 3);
  CHECK(f.query("SELECT count FROM loss_totals WHERE reason = 'unknown_series' AND producer = 'first'") == 1);
  CHECK(f.query("SELECT first_seq FROM losses WHERE reason = 'unknown_series'") == 10);
  CHECK(f.lost() == 2);
  CHECK(f.query("SELECT lost FROM cursors") == 2);
}

TEST_CASE("a loss seen by the counter first is not counted again by the record that tells it", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  const auto a = p.gauge("a");
  p.push(a, 1, 1);
  p.push(a, std::nan(""), 2);
  f.round();
  CHECK(f.lost() == 1);
  p.push(a, 2, 3);
  f.round();
  CHECK(f.lost() == 1);
  p.push(a, std::nan(""), 4);
  p.push(a, 2, 5);
  f.open();  // a restart between
  f.round();
  CHECK(f.lost() == 2);
}

TEST_CASE("killed between commit and release the persister stores nothing twice", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  const auto a = p.gauge("a");
  for (int i = 0; i < 40; ++i) p.push(a, i, i);
  f.round(false);
  f.open();
  f.round();
  CHECK(f.stored() == 40);
  for (int i = 0; i < 57; ++i) CHECK(p.push(a, i, i));  // the ring has heard of it at the restart
  f.round();
  CHECK(f.stored() == 97);
  CHECK(f.lost() == 0);
}

TEST_CASE("an older copy of the database counts what the newer one has taken", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  const auto a = p.gauge("a");
  p.push(a, 1, 1);
  f.round();
  f.store->database().checkpoint_truncate();
  std::filesystem::copy_file(f.folder / "m.db", f.folder / "backup.db");
  p.push(a, 2, 2);
  p.push(a, 3, 3);
  f.round();
  f.drain.reset();
  f.store.reset();
  std::filesystem::rename(f.folder / "backup.db", f.folder / "m.db");
  for (const auto* rest : {"m.db-wal", "m.db-shm"}) std::filesystem::remove(f.folder / rest);
  f.open();
  p.push(a, 4, 4);
  f.round();
  CHECK(f.stored() == 2);
  CHECK(f.query("SELECT count FROM losses WHERE reason = 'skipped'") == 2);
}

TEST_CASE("samples of series beyond the limit are counted as lost and the others stored", "[drain]") {
  DrainFixture f;
  f.catalog.emplace(f.store->series(), 0, 2);
  ring::Producer p(f.name);
  const auto a = p.gauge("a"), b = p.gauge("b"), c = p.gauge("c");
  for (const auto series : {a, c, b, c}) p.push(series, 1);
  f.round();
  CHECK(f.stored() == 2);
  CHECK(f.query("SELECT count(*) FROM series") == 2);
  CHECK(f.query("SELECT sum(count) FROM losses WHERE reason = 'series_limit'") == 2);
  CHECK(f.query("SELECT lost FROM cursors") == 2);
}

TEST_CASE("a cursor whose ledger cannot be read is damage", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  p.push(p.gauge("a"), 1);
  f.round();
  for (const auto* ledger : {"", "[", "7", R"({"0": ["many", 1]})"}) {
    f.drain.reset();
    f.store->database().execute(std::string("UPDATE cursors SET ledger = '") + ledger + "'");
    CHECK_THROWS_WITH(f.drain.emplace(f.name, f.geometry, *f.store, *f.catalog),
                      Catch::Contains("lane 0: ledger") && Catch::Contains("m.db"));
  }
}

TEST_CASE("a ring created again is another ring and starts afresh", "[drain]") {
  DrainFixture f;
  {
    ring::Producer p(f.name);
    p.push(p.gauge("a"), 1, 1);
    f.round();
  }
  ring::Segment::remove(f.name);
  f.open();
  ring::Producer p(f.name);
  p.push(p.gauge("a"), 2, 2);
  f.round();
  CHECK(f.stored() == 2);
  CHECK(f.query("SELECT count(*) FROM rings") == 2);
  CHECK(f.query("SELECT count(*) FROM series") == 1);
}

TEST_CASE("two samples of a series with one time stamp are both stored and counted", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  const auto a = p.gauge("a"), b = p.gauge("b");
  for (const auto series : {a, b, a}) p.push(series, 1, 500);
  f.round();
  p.push(a, 1, 500);
  f.round();
  CHECK(f.stored() == 4);
  CHECK(f.query("SELECT duplicates FROM cursors") == 2);
}

TEST_CASE("records that cannot be believed are counted as corrupt and the others go on", "[drain]") {
  DrainFixture f;
  ring::Producer p(f.name);
  const auto a = p.gauge("a");
  for (int i = 0; i < 3; ++i) p.push(a, i, i);
  const auto lane = f.drain->consumer().lane(0);
  ring::words::store(lane.slot(9).series, 12345);
  ring::words::store(lane.slot(10).value, std::bit_cast<std::uint64_t>(std::nan("")));
  f.round();
  CHECK(f.stored() == 1);
  CHECK(f.query("SELECT sum(count) FROM losses WHERE reason = 'corrupt'") == 2);
}

TEST_CASE("many losses in one batch are merged and their sum is kept", "[drain]") {
  DrainFixture f({.lanes = 1, .lane_records = 4096, .arena_bytes = 4096});
  ring::Producer p(f.name);
  const auto a = p.gauge("a");
  for (int i = 0; i < 1000; ++i) {
    p.push(a, i, i);
    p.push(a, std::nan(""), i);
  }
  f.round();
  CHECK(f.lost() == 1000);
  CHECK(f.query("SELECT count(*) FROM losses") <= 65);
}

TEST_CASE("whatever dies and restarts the sums hold", "[drain][property]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < support::rounds(10); ++round) {
    DrainFixture f({.lanes = 3, .lane_records = 64, .arena_bytes = 4096});
    std::vector<std::unique_ptr<ring::Producer>> producers(3);
    std::int64_t accepted = 0, refused = 0;
    std::map<std::string, int> claims;
    for (int step = 0; step < 600; ++step) {
      auto& p = producers[random() % producers.size()];
      switch (random() % 10) {
        case 0: f.round(random() % 2); break;
        case 1: f.open(); break;
        case 2: p.reset(); break;
        default: {
          if (!p) p = std::make_unique<ring::Producer>(f.name, ring::Options{.name = "p" + std::to_string(random() % 4)});
          REQUIRE(p->attached());
          const auto series = p->gauge("s" + std::to_string(random() % 5));
          for (auto i = random() % 30; i > 0; --i)
            (p->push(series, random() % 10 ? 1.0 : std::nan(""), step) ? accepted : refused) += 1;
        }
      }
    }
    f.round();
    CHECK(f.stored() == accepted);
    CHECK(f.lost() == refused);
    CHECK(f.query("SELECT sum(stored) FROM cursors") == accepted);
    CHECK(f.query("SELECT sum(lost) FROM cursors") == refused);
  }
}

TEST_CASE("overwrite-oldest: stored and overwritten samples add up to the pushes over many owners", "[drain][property]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < support::rounds(20); ++round) {
    DrainFixture f({.lanes = 2, .lane_records = 64, .arena_bytes = 4096, .mode = ring::abi::Mode::overwrite_oldest});
    std::vector<std::unique_ptr<ring::Producer>> producers(2);
    std::int64_t pushes = 0;
    for (int step = 0; step < 300; ++step) {
      auto& p = producers[random() % producers.size()];
      switch (random() % 10) {
        case 0: f.round(random() % 2); break;
        case 1: f.open(); break;
        case 2: p.reset(); break;
        default: {
          if (!p) p = std::make_unique<ring::Producer>(f.name, ring::Options{.name = "p" + std::to_string(random() % 3)});
          REQUIRE(p->attached());
          const auto series = p->gauge("s" + std::to_string(random() % 5));
          for (auto i = random() % 60; i > 0; --i, ++pushes) CHECK(p->push(series, 1, step));
        }
      }
    }
    f.round();
    CHECK(f.stored() + f.lost() == pushes);
    CHECK(f.query("SELECT coalesce(sum(count), 0) FROM losses WHERE reason <> 'overwritten'") == 0);
  }
}

TEST_CASE("a reader keeps at most 8 MiB of what it read in its memory", "[drain]") {
  const auto shared_kib = [] {
    const auto status = support::read_file("/proc/self/status");
    return std::stol(status.substr(status.find("RssShmem:") + 9));
  };
  constexpr std::size_t lanes = 4;
  DrainFixture f({.lanes = lanes, .lane_records = 1 << 17, .arena_bytes = 4096});  // 4 MiB each
  std::vector<std::unique_ptr<ring::Producer>> producers;
  for (std::size_t i = 0; i < lanes; ++i) producers.push_back(std::make_unique<ring::Producer>(f.name));
  std::vector<ring::Series> series;
  for (auto& p : producers) series.push_back(p->gauge("a"));
  f.round();
  const auto before = shared_kib();
  for (int i = 0; i < 150'000; ++i) {
    for (std::size_t p = 0; p < lanes; ++p) REQUIRE(producers[p]->push(series[p], i, i));
    if (i % 200 == 0) f.round();
  }
  f.round();
  CHECK(f.stored() == lanes * 150'000);
  CHECK(shared_kib() - before < 9 << 10);
}
