// test_fault_jobs.cpp: a call of SQLite to the system fails once amid a job of maintenance. The job goes on by itself,
// and the tiers equal the model in the end.
#include <sqlite3.h>

#include <catch2/catch.hpp>

#include "at_work.hpp"
#include "life.hpp"
#include "verify.hpp"

using storage::Call;
using storage::Job;
using tiers::Life;
using tiers::World;

namespace {

constexpr int runs_default = support::is_sanitized ? 4 : 18;

struct Fault {
  Call call;
  int code;
};
constexpr Fault faults[] = {{Call::read, SQLITE_IOERR_READ},    {Call::write, SQLITE_IOERR_WRITE},
                            {Call::write, SQLITE_FULL},         {Call::sync, SQLITE_IOERR_FSYNC},
                            {Call::shm_map, SQLITE_IOERR_SHMMAP}, {Call::shm_lock, SQLITE_IOERR_SHMLOCK},
                            {Call::shm_lock, SQLITE_BUSY}};

/// Fails the first call of a kind in each job and every Nth after it, once each: the next one succeeds.
class Breaker : public storage::Watcher {
 public:
  Breaker(const Fault& fault, int nth) : fault_(fault), nth_(nth) { storage::watch(this); }
  ~Breaker() override { storage::watch(nullptr); }
  storage::Verdict before(const storage::Event& event) override {
    const auto job = storage::at_work(event);
    if (is_off || event.call != fault_.call || calls_.of(job)++ % nth_ != 0) return {};
    ++hits.of(job);
    return {fault_.code, event.call == Call::write ? event.bytes.size() / 2 : 0};
  }
  bool is_off = false;
  storage::ByJob hits;

 private:
  const Fault& fault_;
  int nth_;
  storage::ByJob calls_;
};

/// As the loop does: what failed is tried again.
template <class Try>
bool succeeds(const Try& attempt) {
  try {
    attempt();
    return true;
  } catch (const ringdown::SqliteError& e) {
    INFO(e.what());
    CHECK_FALSE(e.is_damage());
    return false;
  }
}

}  // namespace

TEST_CASE("whichever call fails amid a job of maintenance, the tiers equal the model in the end", "[storage][fault]") {
  const auto seed = support::test_seed();
  storage::watch_jobs();
  storage::ByJob hits;
  const int rounds = support::rounds(runs_default);
  for (int i = 0; i < rounds * static_cast<int>(std::size(faults)); ++i) {
    const auto& fault = faults[static_cast<std::size_t>(i) % std::size(faults)];
    const auto round_seed = seed + static_cast<std::uint64_t>(i);
    std::mt19937_64 random(round_seed);
    const int nth = 2 + static_cast<int>(random() % 5);
    INFO("RINGDOWN_SEED=" << seed << ", run " << i << ": every call " << nth << " of a job, of kind "
                          << storage::call_names[static_cast<std::size_t>(fault.call)] << " fails with "
                          << sqlite3_errstr(fault.code));
    tiers::wall_ns() = 1'700'000'000 * tiers::second_ns;
    World world(tiers::some_series(), tiers::some_rules(i / static_cast<int>(std::size(faults)) % 3 == 0));
    constexpr int lives = 4;
    for (int l = 0; l < lives; ++l) {
      const Life life(random, 5);
      Breaker breaker(fault, nth);
      const auto again = [&](const auto& attempt) {
        breaker.is_off = true;
        REQUIRE(succeeds(attempt));
        breaker.is_off = false;
      };
      for (std::size_t b = 0; b < life.batches.size(); ++b) {
        const auto commit = [&] { life.commit(world, b); };
        if (!succeeds(commit)) again(commit);
        life.work(world, b, [&](const auto& job) {
          if (!succeeds(job) && !world.is_open()) again([&] { world.restart(); });
        });
      }
      for (std::size_t job = 0; job < storage::job_count; ++job) hits[job] += breaker.hits[job];
    }
    world.settle();
    world.check();
    const auto found = ringdown::verify(world.database(), [](const std::string&, double) {});
    INFO(ringdown::verified_text(found));
    CHECK(found.findings() == 0);
    CHECK(world.query("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
  }
  for (const auto job : {Job::commit, Job::fold_1s, Job::fold_1m, Job::redo_wide, Job::sweep, Job::checkpoint}) {
    INFO(storage::job_names[static_cast<std::size_t>(job)]);
    if (rounds >= runs_default) CHECK(hits.of(job) > 0);  // the others have few calls: they may be missed
  }
  WARN(rounds * static_cast<int>(std::size(faults)) << " runs; calls failed in " << hits.text());
}
