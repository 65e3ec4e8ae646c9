// test_tiers.cpp: every tier equals a naive model, whatever the samples, the slices and the restarts.
#include <catch2/catch.hpp>

#include "daemons.hpp"

using namespace ringdown;
using tiers::second_ns;
using tiers::World;

TEST_CASE("every tier equals the model through late, early and doubled samples, clock steps and restarts",
          "[tiers][property]") {
  const auto seed = support::test_seed();
  for (int round = 0; round < support::rounds(support::is_sanitized ? 50 : 200); ++round) {
    const auto round_seed = seed + static_cast<std::uint64_t>(round);
    INFO("RINGDOWN_SEED=" << round_seed << " RINGDOWN_ROUNDS=1");
    std::mt19937_64 random(round_seed);
    tiers::wall_ns() = 1'700'000'000 * second_ns;
    World world(tiers::some_series());
    tiers::Daemons daemons(random);
    const auto steps = std::array<std::int64_t, 3>{1, 7, 1000}[random() % 3];
    for (int b = 0; b < 40; ++b) {
      world.commit(daemons.batch());
      for (auto slices = random() % 20; slices > 0; --slices)
        world.slice(random() % World::jobs, tiers::wall_ns(), random() % 100 == 0, steps);
      if (random() % 10 == 0) world.restart();
      if (random() % 15 == 0) world.finish();
    }
    // Until what was early is not any more.
    tiers::wall_ns() += 7200 * second_ns;
    world.commit({{tiers::wall_ns(), 1, 1}});
    world.finish();
    world.check();
    if (Catch::getResultCapture().lastAssertionPassed() == false) break;
  }
}
