#include <catch2/catch.hpp>
#include <signal.h>

#include <bit>
#include <fstream>
#include <random>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "sqlite.hpp"
#include "stored.hpp"
#include "support.hpp"

using Catch::Contains;

namespace {

struct Fixture {
  std::string ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::string database = (folder / "m.db").string();
  std::vector<std::string> command(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{RING_PERSISTER_PATH, "--ring", ring, "--db", database};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// A persister that has the ring's place.
  support::Child start() const {
    support::Child child(command(), folder / "log");
    for (;;) {
      try {
        if (ring::lock::is_held(ring::Segment::inspect(ring).descriptor(), ring::abi::lock_reader)) return child;
      } catch (const ring::Error&) {  // not created yet
      }
      if (!child.running()) throw std::runtime_error("the persister ended: " + support::read_file(folder / "log"));
      ::usleep(1000);
    }
  }
};

}  // namespace

TEST_CASE("until-idle drains what is there, rolls it up and exits 0", "[persister]") {
  const Fixture f;
  {
    ring::Producer p(f.ring);
    const auto a = p.gauge("a");
    for (int i = 0; i < 1000; ++i) REQUIRE(p.push(a, i, 1'000'000'000LL * 100 + i));
  }
  const auto run = support::run(f.command({"--until-idle"}));
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(support::query(f.database, "SELECT count FROM tier_1h") == 1000);
  CHECK(support::run(f.command({"--until-idle"})).status == 0);
  CHECK(support::query(f.database, "SELECT sum(samples) FROM batches") == 1000);
}

TEST_CASE("SIGTERM and SIGINT drain and commit and roll up before the exit", "[persister]") {
  const int number = GENERATE(SIGTERM, SIGINT);
  const Fixture f;
  auto persister = f.start();
  ring::Producer p(f.ring);
  const auto a = p.gauge("a");
  for (int i = 0; i < 5000; ++i) REQUIRE(p.push(a, i));
  persister.signal(number);
  CHECK(persister.wait() == 0);
  CHECK(support::query(f.database, "SELECT sum(count) FROM tier_1m") == 5000);
  CHECK(ring::words::load(ring::Segment::inspect(f.ring).lane(0).header->tail) == p.sequence());
}

TEST_CASE("two rings go into one database", "[persister]") {
  const Fixture f, g;
  for (const auto& ring : {f.ring, g.ring}) {
    ring::Producer p(ring);
    p.push(p.gauge("a", {{"ring", ring}}), 1);
  }
  CHECK(support::run(f.command({"--ring", g.ring, "--until-idle"})).status == 0);
  CHECK(support::query(f.database, "SELECT count(*) FROM series") == 2);
  CHECK(support::query(f.database, "SELECT sum(stored) FROM cursors") == 2);
}

TEST_CASE("a second persister on the ring or on the database is refused with the holder named", "[persister]") {
  const Fixture f, other;
  const auto persister = f.start();
  const auto holder = Contains("pid " + std::to_string(persister.pid()));
  const auto same_database = support::run({RING_PERSISTER_PATH, "--ring", other.ring, "--db", f.database});
  CHECK(same_database.status == 1);
  CHECK_THAT(same_database.output, holder && Contains(f.database) && Contains("ring-persister"));
  const auto same_ring = support::run({RING_PERSISTER_PATH, "--ring", f.ring, "--db", other.database});
  CHECK(same_ring.status == 1);
  CHECK_THAT(same_ring.output, holder && Contains(f.ring));
}

TEST_CASE("wrong usage exits 2 and help exits 0 with examples", "[persister]") {
  CHECK(support::run({RING_PERSISTER_PATH}).status == 2);
  CHECK(support::run({RING_PERSISTER_PATH, "--ring", "a", "--db", "x", "--round-ms", "soon"}).status == 2);
  const auto help = support::run({RING_PERSISTER_PATH, "--help"});
  CHECK(help.status == 0);
  CHECK_THAT(help.output, Contains("Examples:") && Contains("--until-idle"));
  const auto bad = support::run({RING_PERSISTER_PATH, "--ring", "a/b", "--db", support::unique_folder() / "m.db"});
  CHECK(bad.status == 1);
  CHECK_THAT(bad.output, Contains("ring name \"a/b\""));
}

TEST_CASE("ring-inspect shows a live and a dead owner and what is lost", "[inspect]") {
  const Fixture f;
  auto p = std::make_unique<ring::Producer>(f.ring, ring::Options{.name = "controller"});
  const auto mode = p->state("mode", {{"wan", "x"}}, {"GREEN", "RED"});
  p->push(mode, 1);
  p->push(mode, std::nan(""));
  auto shown = support::run({RING_INSPECT_PATH, f.ring, "--records", "5"});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("controller") && Contains("alive") && Contains("1 non_finite") &&
                               Contains("mode{wan=\"x\"}") && Contains("RED") && Contains("nobody drains it"));
  p.reset();
  p = std::make_unique<ring::Producer>(f.ring, ring::Options{.name = "controller"});
  p->push(p->gauge("b"), 1);
  shown = support::run({RING_INSPECT_PATH, f.ring});
  CHECK_THAT(shown.output, Contains("EARLIER OWNER"));
  p.reset();
  shown = support::run({RING_INSPECT_PATH, f.ring, "--json"});
  CHECK_THAT(shown.output, Contains("\"alive\": false") && Contains("\"waiting\": 16") && Contains("\"non_finite\": 1"));
  CHECK(support::run(f.command({"--until-idle"})).status == 0);
  shown = support::run({RING_INSPECT_PATH, f.ring, "--db", f.database});
  CHECK_THAT(shown.output, Contains("2 samples of this ring stored, 1 lost\n") && Contains("\n  commits up to 20") &&
                               Contains("survive a power cut") && Contains("non_finite") &&
                               Contains("raw: 0 samples sealed in 0 windows, 2 in batches"));
  shown = support::run({RING_INSPECT_PATH, f.ring, "--db", f.database, "--json"});
  CHECK_THAT(shown.output, Contains("\"durable_through_ns\": 1") && Contains("\"reason\": \"non_finite\""));
  ringdown::Database(f.database, ringdown::Database::Access::read_write_create).execute("PRAGMA user_version = 3");
  shown = support::run({RING_INSPECT_PATH, f.ring, "--db", f.database});
  CHECK_THAT(shown.output, Contains("schema version 3, this program reads") && Contains("start ring-persister once"));
  const auto none = support::run({RING_INSPECT_PATH, support::unique_ring()});
  CHECK(none.status == 1);
  CHECK_THAT(none.output, Contains("No such file") && Contains("check the name"));
}

TEST_CASE("a ring deleted under its producer is drained to the end and so is its successor", "[persister]") {
  const Fixture f;
  auto persister = f.start();
  ring::Producer p(f.ring);
  const auto a = p.gauge("a");
  std::uint64_t accepted = 0;
  for (int i = 0; i < 1000; ++i) accepted += p.push(a, static_cast<double>(accepted));
  ring::Segment::remove(f.ring);
  for (int i = 0; i < 1000; ++i) accepted += p.push(a, static_cast<double>(accepted));  // into the old one
  REQUIRE(p.maintain());
  for (int i = 0; i < 1000; ++i) accepted += p.push(a, static_cast<double>(accepted));
  for (const auto* log = "deleted or replaced"; support::read_file(f.folder / "log").find(log) == std::string::npos;)
    ::usleep(10'000);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK(accepted == 3000);
  CHECK(support::query(f.database, "SELECT sum(stored) FROM cursors") == 3000);
  CHECK(support::query(f.database, "SELECT count(*) FROM rings") == 2);
  CHECK(support::stored_values(f.database)["a"].size() == 3000);
}

TEST_CASE("a database damaged while nobody looked is found after the start, moved aside and replaced", "[persister]") {
  const Fixture f;
  ring::Producer p(f.ring);
  const auto a = p.gauge("a");
  std::uint64_t accepted = 0;
  std::mt19937_64 random(1);
  const auto push = [&] {
    for (int i = 0; i < 20'000; ++i) accepted += p.push(a, std::bit_cast<double>(random() >> 2));
  };
  push();
  {
    auto persister = f.start();
    const auto segment = ring::Segment::inspect(f.ring);
    while (ring::words::load(segment.lane(0).header->tail) < p.sequence()) ::usleep(1000);
    persister.kill();
  }
  {
    ringdown::Database database(f.database, ringdown::Database::Access::read_write_create);
    REQUIRE(database.query_integer("SELECT count(*) FROM batches") > 0);
    REQUIRE(database.checkpoint_truncate());
  }
  std::fstream file(f.database, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(f.database) / 2 / 4096 * 4096));
  file << std::string(8192, 'Z');
  file.close();

  push();
  auto persister = f.start();
  for (const auto* text = "a new one is started"; support::read_file(f.folder / "log").find(text) == std::string::npos;) {
    REQUIRE(persister.running());
    ::usleep(10'000);
  }
  push();
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK_THAT(support::read_file(f.folder / "log"), Contains("is damaged: "));
  const auto stored = support::query(f.database, "SELECT sum(stored) FROM cursors");
  const auto skipped = support::query(f.database, "SELECT sum(count) FROM losses WHERE reason = 'skipped'");
  CHECK(stored >= 20'000);  // what was pushed after the damage was found
  CHECK(static_cast<std::uint64_t>(stored + skipped) == accepted + ring::abi::epoch_records);  // skipped counts records
  int aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(f.folder))
    aside += entry.path().filename().string().starts_with("m.db.damaged-");
  CHECK(aside >= 1);
}

TEST_CASE("a reader that keeps the WAL from being emptied is named, and it is emptied once that reader is gone",
          "[persister]") {
  const Fixture f;
  ring::Producer p(f.ring);
  const auto a = p.gauge("a");
  std::mt19937_64 random(1);
  const auto push = [&] {
    for (int i = 0; i < 4000; ++i) p.push(a, std::bit_cast<double>(random() >> 2));
  };
  support::Child persister(f.command({"--round-ms", "5", "--commit-ms", "10", "--wal-mib", "1"}), f.folder / "log");
  const auto wait_for = [&](const std::string& text) {
    while (support::read_file(f.folder / "log").find(text) == std::string::npos) {
      REQUIRE(persister.running());
      push();
      ::usleep(5000);
    }
  };
  wait_for("drains ring");
  {
    ringdown::Database database(f.database, ringdown::Database::Access::read_only);
    database.execute("BEGIN");
    database.query_integer("SELECT count(*) FROM batches");
    wait_for(" MB and grows");
    CHECK_THAT(support::read_file(f.folder / "log"), Contains("pid " + std::to_string(::getpid())));
  }
  wait_for("is emptied again");
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
}
