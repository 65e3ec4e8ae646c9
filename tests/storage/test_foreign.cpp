// Other processes at the database: readers that stay, writers, VACUUM, and an operator who deletes or
// replaces the file under the running persister.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "recorder.hpp"
#include "shell.hpp"
#include "shim_vfs.hpp"
#include "stored.hpp"

namespace fs = std::filesystem;
using storage::Recorder;
using storage::Shell;

namespace {

struct Fixture {
  Fixture() {
    storage::watch(nullptr);  // busy handlers do not sleep
    REQUIRE(recorder.start());
    rounds(5);
  }
  ~Fixture() {
    recorder.end();
    fs::remove_all(folder);
  }
  void rounds(int count, int samples = 10) {
    for (; count > 0; --count) {
      recorder.push(samples);
      recorder.round();
    }
  }
  /// A second name for the database, with which it can be read after it was deleted.
  std::string keep() const {
    fs::create_hard_link(path, folder / "kept.db");
    return folder / "kept.db";
  }

  fs::path folder = support::unique_folder();
  std::string path = folder / "m.db";
  Recorder recorder{path};
};

}  // namespace

TEST_CASE("a WAL that a reader kept from being reset shrinks again when it has gone", "[storage][foreign]") {
  Fixture f;
  constexpr std::uintmax_t kept_bytes = 4 << 20;
  Shell reader(f.path);
  CHECK(reader.run("BEGIN; SELECT count(*) > 0 FROM batches;") == "1\n");
  for (int i = 0; i < 1000 && fs::file_size(f.path + "-wal") <= kept_bytes; ++i) {
    f.rounds(1);
    REQUIRE(f.recorder.released() == f.recorder.pushed());  // commits go on
  }
  CHECK(fs::file_size(f.path + "-wal") > kept_bytes);
  f.rounds(20);
  reader.run("COMMIT;");
  f.rounds(3);
  CHECK(fs::file_size(f.path + "-wal") <= kept_bytes);
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("while another process holds the write lock the batch is kept, and stored once afterwards",
          "[storage][foreign]") {
  Fixture f;
  Shell writer(f.path);
  writer.run("BEGIN IMMEDIATE;");
  const auto released = f.recorder.released();
  f.rounds(8);  // more than a lane holds
  CHECK(f.recorder.released() == released);
  CHECK(f.recorder.refused(0) > 0);
  writer.run("COMMIT;");
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("a VACUUM by another process costs nothing", "[storage][foreign]") {
  Fixture f;
  Shell other(f.path);
  for (int i = 0; i < 5; ++i) {
    CHECK(other.run("VACUUM;") == "");
    f.rounds(2);
  }
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("a database deleted under the persister is left, and another one begun", "[storage][foreign]") {
  Fixture f;
  const auto kept = f.keep();
  const bool with_wal = GENERATE(true, false);
  fs::remove(f.path);
  if (with_wal) {
    fs::remove(f.path + "-wal");
    fs::remove(f.path + "-shm");
  }
  const auto released = f.recorder.released();
  f.rounds(3);
  CHECK(f.recorder.databases_gone() == 1);
  f.recorder.settle();
  CHECK(f.recorder.released() == f.recorder.pushed());
  for (std::size_t lane = 0; lane < 2; ++lane) {
    const std::string name = lane == 0 ? "drop_newest" : "overwrite_oldest";
    auto values = Recorder::values(kept, name);  // with what was only in the WAL
    const auto in_old = values.size();
    CHECK(in_old == 50);
    const auto later = Recorder::values(f.path, name);
    values.insert(values.end(), later.begin(), later.end());
    REQUIRE(static_cast<std::int64_t>(values.size()) == f.recorder.accepted(lane));
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<double>(i));
    const auto skipped = support::query(f.path,
                                        "SELECT sum(count) FROM losses JOIN rings ON rings.id = ring WHERE "
                                        "reason = 'skipped' AND name = '" +
                                            f.recorder.ring(lane) + "'");
    CHECK(static_cast<std::uint64_t>(skipped) == released[lane]);
  }
}

TEST_CASE("ring-persister goes on with another database when its own is deleted", "[storage][foreign]") {
  const auto ring = support::unique_ring();
  const auto folder = support::unique_folder();
  const auto path = folder / "m.db";
  ring::Producer producer(ring, {.geometry = {.lanes = 1, .lane_records = 1024, .arena_bytes = 4096}});
  const auto series = producer.gauge("value");
  const auto segment = ring::Segment::inspect(ring);
  support::Child persister(
      {RING_PERSISTER_PATH, "--ring", ring, "--db", path, "--round-ms", "1", "--commit-ms", "1"},
      folder / "log");
  const auto push_and_wait = [&] {
    for (int i = 0; i < 10; ++i) producer.push(series, i);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (ring::words::load(segment.lane(0).header->tail) != producer.sequence() &&
           std::chrono::steady_clock::now() < end)
      ::usleep(1000);
    REQUIRE(ring::words::load(segment.lane(0).header->tail) == producer.sequence());
  };
  push_and_wait();
  fs::remove(path);
  fs::remove(path.string() + "-wal");
  fs::remove(path.string() + "-shm");
  push_and_wait();
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  INFO(support::read_file(folder / "log"));
  CHECK(Recorder::values(path, "value").size() == 10);
  CHECK(support::query(path, "SELECT sum(count) FROM losses WHERE reason = 'skipped'") > 0);
  fs::remove_all(folder);
}

TEST_CASE("a database replaced by an older copy goes on from the copy, and what is missing is counted",
          "[storage][foreign]") {
  Fixture f;
  Shell(f.path).run(".backup " + (f.folder / "copy.db").string());
  const auto copied = f.recorder.released();
  f.rounds(3);
  const auto kept = f.keep();
  const auto released = f.recorder.released();
  fs::rename(f.folder / "copy.db", f.path);  // beside it the other one's WAL
  f.rounds(3);
  CHECK(f.recorder.databases_gone() == 1);
  f.recorder.settle();
  CHECK(f.recorder.released() == f.recorder.pushed());
  for (std::size_t lane = 0; lane < 2; ++lane) {
    const std::string name = lane == 0 ? "drop_newest" : "overwrite_oldest";
    CHECK(Recorder::values(kept, name).size() == 80);
    const auto values = Recorder::values(f.path, name);
    const auto skipped = support::query(f.path,
                                        "SELECT sum(count) FROM losses JOIN rings ON rings.id = ring WHERE "
                                        "reason = 'skipped' AND name = '" +
                                            f.recorder.ring(lane) + "'");
    CHECK(static_cast<std::uint64_t>(skipped) == released[lane] - copied[lane]);
    CHECK(static_cast<std::int64_t>(values.size()) + skipped == f.recorder.accepted(lane));
    REQUIRE(values.size() > 50);
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK(values[i] == static_cast<double>(i < 50 ? i : i + 30));
  }
  CHECK(support::query(f.path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
  f.recorder.settle();
  CHECK(support::query(f.path, "SELECT sum(count) FROM tier_1s") ==
        support::query(f.path, support::raw_samples));
}

TEST_CASE("a copy that a tool left in another journal mode is in WAL mode again", "[storage][foreign]") {
  Fixture f;
  f.recorder.end();
  CHECK(Shell(f.path).run("PRAGMA journal_mode = DELETE;") == "delete\n");
  REQUIRE(f.recorder.start());
  f.rounds(2);
  f.recorder.settle();
  f.recorder.check();
}
