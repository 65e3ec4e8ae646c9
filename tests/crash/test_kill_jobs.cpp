// test_kill_jobs.cpp: promises 2 and 5 amid maintenance: the persister's jobs are killed just before or just after a
// call of SQLite to the system, in every job in turn. What is there then is sound, and the next one goes on with it.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "at_work.hpp"
#include "life.hpp"
#include "verify.hpp"

using storage::Job;
using tiers::Life;
using tiers::World;

namespace {

constexpr int kills_default = support::is_sanitized ? 44 : 198;

/// What the parent learns of a life.
struct Told {
  std::size_t commits;   // that returned
  Job killed_in;
  storage::ByJob calls;  // points at which it could have been killed
};

/// Kills this process at the Nth point of a job, two a call.
class Killer : public storage::Watcher {
 public:
  Killer(Job job, int nth, Told& told) : job_(job), left_(nth), told_(told) { storage::watch(this); }
  ~Killer() override { storage::watch(nullptr); }
  storage::Verdict before(const storage::Event& event) override { return come_by(event), storage::Verdict{}; }
  void after(const storage::Event& event) override { come_by(event); }

 private:
  void come_by(const storage::Event& event) {
    const auto job = storage::at_work(event);
    ++told_.calls.of(job);
    if (job != job_ || --left_ != 0) return;
    told_.killed_in = job;
    ::kill(::getpid(), SIGKILL);
  }
  Job job_;
  int left_;
  Told& told_;
};

void check_verified(World& world) {
  const auto found = ringdown::verify(world.database(), [](const std::string&, double) {});
  INFO(ringdown::verified_text(found));
  CHECK(found.findings() == 0);
}

}  // namespace

TEST_CASE("killed inside each job of maintenance the persister loses and doubles no sample in any tier",
          "[crash][maintenance]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  constexpr int lives = 11;
  storage::watch_jobs();
  std::mt19937_64 random(seed);
  std::optional<World> world;
  storage::ByJob kills, calls;
  calls.fill(40);
  int at_the_end = 0;
  auto& told = support::shared<Told>();
  const int rounds = support::rounds(kills_default);
  const auto wants_more = [&](int lives_so_far) {  // some jobs have little to do, and a life may not come to them
    if (rounds < kills_default || lives_so_far >= 8 * rounds) return false;
    return std::find(kills.begin() + 1, kills.end(), 0) != kills.end();
  };
  for (int i = 0; i < rounds || wants_more(i); ++i) {
    INFO("life " << i);
    if (i % lives == 0) {
      tiers::wall_ns() = 1'700'000'000 * tiers::second_ns;
      const bool keeps_all = i / lives % 3 == 0;
      world.emplace(tiers::some_series(), tiers::some_rules(keeps_all));
      world->end();
    }
    const Life life(random);
    const auto target = static_cast<Job>(1 + static_cast<std::size_t>(i) % (storage::job_count - 1));
    const int nth = 1 + static_cast<int>(random() % static_cast<unsigned>(calls.of(target)));
    told = {};
    support::Child child([&] {
      Killer killer(target, nth, told);
      world->restart();
      for (std::size_t b = 0; b < life.batches.size(); ++b) {
        life.commit(*world, b);
        ++told.commits;
        life.work(*world, b);
      }
      world->end();
      return 0;
    });
    const auto status = child.wait();
    const bool killed = told.killed_in != Job::none;
    CHECK(status == (killed ? 128 + SIGKILL : 0));
    killed ? ++kills.of(told.killed_in) : ++at_the_end;
    if (told.calls.of(target) > 0) calls.of(target) = told.calls.of(target);

    World left(*world, support::unique_folder());
    const auto before = world->expected();
    for (const auto& batch : life.batches) world->expect(batch.samples);
    const auto stored = left.stored();
    CHECK((stored == before + life.samples(told.commits) || stored == before + life.samples(told.commits + 1)));
    world->expect_no_more_than(stored);
    left.expect_as(*world);
    check_verified(left);
    left.settle();
    left.check();
    check_verified(left);
    if (!Catch::getResultCapture().lastAssertionPassed()) break;
  }
  for (std::size_t job = 1; job < storage::job_count; ++job) {
    INFO(storage::job_names[job]);
    if (rounds >= kills_default) CHECK(kills[job] > 0);
  }
  WARN(rounds << " lives, " << at_the_end << " to their end; killed in " << kills.text());
}
