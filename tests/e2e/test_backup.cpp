// ring-persister backup and restore, from the outside.
#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <fstream>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace fs = std::filesystem;
using Catch::Contains;

namespace {

struct Fixture {
  std::string ring = support::unique_ring();
  fs::path folder = support::unique_folder();
  std::string database = folder / "m.db", to = folder / "b.db";
  ring::Producer producer{ring};
  ring::Series series = producer.gauge("a");
  std::int64_t accepted = 0;

  ~Fixture() {
    fs::remove_all(folder);
    ring::Segment::remove(ring);
  }
  void push(int count) {
    for (; count > 0; --count) accepted += producer.push(series, static_cast<double>(accepted));
  }
  support::Child start() const {
    return support::Child({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--round-ms", "1", "--commit-ms", "1"},
                          folder / "log");
  }
  /// Until all that was pushed is committed.
  void wait_stored(support::Child& persister) const {
    const auto segment = ring::Segment::inspect(ring);
    while (ring::words::load(segment.lane(0).header->tail) < producer.sequence()) {
      if (!persister.running()) throw std::runtime_error("the persister ended: " + support::read_file(folder / "log"));
      ::usleep(1000);
    }
  }
  void store(int count) {
    push(count);
    auto persister = start();
    wait_stored(persister);
    persister.signal(SIGTERM);
    REQUIRE(persister.wait() == 0);
  }
  support::Run backup(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{RING_PERSISTER_PATH, "backup", "--db", database, "--to", to};
    words.insert(words.end(), more.begin(), more.end());
    return support::run(words);
  }
  support::Run restore() const { return support::run({RING_PERSISTER_PATH, "restore", "--from", to, "--db", database}); }
  std::string aside() const {
    for (const auto& entry : fs::directory_iterator(folder))
      if (const auto name = entry.path().string(); name.find(".replaced-") != name.npos && !name.ends_with("-wal") &&
                                                   !name.ends_with("-shm"))
        return name;
    return {};
  }
};

/// The values are 0, 1, 2 and so on. @return how many
std::int64_t prefix(const std::string& database) {
  const auto values = support::stored_values(database)["a"];
  for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(values[i] == static_cast<double>(i));
  return static_cast<std::int64_t>(values.size());
}

void set(const std::string& database, const std::string& pragma) {
  ringdown::Database(database, ringdown::Database::Access::read_write_create).execute("PRAGMA " + pragma);
}

}  // namespace

TEST_CASE("a backup beside a persister under load has every sample up to one commit and passes verify", "[backup]") {
  Fixture f;
  auto persister = f.start();
  f.push(1000);
  f.wait_stored(persister);
  auto& end = support::shared<std::atomic<bool>>();
  auto& pushed = support::shared<std::atomic<std::int64_t>>();
  support::Child load([&] {
    ring::Producer producer(f.ring);
    const auto noise = producer.gauge("noise");
    std::mt19937_64 random(1);
    for (; !end; ::usleep(500))
      for (int i = 0; i < 50; ++i) pushed += producer.push(noise, std::bit_cast<double>(random() >> 2));
    return 0;
  });
  while (pushed < 100'000 && load.running()) ::usleep(1000);
  for (int i = 0; i < 3; ++i) {
    const auto stored = f.accepted;
    f.push(1000);
    const auto run = f.backup({"--replace", "--mib-per-second", "8"});
    INFO(run.output);
    REQUIRE(run.status == 0);
    CHECK_THAT(run.output, Contains("b.db is a backup of") && Contains("verified in") && Contains("commits up to 20"));
    CHECK(prefix(f.to) >= stored);
    CHECK(support::run({RING_PERSISTER_PATH, "verify", "--db", f.to, "--quiet"}).status == 0);
    f.wait_stored(persister);
  }
  end = true;
  CHECK(load.wait() == 0);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK(prefix(f.database) == f.accepted);
  CHECK(support::query(f.database, "SELECT sum(stored) FROM cursors") == f.accepted + pushed);
}

TEST_CASE("a backup killed beside a persister leaves no target, and the next one leaves nothing else", "[backup]") {
  Fixture f;
  auto persister = f.start();
  std::mt19937_64 random(1);
  for (int i = 0; i < 10; ++i) {
    for (int n = 0; n < 20'000; ++n) f.producer.push(f.series, std::bit_cast<double>(random() >> 2));
    f.wait_stored(persister);
  }
  for (const std::uintmax_t bytes : {0U, 1U, 500'000U, 1'000'000U}) {
    support::Child backup({RING_PERSISTER_PATH, "backup", "--db", f.database, "--to", f.to, "--mib-per-second", "1"});
    std::error_code none;
    while (backup.running() && (!fs::exists(f.to + ".partial") || fs::file_size(f.to + ".partial", none) < bytes))
      ::usleep(100);
    REQUIRE(backup.running());
    backup.kill();
    CHECK(!fs::exists(f.to));
    f.producer.push(f.series, 1);
    f.wait_stored(persister);
  }
  const auto run = f.backup({"--json"});
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK_THAT(run.output, Contains("\"verified\": true"));
  for (const auto& entry : fs::directory_iterator(f.folder))
    CHECK_THAT(entry.path().filename().string(), !Contains("partial"));
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
}

TEST_CASE("what was pushed after the backup that is restored is counted as skipped, and all goes on from there",
          "[backup]") {
  Fixture f;
  auto persister = f.start();
  f.push(2000);
  f.wait_stored(persister);
  REQUIRE(f.backup({"--quiet"}).output.empty());
  f.push(3000);
  f.wait_stored(persister);
  persister.kill();  // its WAL stays
  f.push(500);       // and is in the ring at the restore
  ::chmod(f.database.c_str(), 0660);

  const auto run = f.restore();
  INFO(run.output);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.output, Contains("m.db is now what") && Contains("what was there is"));
  CHECK(!fs::exists(f.database + "-wal"));
  CHECK(fs::status(f.database).permissions() == fs::perms(0660));
  CHECK(prefix(f.database) == 2000);
  CHECK(prefix(f.aside()) == 5000);

  persister = f.start();
  f.push(700);
  f.wait_stored(persister);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  const auto skipped = support::query(f.database, "SELECT sum(count) FROM losses WHERE reason = 'skipped'");
  const auto values = support::stored_values(f.database)["a"];
  CHECK(skipped == 3000);
  CHECK(static_cast<std::int64_t>(values.size()) + skipped == f.accepted);
  for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(values[i] == static_cast<double>(i < 2000 ? i : i + 3000));
  CHECK(support::query(f.database, "SELECT sum(stored) + sum(lost) FROM cursors") == f.accepted);
  CHECK(support::run({RING_PERSISTER_PATH, "verify", "--db", f.database, "--quiet"}).status == 0);
}

TEST_CASE("a backup is refused with a reason where it would harm or be of no use", "[backup]") {
  Fixture f;
  f.store(100);
  const auto refused = [&](const std::string& why, const std::vector<std::string>& more = {}) {
    const auto run = f.backup(more);
    CHECK(run.status == 1);
    CHECK_THAT(run.output, Contains(why));
    CHECK(!fs::exists(f.to + ".partial"));
  };
  SECTION("a target that is there") {
    REQUIRE(f.backup().status == 0);
    f.store(100);
    refused("there is one already");
    CHECK(prefix(f.to) == 100);
    CHECK(f.backup({"--replace"}).status == 0);
    CHECK(prefix(f.to) == 200);
  }
  SECTION("something else that is there") {
    std::ofstream(f.to) << "a letter";
    refused("what is there is no backup", {"--replace"});
    CHECK(support::read_file(f.to) == "a letter");
  }
  SECTION("the database itself, also by another name") {
    fs::create_symlink(f.database, f.to);
    refused("it is the database itself", {"--replace"});
    CHECK(prefix(f.database) == 100);
  }
  SECTION("another persister's database") {
    std::ofstream(f.to + ".lock") << "";
    refused("is a persister's database", {"--replace"});
  }
  SECTION("a WAL that would be taken for a part of the backup") {
    std::ofstream(f.to + "-wal") << "";
    refused("b.db-wal is there");
  }
  SECTION("no folder") {
    f.to = f.folder / "none" / "b.db";
    refused("there is no folder");
  }
  SECTION("a newer schema") {
    set(f.database, "user_version = 99");
    refused("schema version 99");
    CHECK(!fs::exists(f.to));
  }
  SECTION("another program's database") {
    set(f.database, "application_id = 7");
    refused("application_id 7, expected");
  }
  SECTION("no database") {
    std::ofstream(f.database, std::ios::trunc) << std::string(10'000, 'x');
    refused("not a database");
  }
  SECTION("findings of verify, unless it is not asked") {
    ringdown::Database(f.database, ringdown::Database::Access::read_write_create)
        .execute("UPDATE cursors SET lost = lost + 1");
    refused("findings, expected none");
    CHECK(!fs::exists(f.to));
    CHECK(f.backup({"--no-verify"}).status == 0);
  }
}

TEST_CASE("a database of an older schema is copied, and only verify is left out", "[backup]") {
  Fixture f;
  f.store(100);
  set(f.database, "user_version = 3");
  const auto run = f.backup();
  CHECK(run.status == 0);
  CHECK_THAT(run.output, Contains("quick_check ok"));
}

TEST_CASE("a restore is refused with a reason, and what is there stays", "[backup]") {
  Fixture f;
  f.store(100);
  REQUIRE(f.backup().status == 0);
  f.store(100);
  const auto refused = [&](const std::string& why) {
    const auto run = f.restore();
    CHECK(run.status == 1);
    CHECK_THAT(run.output, Contains(why));
    CHECK(f.aside().empty());
    CHECK(!fs::exists(f.database + ".partial"));
  };
  SECTION("a persister writes to the database") {
    auto persister = f.start();
    f.push(1);
    f.wait_stored(persister);
    refused("pid " + std::to_string(persister.pid()));
    f.push(1);
    f.wait_stored(persister);
    persister.signal(SIGTERM);
    CHECK(persister.wait() == 0);
    CHECK(prefix(f.database) == 202);
  }
  SECTION("another program has the database open") {
    ringdown::Database reader(f.database, ringdown::Database::Access::read_only);
    CHECK(reader.query_integer("SELECT count(*) > 0 FROM batches") == 1);
    refused("another program has it open");
    CHECK(prefix(f.database) == 200);
  }
  SECTION("the database's name is a link") {
    const auto file = f.database;
    f.database = f.folder / "link.db";
    fs::create_symlink(file, f.database);
    refused("it is a symbolic link to " + file);
  }
  SECTION("a damaged backup") {
    std::fstream file(f.to, std::ios::in | std::ios::out | std::ios::binary);
    for (std::streamoff page = 2; page < 12; ++page) {
      file.seekp(page * 4096);
      file << std::string(4096, 'Z');
    }
    file.close();
    refused("b.db");
    CHECK(prefix(f.database) == 200);
  }
  SECTION("a backup of a newer schema") {
    set(f.to, "user_version = 99");
    refused("upgrade ring-persister");
    CHECK(prefix(f.database) == 200);
  }
  SECTION("another program's database is there") {
    set(f.database, "application_id = 7");
    refused("belongs to another program");
  }
  SECTION("the backup is the database") {
    f.to = f.database;
    refused("it is the backup itself");
  }
  SECTION("there is no backup") {
    f.to = f.folder / "none.db";
    refused("none.db");
  }
  SECTION("there is no folder for it") {
    f.database = f.folder / "none" / "m.db";
    refused("there is no folder");
  }
}

TEST_CASE("a backup is restored where no database was, and over a damaged one", "[backup]") {
  Fixture f;
  f.store(100);
  REQUIRE(f.backup().status == 0);
  SECTION("where none was") {
    f.database = f.folder / "other.db";
    const auto run = f.restore();
    INFO(run.output);
    CHECK(run.status == 0);
    CHECK(fs::status(f.database).permissions() == fs::perms(0640));
    CHECK(f.aside().empty());
  }
  SECTION("over a damaged one") {
    std::ofstream(f.database, std::ios::trunc) << std::string(10'000, 'x');
    const auto run = f.restore();
    INFO(run.output);
    CHECK(run.status == 0);
    CHECK(support::read_file(f.aside()) == std::string(10'000, 'x'));
  }
  CHECK(prefix(f.database) == 100);
  f.store(50);
  CHECK(support::query(f.database, "SELECT sum(stored) + sum(lost) FROM cursors") == f.accepted);
}
