// test_tiers.cpp: every tier equals a naive model, whatever the samples, the slices and the restarts.
#include <catch2/catch.hpp>

#include "tiers.hpp"

using namespace ringdown;
using tiers::second_ns;
using tiers::World;

namespace {

std::vector<tiers::Series> some_series() {
  const auto rule = [](ring::Kind kind, bool on_change) {
    SeriesRule out;
    out.aggregation = kind;
    out.carries = on_change || kind == ring::Kind::state;
    out.hold_ns = kind == ring::Kind::state && !on_change ? hold_state_ns : hold_ordered_ns;
    return tiers::Series{out, {}};
  };
  return {rule(ring::Kind::gauge, false), rule(ring::Kind::counter, false), rule(ring::Kind::state, false),
          rule(ring::Kind::state, true),  rule(ring::Kind::gauge, true),    rule(ring::Kind::counter, false)};
}

/// What control daemons do, and what they should not.
class Daemons {
 public:
  explicit Daemons(std::mt19937_64& random) : random_(random) {
    pace_ns_ = second_ns * static_cast<std::int64_t>(1 + random_() % 20);
    odd_ = 2 + random_() % 60;
  }
  std::vector<Sample> batch() {
    std::vector<Sample> out;
    for (auto i = random_() % 60; i > 0; --i) out.push_back(sample());
    if (random_() % 10 == 0) tiers::wall_ns() += static_cast<std::int64_t>(random_() % 5000) * second_ns;   // a gap
    if (random_() % 40 == 0) tiers::wall_ns() -= static_cast<std::int64_t>(random_() % 2000) * second_ns;   // a step
    return out;
  }

 private:
  Sample sample() {
    tiers::wall_ns() += static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(pace_ns_)) / 8;
    auto time_ns = tiers::wall_ns() - static_cast<std::int64_t>(random_() % 1000) * 1'000'000;
    const auto series = static_cast<std::uint32_t>(random_() % 6) + 1;
    if (random_() % odd_ == 0) time_ns -= static_cast<std::int64_t>(random_() % 4000) * second_ns;  // late
    if (random_() % (odd_ * 4) == 0) time_ns += static_cast<std::int64_t>(random_() % 600) * second_ns;  // early
    if (random_() % 10 == 0) time_ns = last_ns_;  // a duplicate, perhaps of another series
    last_ns_ = time_ns;
    return {time_ns, value(series), series};
  }
  double value(std::uint32_t series) {
    if (series == 2 || series == 6) {  // counters
      if (random_() % 30 == 0) total_ = 0;
      return total_ += static_cast<double>(random_() % 100);
    }
    if (series == 3 || series == 4) return static_cast<double>(random_() % 4);
    return random_() % 50 == 0 ? 1e308 : static_cast<double>(static_cast<std::int64_t>(random_() % 4001) - 2000) / 8;
  }

  std::mt19937_64& random_;
  std::int64_t pace_ns_, last_ns_ = tiers::wall_ns();
  std::uint64_t odd_;
  double total_ = 0;
};

}  // namespace

TEST_CASE("every tier equals the model through late, early and doubled samples, clock steps and restarts",
          "[tiers][property]") {
  const auto seed = support::test_seed();
  for (int round = 0; round < support::rounds(200); ++round) {
    const auto round_seed = seed + static_cast<std::uint64_t>(round);
    INFO("RINGDOWN_SEED=" << round_seed << " RINGDOWN_ROUNDS=1");
    std::mt19937_64 random(round_seed);
    tiers::wall_ns() = 1'700'000'000 * second_ns;
    World world(some_series());
    Daemons daemons(random);
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
