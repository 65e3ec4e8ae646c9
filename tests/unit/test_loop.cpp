// test_loop.cpp: when the persister's loop does what.
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "loop.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace std::chrono_literals;

namespace {

std::int64_t clock_ahead_ns = 0;
std::function<void()> at_clock;  // what happens elsewhere while the loop looks at the clock
std::int64_t set_clock_ns() {
  if (at_clock) at_clock();
  return realtime_ns() + clock_ahead_ns;
}

struct Fixture {
  explicit Fixture(std::uint32_t lane_records = 1024) {
    settings.rings = {support::unique_ring()};
    settings.database = folder / "m.db";
    settings.store.wall_ns = &set_clock_ns;
    settings.geometry = {.lanes = 2, .lane_records = lane_records, .arena_bytes = 4096};
    producer.emplace(settings.rings.front(), ring::Options{.geometry = settings.geometry});
    series = producer->gauge("g");
    loop.emplace(settings);
  }
  ~Fixture() {
    loop.reset();
    std::filesystem::remove_all(folder);
  }
  Loop::Clock::duration pause_after(int samples) {
    for (int i = 0; i < samples; ++i) REQUIRE(producer->push(series, i, i));
    now += 100ms;
    const auto next = loop->round(now);
    REQUIRE(next);
    return *next - now;
  }

  std::filesystem::path folder = support::unique_folder();
  Settings settings;
  std::optional<ring::Producer> producer;
  ring::Series series;
  std::optional<Loop> loop;
  Loop::Clock::time_point now = Loop::Clock::now();
};

}  // namespace

TEST_CASE("the next round comes before a lane that fills quickly is half full", "[loop]") {
  Fixture f;
  f.pause_after(0);
  CHECK(f.pause_after(0) == 100ms);
  CHECK(f.pause_after(200) == 100ms);  // a fifth
  const auto pause = f.pause_after(700);
  CHECK(pause > 1ms);
  CHECK(pause < 50ms);  // at this rate, a quarter
  CHECK(f.pause_after(0) == 100ms);
}

TEST_CASE("a round takes all that a lane holds, and the next comes in time", "[loop]") {
  Fixture f(1 << 16);
  f.pause_after(0);
  CHECK(f.pause_after(15'000) > 99ms);  // several turns of drain() in each other lane's way
  CHECK(f.pause_after(0) == 100ms);
  f.loop->hand_over();
  CHECK(ring::words::load(ring::Segment::inspect(f.settings.rings.front()).lane(0).header->tail) == f.producer->sequence());
}

TEST_CASE("a clock that is set is recorded, one that goes on is not", "[loop]") {
  clock_ahead_ns = 0;
  Fixture f;
  f.pause_after(1);
  f.pause_after(1);
  clock_ahead_ns = 3'600'000'000'000;
  f.pause_after(1);
  f.pause_after(1);
  clock_ahead_ns = 0;
  f.pause_after(1);
  f.loop.reset();
  Database database(f.settings.database, Database::Access::read_only);
  CHECK(database.query_integer("SELECT count(*) FROM clock_steps") == 2);
  CHECK(database.query_integer("SELECT round(step_ns / 1e9) FROM clock_steps WHERE id = 1") == 3600);
  CHECK(database.query_integer("SELECT round(step_ns / 1e9) FROM clock_steps WHERE id = 2") == -3600);
}

TEST_CASE("a deleted ring that its producer leaves at any point of a round has been drained to the end", "[loop]") {
  std::uint64_t reached = 0;
  for (std::uint64_t at = 1; at <= reached + 1; ++at) {
    Fixture f;
    f.pause_after(1);
    f.loop->round(f.now += 2s);  // commits
    std::uint64_t looks = 0;
    at_clock = [&] {
      if (++looks != at) return;
      ring::Segment::remove(f.settings.rings.front());
      for (int i = 0; i < 10; ++i) REQUIRE(f.producer->push(f.series, i, i));  // into the deleted one
      REQUIRE(f.producer->maintain());
      for (int i = 0; i < 10; ++i) REQUIRE(f.producer->push(f.series, i, 10 + i));
    };
    f.loop->round(f.now += 2s);
    reached = std::max(reached, looks);
    if (looks < at) at_clock();
    for (int i = 0; i < 3; ++i) f.loop->round(f.now += 2s);
    at_clock = nullptr;
    f.loop.reset();
    INFO("left at look " << at << " at the clock, of " << reached);
    CHECK(Database(f.settings.database, Database::Access::read_only).query_integer("SELECT sum(stored) FROM cursors") == 21);
  }
  CHECK(reached >= 3);
}

TEST_CASE("maintenance that does not come to its end takes more time, up to its limit, until it has caught up", "[loop]") {
  const auto folder = support::unique_folder();
  {
    Store store(folder / "m.db");
    Maintenance maintenance(store.database(), Rules{}, 0.8);
    const auto start = Maintenance::Clock::now();
    CHECK(maintenance.share(start + 1s) == 0.25);
    CHECK(maintenance.share(start + 20s) == 0.5);
    CHECK(maintenance.share(start + 22s) == 0.8);
    CHECK(maintenance.lateness(start + 23s) >= 22s);
    Budget budget;
    while (maintenance.run(Fold::everything, realtime_ns(), start + 23s, budget)) {
    }
    CHECK(maintenance.lateness(start + 24s) == 1s);
    CHECK(maintenance.share(start + 24s) == 0.25);
  }
  std::filesystem::remove_all(folder);
}
