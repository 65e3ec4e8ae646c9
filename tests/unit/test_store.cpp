#include <catch2/catch.hpp>
#include <bit>
#include <fstream>
#include <random>

#include "ring/error.hpp"
#include "store.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

Batch one_sample(std::uint64_t next_seq = 9) {
  Batch batch;
  batch.series.push_back({1, ring::checked({ring::Kind::gauge, "rtt", "ms", {{"wan", "x"}}, {}})});
  batch.samples.push_back({5, 1.5, 1});
  batch.losses.push_back({1, 0, 0, ring::abi::Loss::lane_full, 3, 8, 8, 5});
  batch.cursors.push_back({1, 0, next_seq, 0, 1, 3, 0, "{}"});
  return batch;
}

}  // namespace

TEST_CASE("a new database has the settings that must be set before its first page", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  Store store(path);
  auto& db = store.database();
  CHECK(db.query_integer("PRAGMA auto_vacuum") == 2);
  CHECK(db.query_integer("SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1);
  CHECK(db.query_integer("PRAGMA synchronous") == 1);
  CHECK(db.query_integer("PRAGMA user_version") == 1);
}

TEST_CASE("commits are counted in pages of the WAL and only a checkpoint of ours empties it", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  Store store(path);
  store.ring_id("plant", "ab", 1);
  Batch batch = one_sample();
  std::mt19937_64 random(1);
  for (int i = 0; i < 800'000; ++i)  // over 6.4 MB, however they are packed: beyond SQLite's own checkpoint
    batch.samples.push_back({5, std::bit_cast<double>(random() >> 2), 1});
  store.commit(batch);
  CHECK(store.database().wal_pages() > 1500);
  CHECK(std::filesystem::file_size(path.string() + "-wal") > 6'000'000);
  CHECK(store.database().checkpoint_passive() == 0);
  CHECK(store.database().wal_pages() == 0);
}

TEST_CASE("a batch is stored whole with its cursor", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  {
    Store store(path);
    CHECK(store.ring_id("plant", "ab", 1) == 1);
    CHECK(store.ring_id("plant", "ab", 1) == 1);
    CHECK(store.ring_id("plant", "cd", 1) == 2);
    store.commit(one_sample());
  }
  Store store(path);
  CHECK(store.cursors(1).at(0).next_seq == 9);
  REQUIRE(store.series().size() == 1);
  CHECK(store.series()[0].definition == one_sample().series[0].definition);
  CHECK(store.database().query_integer("SELECT sum(samples) FROM batches") == 1);
  CHECK(store.database().query_integer("SELECT count FROM loss_totals") == 3);
}

TEST_CASE("a batch that fails half-way leaves nothing and can be committed again", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  Store store(path);
  store.ring_id("plant", "ab", 1);
  store.database().execute("CREATE TRIGGER no BEFORE INSERT ON cursors BEGIN SELECT raise(ABORT, 'no'); END");
  CHECK_THROWS_AS(store.commit(one_sample()), SqliteError);
  CHECK(store.database().query_integer("SELECT count(*) FROM batches") == 0);
  CHECK(store.database().query_integer("SELECT count(*) FROM series") == 0);
  store.database().execute("DROP TRIGGER no");
  store.commit(one_sample());
  CHECK(store.database().query_integer("SELECT count(*) FROM batches") == 1);
}

TEST_CASE("a second store on the same database is refused with the holder named", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  Store store(path);
  CHECK_THROWS_WITH(Store(path), Catch::Contains("pid " + std::to_string(::getpid())) && Catch::Contains("m.db"));
}

TEST_CASE("a database of another program or of a newer version is left untouched", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  {
    Database other(path, Database::Access::read_write_create);
    other.execute("CREATE TABLE t (a)");
  }
  const auto before = support::read_file(path);
  CHECK_THROWS_WITH(Store(path), Catch::Contains("another program"));
  CHECK(support::read_file(path) == before);
  const auto newer = support::unique_folder() / "m.db";
  { Store(newer).database().execute("PRAGMA user_version = 99"); }
  CHECK_THROWS_WITH(Store(newer), Catch::Contains("schema version 99") && Catch::Contains("upgrade"));
}
