// Promise 2 and 3 on a failing disk: whichever call of SQLite to the system fails, once or until it is
// mended, all that was pushed is stored once or counted as lost, and the persister goes on by itself.
//
// One run: a persister creates a database, commits, rolls up, checkpoints, ends, and another one goes on. The
// Nth call of one kind fails, for every N that a run reaches.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "recorder.hpp"
#include "shim_vfs.hpp"

using storage::Call;

namespace {

/// From one that fails to the next; the locks of the WAL's index are half of all.
constexpr int stride_of(Call call) {
  return (support::is_sanitized ? 14 : 1) * (call == Call::shm_lock ? 4 : 1);
}

struct Fault {
  Call call;
  int code;
  bool torn = false;  // half of a write is made
};

constexpr Fault faults[] = {
    {Call::open, SQLITE_CANTOPEN},       {Call::read, SQLITE_IOERR_READ},
    {Call::write, SQLITE_IOERR_WRITE},   {Call::write, SQLITE_FULL, true},
    {Call::sync, SQLITE_IOERR_FSYNC},    {Call::truncate, SQLITE_IOERR_TRUNCATE},
    {Call::size, SQLITE_IOERR_FSTAT},    {Call::lock, SQLITE_IOERR_LOCK},
    {Call::lock, SQLITE_BUSY},           {Call::shm_map, SQLITE_IOERR_SHMMAP},
    {Call::shm_map, SQLITE_FULL},        {Call::shm_lock, SQLITE_IOERR_SHMLOCK},
    {Call::shm_lock, SQLITE_BUSY},       {Call::remove, SQLITE_IOERR_DELETE},
    {Call::access, SQLITE_IOERR_ACCESS},
};

/// Fails the Nth call of a kind, and, if it lasts, all of its kind until it is mended.
class Breaker : public storage::Watcher {
 public:
  Breaker(const Fault& fault, int nth, bool lasts) : fault_(fault), nth_(nth), lasts_(lasts) { watch(this); }
  ~Breaker() override { storage::watch(nullptr); }

  storage::Verdict before(const storage::Event& event) override {
    if (event.call != fault_.call || mended) return {};
    ++count_;
    if (count_ < nth_ || (count_ > nth_ && !lasts_)) return {};
    ++hits;
    return {fault_.code, fault_.torn ? event.bytes.size() / 2 : 0};
  }

  bool mended = false;
  int hits = 0;

 private:
  const Fault& fault_;
  int nth_, count_ = 0;
  bool lasts_;
};

/// @return false when the run has no such call
bool run(const Fault& fault, int nth, bool lasts, int& hits) {
  constexpr int rounds = 10, half = 5, mended_after = 4;
  const auto folder = support::unique_folder();
  storage::Recorder recorder(folder / "m.db");
  Breaker breaker(fault, nth, lasts);
  bool running = false;
  int rounds_broken = 0;
  for (int i = 0; i < rounds; ++i) {
    recorder.push(18);
    if (i == half) {
      recorder.end();
      running = false;
    }
    if (!running) running = recorder.start();
    recorder.round();
    if (breaker.hits > 0 && ++rounds_broken == mended_after) breaker.mended = true;
  }
  breaker.mended = true;
  if (!running) REQUIRE(recorder.start());
  recorder.settle();
  storage::watch(nullptr);
  recorder.check();
  recorder.end();
  recorder.check();
  std::filesystem::remove_all(folder);
  hits += breaker.hits;
  return breaker.hits > 0;
}

void fail_each_call(bool lasts) {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  int runs = 0, hits = 0;
  std::string counts;
  for (const auto& fault : faults) {
    const int stride = stride_of(fault.call);
    int nth = 1 + static_cast<int>(random() % static_cast<unsigned>(stride));
    for (bool reached = true; reached; nth += stride, ++runs) {
      INFO("call " << nth << " of " << storage::call_names[static_cast<std::size_t>(fault.call)] << " fails with "
                   << sqlite3_errstr(fault.code) << " (" << fault.code << ")" << (lasts ? " until mended" : " once"));
      reached = run(fault, nth, lasts, hits);
    }
    counts += std::string(counts.empty() ? "" : ", ") +
              storage::call_names[static_cast<std::size_t>(fault.call)] + " " +
              std::to_string(nth - stride - 1);
  }
  WARN(runs << " runs, " << hits << " calls failed; calls of a run: " << counts);
}

}  // namespace

TEST_CASE("every call to the system that fails once leaves all samples stored once or counted", "[storage][fault]") {
  fail_each_call(false);
}

TEST_CASE("every call to the system that fails until it is mended leaves all samples stored once or counted", "[storage][fault]") {
  fail_each_call(true);
}

TEST_CASE("a page that the check after an unclean stop cannot read is not taken for damage",
          "[storage][fault]") {
  struct Unreadable : storage::Watcher {
    Unreadable(int nth) : left(nth) { watch(this, storage::Threads::all); }
    ~Unreadable() override { storage::watch(nullptr); }
    storage::Verdict before(const storage::Event& event) override {
      if (event.call != Call::read || --left > 0) return {};
      ++hits;
      return {SQLITE_IOERR_READ};
    }
    int left, hits = 0;
  };
  const auto folder = support::unique_folder();
  {
    storage::Recorder recorder(folder / "m.db");
    REQUIRE(recorder.start());
    recorder.push(18);
    recorder.settle();
  }
  int hits = 1;
  for (int nth = 1; hits > 0; ++nth) {
    INFO("read " << nth);
    Unreadable disk(nth);
    ringdown::Check check(folder / "m.db");
    while (!check.result()) std::this_thread::yield();
    INFO(*check.result());
    CHECK(check.result()->empty());
    hits = disk.hits;
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a disk that refuses checkpoints for a while is told once, and once that it takes them again", "[storage][fault]") {
  struct Full : storage::Watcher {
    Full() { storage::watch(this); }
    ~Full() override { storage::watch(nullptr); }
    storage::Verdict before(const storage::Event& event) override {
      if (event.call != Call::write || !event.path.ends_with("m.db") || is_over) return {};
      ++hits;
      return {SQLITE_FULL};
    }
    int hits = 0;
    bool is_over = true;
  };
  std::ostringstream told;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("told", std::make_shared<spdlog::sinks::ostream_sink_mt>(told)));
  const auto folder = support::unique_folder();
  {
    Full disk;
    storage::Recorder recorder(folder / "m.db");
    spdlog::set_level(spdlog::level::info);
    REQUIRE(recorder.start());
    disk.is_over = false;
    for (int i = 0; i < 2000 && disk.hits < 10; ++i) {
      recorder.push(10);
      REQUIRE(recorder.round());
    }
    CHECK(disk.hits == 10);
    disk.is_over = true;
    recorder.settle();
    recorder.check();
  }
  spdlog::set_default_logger(before);
  std::filesystem::remove_all(folder);
  const auto count = [text = told.str()](const std::string& word) {
    int n = 0;
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
    return n;
  };
  INFO(told.str());
  CHECK(count("disk is full") == 1);
  CHECK(count("taken into it again") == 1);
}
