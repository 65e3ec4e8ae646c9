#include <catch2/catch.hpp>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <fstream>
#include <random>

#include "check.hpp"
#include "ring/error.hpp"
#include "schema.hpp"
#include "store.hpp"
#include "stored.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

using namespace std::chrono_literals;

/// Overwrites bytes of a file that nobody has open.
void damage(const std::filesystem::path& path, std::streamoff from, std::size_t bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(from);
  file << std::string(bytes, '\x5a');
}

std::vector<std::string> names(const std::filesystem::path& folder, const std::string& part) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (const auto name = entry.path().filename().string(); name.find(part) != name.npos) out.push_back(name);
  return out;
}

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
  CHECK(db.query_integer("PRAGMA user_version") == schema::version);
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

TEST_CASE("a commit is durable within the time that was set, and at once when all are synced", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  Store store(path, {.durable_within = 10s});
  store.ring_id("plant", "ab", 1);
  const auto newest_ns = [&] { return store.database().query_integer("SELECT max(committed_ns) FROM batches"); };
  auto batch = one_sample();
  const Store::Clock::time_point start{};
  store.commit(batch, start);
  batch.series.clear();
  store.commit(batch, start + 4s);
  CHECK(store.durable_through_ns() == 0);
  store.sync_if_due(start + 4s);
  CHECK(store.durable_through_ns() == 0);
  store.commit(batch, start + 5s);  // half of the time is for a sync that fails or takes long
  CHECK(store.durable_through_ns() == newest_ns());
  store.commit(batch, start + 6s);
  CHECK(store.durable_through_ns() < newest_ns());
  store.sync_if_due(start + 10s);
  CHECK(store.durable_through_ns() < newest_ns());
  store.sync_if_due(start + 11s);  // without a commit
  CHECK(store.durable_through_ns() == newest_ns());
  CHECK(store.database().query_integer("PRAGMA synchronous") == 1);

  Store full(support::unique_folder() / "m.db", {.durability = Durability::full});
  full.ring_id("plant", "ab", 1);
  full.commit(one_sample(), start);
  CHECK(full.durable_through_ns() == full.database().query_integer("SELECT max(committed_ns) FROM batches"));
}

TEST_CASE("a database knows whether its last persister ended as it was asked to", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  {
    Store store(path);
    CHECK_FALSE(store.was_unclean());
    store.stop();
  }
  { CHECK_FALSE(Store(path).was_unclean()); }  // ends without stop()
  CHECK(Store(path).was_unclean());
}

TEST_CASE("a damaged database is moved aside with its journals, and the oldest of many goes", "[store]") {
  const auto folder = support::unique_folder();
  const auto path = (folder / "m.db").string();
  for (int i = 0; i < 5; ++i) {
    for (const auto* suffix : {"", "-wal", "-shm"}) std::ofstream(path + suffix) << i << suffix;
    const auto name = move_aside(path);
    for (const auto* suffix : {"", "-wal", "-shm"}) CHECK(support::read_file(name + suffix) == std::to_string(i) + suffix);
    ::usleep(2000);  // a name a millisecond
  }
  CHECK(names(folder, "m.db").size() == 3 * aside_max);
}

TEST_CASE("a database with a damaged header is moved aside and a new one is started", "[store]") {
  const auto folder = support::unique_folder();
  const auto path = folder / "m.db";
  { Store store(path); }
  damage(path, 0, 100);
  {
    Store store(path);
    CHECK_THAT(store.moved_aside(), Catch::Contains("m.db.damaged-") && Catch::Contains("not a database"));
    store.ring_id("plant", "ab", 1);
    store.commit(one_sample());
    CHECK(store.database().query_integer("SELECT count(*) FROM batches") == 1);
  }
  CHECK(names(folder, ".damaged-").size() == 1);
}

TEST_CASE("a file that no persister has used is left where it is", "[store]") {
  const auto path = support::unique_folder() / "notes.txt";
  std::ofstream(path) << std::string(10'000, 'x');
  for (int attempt = 0; attempt < 2; ++attempt)  // the first leaves nothing that misleads the second
    CHECK_THROWS_WITH(Store(path), Catch::Contains("notes.txt") && Catch::Contains("not a database"));
  CHECK(names(path.parent_path(), "").size() == 1);
  CHECK(support::read_file(path) == std::string(10'000, 'x'));
}

TEST_CASE("a damaged page is found by the check and a sound database is not", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  {
    Store store(path);
    store.ring_id("plant", "ab", 1);
    auto batch = one_sample();
    std::mt19937_64 random(1);
    for (int i = 0; i < 20'000; ++i) batch.samples.push_back({i, std::bit_cast<double>(random() >> 2), 1});
    store.commit(batch);
    store.database().checkpoint_truncate();
  }
  const auto finding = [&] {
    Check check(path);
    for (;; ::usleep(1000))
      if (const auto found = check.result()) return *found;
  };
  CHECK(finding() == "");
  damage(path, 4096, 4096 * 8);
  CHECK(finding() != "");
}

TEST_CASE("a folder on a file system that is not known to be local is refused", "[store]") {
  CHECK_THROWS_WITH(require_local_file_system("/proc/m.db"),
                    Catch::Contains("0x9fa0") && Catch::Contains("ext4") && Catch::Contains("--any-file-system"));
  CHECK_NOTHROW(require_local_file_system(support::unique_folder() / "m.db"));
}

TEST_CASE("a user of the group reads with the stock shell while the persister writes", "[store]") {
  if (::getuid() != 0) {
    WARN("not tested: needs root to become another user");
    return;
  }
  constexpr gid_t nogroup = 65534;
  const auto folder = support::unique_folder();
  REQUIRE(::chown(folder.c_str(), 0, nogroup) == 0);
  REQUIRE(::chmod(folder.c_str(), 02750) == 0);
  Store store(folder / "m.db");
  store.ring_id("plant", "ab", 1);
  store.commit(one_sample());
  const auto out = (support::unique_folder() / "out").string();
  std::ofstream(out).close();
  REQUIRE(::chmod(out.c_str(), 0666) == 0);
  const auto database = (folder / "m.db").string();
  support::Child reader([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(nogroup) != 0 || ::setuid(65534) != 0) return 1;
    if (!std::freopen(out.c_str(), "w", stdout)) return 2;
    ::execlp("sqlite3", "sqlite3", database.c_str(), "SELECT 'sum', sum(samples) FROM batches", nullptr);
    return 3;
  });
  CHECK(reader.wait() == 0);
  CHECK(support::read_file(out) == "sum|1\n");
}

TEST_CASE("ids and kinds that nobody has given are damage", "[store]") {
  const auto path = support::unique_folder() / "m.db";
  std::optional<Store> store(std::in_place, path);
  store->ring_id("plant", "ab", 1);
  store->commit(one_sample());
  auto& db = store->database();
  db.execute("UPDATE series SET id = 4000000000");
  CHECK_THROWS_WITH(store->series(), Catch::Contains("series 4000000000") && Catch::Contains("damaged"));
  db.execute("UPDATE series SET id = 1, kind = 'gouge'");
  CHECK_THROWS_WITH(store->series(), Catch::Contains("series 1: kind \"gouge\""));
  db.execute("INSERT INTO producers VALUES (9223372036854775807, 1, 0, 1, '', 1, 1, 1, 1)");
  CHECK_THROWS_WITH(store->last_producer(), Catch::Contains("producer 9223372036854775807"));
  db.execute("UPDATE series SET kind = 'gauge'; DELETE FROM producers WHERE id > 100; "
             "UPDATE batches SET id = 9223372036854775806");
  store.reset();
  store.emplace(path);
  CHECK_THAT(store->moved_aside(), Catch::Contains("batch 9223372036854775806"));
}

TEST_CASE("a database of schema version 1 is brought up to date, and goes on where it was", "[store]") {
  const auto path = (support::unique_folder() / "m.db").string();
  constexpr std::int64_t minute_ns = 60'000'000'000;
  std::vector<std::byte> blob;
  encode_batch(std::vector<Sample>{{minute_ns, 1, 1}, {minute_ns + 5, 3, 1}}, blob);
  {
    Database db(path, Database::Access::read_write_create);
    db.execute(std::string(schema::creation) + schema::every_open + schema::version_1);
    db.execute("PRAGMA application_id = " + std::to_string(schema::application_id) + "; PRAGMA user_version = 1");
    db.execute("INSERT INTO series VALUES (1, 'a_total', '{}', 'counter', '', '[]')");
    Statement batch(db, "INSERT INTO batches VALUES (1, 2, 1, 2, 2, ?)");
    batch.bind(1, std::span<const std::byte>(blob)).run();
    db.execute("INSERT INTO tier_1m VALUES (60, 1, 2, 4, 1, 3, 1, 3, 0, 5); UPDATE progress SET batch = 1");
  }
  Store store(path);
  auto& db = store.database();
  CHECK(db.query_integer("PRAGMA user_version") == schema::version);
  CHECK(db.query_integer("SELECT aggregation = 'counter' FROM series") == 1);
  Batch batch;
  batch.samples = {{minute_ns * 2, 7, 1}};
  store.commit(batch);
  support::fold_all(db, "tier_1m");
  CHECK(db.query_integer("SELECT group_concat(bucket || ':' || count, ' ') = '60:2 120:1' FROM tier_1m") == 1);
}
