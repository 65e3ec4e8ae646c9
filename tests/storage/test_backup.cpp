// Copies of a database that is written meanwhile, that fail at any call to the system, or are killed there.
#include <signal.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>

#include "backup.hpp"
#include "recorder.hpp"
#include "shim_vfs.hpp"
#include "stored.hpp"

namespace fs = std::filesystem;
using Catch::Contains;
using ringdown::CopyOptions;
using storage::Call;
using storage::Recorder;

namespace {

constexpr CopyOptions page_by_page{.slice_pages = 1};

struct Fixture {
  Fixture() {
    storage::watch(nullptr);  // busy handlers do not sleep
    REQUIRE(recorder.start());
    rounds(10);
  }
  ~Fixture() {
    storage::watch(nullptr);
    recorder.end();
    fs::remove_all(folder);
  }
  void rounds(int count) {
    for (; count > 0; --count) {
      recorder.push(10);
      recorder.round();
    }
  }
  int command(bool replace) const {
    return ringdown::backup_command({.from = path, .to = to, .replace = replace, .quiet = true, .copy = page_by_page});
  }
  /// Whether the target has the first so many samples of each lane, and nothing is left beside it.
  void check_target(std::int64_t samples) const {
    for (const auto* lane : {"drop_newest", "overwrite_oldest"}) {
      const auto values = Recorder::values(to, lane);
      REQUIRE(static_cast<std::int64_t>(values.size()) == samples);
      for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<double>(i));
    }
    check_clean();
  }
  void check_clean() const {
    for (const auto& entry : fs::directory_iterator(folder))
      CHECK_THAT(entry.path().filename().string(), !Contains("partial"));
  }

  fs::path folder = support::unique_folder();
  std::string path = folder / "m.db", to = folder / "b.db";
  Recorder recorder{path};
};

/// At the Nth call about a file of the copy: a result, or the end of this process.
struct AtCall : storage::Watcher {
  AtCall(int number, std::optional<Call> which, int result) : nth(number), kind(which), code(result) { storage::watch(this); }
  ~AtCall() override { storage::watch(nullptr); }
  storage::Verdict before(const storage::Event& event) override {
    if (event.path.find(".partial") == event.path.npos || (kind && event.call != *kind) || ++calls != nth) return {};
    if (code == SQLITE_OK) ::raise(SIGKILL);
    return {code};
  }
  int nth;
  std::optional<Call> kind;
  int code, calls = 0;
};

}  // namespace

TEST_CASE("a copy is the state at its beginning, whatever is committed, rolled up and checkpointed meanwhile",
          "[storage][backup]") {
  Fixture f;
  const auto accepted = f.recorder.accepted(0);
  {
    ringdown::PartialFile partial(f.to);
    int slices = 0;
    const auto copied = ringdown::copy_database(f.path, partial, page_by_page, [&](const auto& pass, double) {
      if (pass == "copy" && ++slices <= 20) f.rounds(1);
    });
    CHECK(slices > 20);
    CHECK(copied.is_verified);
    CHECK(copied.verified.findings() == 0);
    CHECK(copied.bytes == fs::file_size(partial.path()));
    partial.place(false);
  }
  f.check_target(accepted);
  CHECK(f.recorder.accepted(0) == accepted + 200);
  CHECK(f.recorder.refused(0) == 0);
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("a copy is given up when the WAL has grown too much, and the WAL is emptied again", "[storage][backup]") {
  Fixture f;
  {
    ringdown::PartialFile partial(f.to);
    const CopyOptions options{.wal_bytes_max = 1 << 20, .slice_pages = 1};
    int slices = 0;
    CHECK_THROWS_WITH(ringdown::copy_database(f.path, partial, options,
                                              [&](const auto&, double) {
                                                if (++slices == 1) f.rounds(300);
                                              }),
                      Contains("m.db") && Contains("given up") && Contains("expected 1024 at most (--wal-mib)"));
    CHECK(slices == 1);
  }
  CHECK(!fs::exists(f.to));
  f.check_clean();
  f.rounds(3);
  CHECK(support::query(f.path, "SELECT 1") == 1);
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("a copy that fails at any call to the system leaves what was there, and the next one is whole",
          "[storage][backup]") {
  Fixture f;
  REQUIRE(f.command(false) == 0);
  const auto samples = f.recorder.accepted(0);
  f.rounds(1);
  const std::pair<Call, int> faults[] = {{Call::write, SQLITE_FULL},    {Call::write, SQLITE_IOERR_WRITE},
                                         {Call::open, SQLITE_CANTOPEN}, {Call::read, SQLITE_IOERR_READ},
                                         {Call::sync, SQLITE_IOERR_FSYNC}};
  for (const auto& [call, code] : faults) {
    int failed = 0;
    for (int nth = 1;; ++nth) {
      ringdown::PartialFile partial(f.to);
      AtCall fault(nth, call, code);
      std::string what;
      try {
        ringdown::copy_database(f.path, partial, page_by_page, [](const auto&, double) {});
      } catch (const ringdown::SqliteError& e) {
        what = e.what();
      }
      if (fault.calls < nth) break;
      INFO(storage::call_names[static_cast<std::size_t>(call)] << " " << nth << ": " << what);
      // A sync that SQLite does not insist on: the copy is synced as a whole afterwards.
      if (call != Call::sync || !what.empty()) CHECK_THAT(what, Contains("b.db.partial"));
      if (code == SQLITE_FULL) CHECK_THAT(what, Contains("disk is full"));
      ++failed;
    }
    CHECK(failed > 0);
    f.check_target(samples);
  }
  CHECK(f.command(true) == 0);
  f.check_target(samples + 10);
  f.recorder.settle();
  f.recorder.check();
}

TEST_CASE("a backup killed at any call to the system leaves what was there, and the next one takes its leftovers",
          "[storage][backup]") {
  Fixture f;
  f.recorder.end();  // a child must not inherit connections
  const bool is_there = GENERATE(false, true);
  const auto samples = f.recorder.accepted(0);
  if (is_there) {
    REQUIRE(f.command(false) == 0);
    REQUIRE(f.recorder.start());
    f.rounds(1);
    f.recorder.end();
  }
  int killed = 0;
  for (int nth = 1;; ++nth) {
    support::Child child([&] {
      const AtCall kill(nth, {}, SQLITE_OK);
      const int status = f.command(is_there);
      return kill.calls < nth && status == 0 ? 0 : 1;
    });
    const int status = child.wait();
    if (status == 0) break;
    REQUIRE(status == 128 + SIGKILL);
    ++killed;
    REQUIRE(fs::exists(f.to) == is_there);
    if (is_there) REQUIRE(static_cast<std::int64_t>(Recorder::values(f.to, "drop_newest").size()) == samples);
  }
  CHECK(killed > 50);
  f.check_target(f.recorder.accepted(0));
  REQUIRE(f.recorder.start());
  f.rounds(1);
  f.recorder.settle();
  f.recorder.check();
}
