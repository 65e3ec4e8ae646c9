// test_cut_jobs.cpp: power cuts amid every job of maintenance. Of what was not synced the disk keeps what it likes; what
// is there afterwards is sound, has all that was durable, and its tiers go on to equal the model of the batches that
// survived.
#include <algorithm>
#include <catch2/catch.hpp>

#include "at_work.hpp"
#include "disk.hpp"
#include "life.hpp"
#include "verify.hpp"

using storage::Job;
using tiers::Life;
using tiers::World;

namespace {

constexpr int cuts_default = support::is_sanitized ? 33 : 198;

/// The power fails in the Nth call of a job.
class JobDisk : public storage::Disk {
 public:
  JobDisk(const std::filesystem::path& folder, std::mt19937_64& random, Job job, int nth)
      : Disk(folder, random), job_(job), left_(nth) {}
  storage::Verdict before(const storage::Event& event) override {
    if (is_cut()) return Disk::before(event);
    const auto job = storage::at_work(event);
    ++calls_in.of(job);
    if (job == job_ && --left_ == 0) {
      cut_in = job;
      cut_at(calls() + 1);
    }
    return Disk::before(event);
  }
  Job cut_in = Job::none;
  storage::ByJob calls_in;

 private:
  Job job_;
  int left_;
};

/// Runs a life until its end or the cut. @return how many of its commits returned
std::size_t live(const Life& life, World& world, const JobDisk& disk) {
  std::size_t commits = 0;
  try {
    world.restart();
    for (std::size_t b = 0; b < life.batches.size(); ++b) {
      life.commit(world, b);
      ++commits;
      life.work(world, b);
    }
  } catch (const ringdown::SqliteError& e) {
    INFO(e.what());
    CHECK(disk.is_cut());
  }
  world.end();
  return commits;
}

}  // namespace

TEST_CASE("after a power cut inside any job the tiers are sound and go on to equal the model", "[storage][power]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  constexpr int lives = 11;
  storage::watch_jobs();
  std::mt19937_64 random(seed);
  std::optional<World> world;
  storage::ByJob cuts, calls;
  calls.fill(20);
  storage::Disk::Counts writes;
  int at_the_end = 0, lost_commits = 0;
  const int rounds = support::rounds(cuts_default);
  const auto wants_more = [&](int lives_so_far) {  // some jobs have little to do, and a life may not come to them
    if (rounds < cuts_default || lives_so_far >= 8 * rounds) return false;
    return std::find(cuts.begin() + 1, cuts.end(), 0) != cuts.end();
  };
  for (int i = 0; i < rounds || wants_more(i); ++i) {
    INFO("life " << i);
    if (i % lives == 0) {
      tiers::wall_ns() = 1'700'000'000 * tiers::second_ns;
      world.emplace(tiers::some_series(), tiers::some_rules(i / lives % 3 == 0));
      world->end();
    }
    const Life life(random);
    const auto before = world->expected();
    const auto target = static_cast<Job>(1 + static_cast<std::size_t>(i) % (storage::job_count - 1));
    JobDisk disk(world->folder(), random, target, 1 + static_cast<int>(random() % static_cast<unsigned>(calls.of(target))));
    std::size_t durable = before;
    disk.synced = [&](const std::string& path) {
      if (path.ends_with("-wal")) durable = world->expected();
    };
    const auto commits = live(life, *world, disk);
    disk.is_cut() ? ++cuts.of(disk.cut_in) : ++at_the_end;
    if (disk.calls_in.of(target) > 0) calls.of(target) = disk.calls_in.of(target);
    disk.restart();
    writes.kept += disk.counts().kept;
    writes.dropped += disk.counts().dropped;
    writes.torn += disk.counts().torn;

    World left(*world, support::unique_folder());
    const auto stored = left.stored();
    lost_commits += stored < before + life.samples(commits);
    CHECK(stored >= durable);
    world->expect_no_more_than(before);
    std::size_t whole = 0;
    while (whole < commits + 1 && whole < life.batches.size() && before + life.samples(whole) < stored)
      world->expect(life.batches[whole++].samples);
    REQUIRE(world->expected() == stored);  // a whole number of commits
    left.expect_as(*world);
    CHECK(left.query("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    const auto verified = [&] {
      const auto found = ringdown::verify(left.database(), [](const std::string&, double) {});
      INFO(ringdown::verified_text(found));
      CHECK(found.findings() == 0);
    };
    verified();
    left.settle();
    left.check();
    verified();
  }
  for (std::size_t job = 1; job < storage::job_count; ++job) {
    INFO(storage::job_names[job]);
    if (rounds >= cuts_default) CHECK(cuts[job] > 0);
  }
  WARN(rounds << " lives, " << at_the_end << " to their end; cut in " << cuts.text() << "; writes not synced: "
              << writes.kept << " kept, " << writes.dropped << " dropped, " << writes.torn
              << " torn; cuts that lost a commit: " << lost_commits);
}
