// ring-persister backup, from the outside.
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
