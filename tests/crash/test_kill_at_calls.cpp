// Promise 2 once more, at chosen points: the persister is killed just before or just after a system call. Between two
// calls nothing that outlives it changes but the ring's tails and SQLite's shared memory, which a call follows soon.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <random>

#include "at_calls.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace {

constexpr int kills_default = support::is_sanitized ? 40 : 400;

}  // namespace

TEST_CASE("killed at any system call of its life the persister loses and doubles nothing, in no tier", "[crash]") {
  const auto mode = GENERATE(ring::abi::Mode::drop_newest, ring::abi::Mode::overwrite_oldest);
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed << (mode == ring::abi::Mode::drop_newest ? ", drop-newest" : ", overwrite-oldest"));
  std::mt19937_64 random(seed);
  const auto ring = support::unique_ring();
  const auto database = (support::unique_folder() / "m.db").string();
  ring::Producer producer(ring, {.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4096, .mode = mode}});
  const auto series = producer.counter("a");
  std::int64_t accepted = 0, refused = 0;
  // Half a minute from sample to sample, some of them up to an hour late, and all of another year: so that every kill
  // comes amid buckets of all tiers, some to be made again and some to be deleted.
  const auto push = [&] {
    for (auto count = random() % 50; count > 0; --count) {
      const auto late_s = random() % 20 == 0 ? static_cast<std::int64_t>(random() % 3600) : 0;
      const auto time_ns = (accepted * 30 - late_s) * 1'000'000'000;
      (producer.push(series, static_cast<double>(accepted), time_ns) ? accepted : refused) += 1;
    }
  };
  const auto verify = [&] {
    const auto run = support::run({RING_PERSISTER_PATH, "verify", "--quiet", "--db", database});
    INFO(run.output);
    CHECK(run.status == 0);
  };
  const std::vector<std::string> command{RING_PERSISTER_PATH, "--ring",       ring,          "--db",      database,
                                         "--until-idle",      "--durability", "full",        "--log-level", "error",
                                         "--maintenance-budget-ms", "1"};
  constexpr int loading = 150;  // stops before its main()
  const int whole = crash::live_until(command, 1'000'000);
  REQUIRE(whole > 2 * loading);
  const int kills = support::rounds(kills_default);
  constexpr int verified_every = 20;
  for (int i = 0; i < kills; ++i) {
    push();
    crash::live_until(command, loading + static_cast<int>(random() % static_cast<unsigned>(whole - loading)));
    if (i % verified_every == 0) verify();
  }
  push();
  CHECK(support::run(command).status == 0);
  verify();

  const auto values = support::stored_values(database)["a"];
  const auto kept = static_cast<std::int64_t>(values.size());
  const auto overwritten =
      support::query(database, "SELECT coalesce(sum(count), 0) FROM losses WHERE reason = 'overwritten'");
  CHECK(std::is_sorted(values.begin(), values.end(), std::less_equal<>()));  // each once, in order
  CHECK(kept + overwritten == accepted);
  if (mode == ring::abi::Mode::drop_newest) CHECK(overwritten == 0);
  CHECK(support::query(database, "SELECT coalesce(sum(count), 0) FROM losses") == refused + overwritten);
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1h") == kept);
  CHECK(support::query(database, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
  WARN(kills << " kills among " << whole << " stops of a life; " << accepted << " accepted (" << overwritten
             << " overwritten), " << refused << " refused; "
             << support::query(database, "SELECT sum(count) FROM anomalies WHERE kind IN ('redone', 'not_redone')")
             << " buckets made again, " << support::query(database, "SELECT count(*) FROM tier_1h") << " hours");
}
