// life.hpp: some batches, and the slices of maintenance between them, made up before they are run: by a process that is
// killed, through a power cut or on a failing disk.
#pragma once

#include "daemons.hpp"

namespace tiers {

/// Everything is kept, or little more than a few hours of all but the hours themselves.
inline ringdown::Rules some_rules(bool keeps_all) {
  constexpr auto ever = ringdown::forever_s;
  const auto ages = keeps_all ? ringdown::Ages{ever, ever, ever, ever, ever}
                              : ringdown::Ages{3600, 900, 2 * 3600, 6 * 3600, ever};
  return {ringdown::Tiers{ages, 0}, rules_of(some_series())};
}

class Life {
 public:
  explicit Life(std::mt19937_64& random, int count = 8) {
    wall_ns() += static_cast<std::int64_t>(random() % 3 * 3600) * second_ns;  // nothing ran: much is due at once
    Daemons daemons(random);
    for (; count > 0; --count) {
      auto samples = daemons.batch();
      batches.push_back({std::move(samples), wall_ns(), random()});
    }
    steps_ = std::array<std::int64_t, 3>{1, 7, 100}[random() % 3];
  }
  void commit(World& world, std::size_t b) const {
    wall_ns() = batches[b].wall_ns;
    world.commit(batches[b].samples);
  }
  /// Slices of all jobs after a batch. `attempt(job)` calls job(), and sees to what it throws.
  template <class Attempt>
  void work(World& world, std::size_t b, const Attempt& attempt) const {
    std::mt19937_64 random(batches[b].seed);
    if (random() % 4 == 0) attempt([&] { world.database().execute("PRAGMA cache_size = 10"); });  // spills
    for (auto slices = random() % 40; slices > 0; --slices) {
      const auto job = random() % (World::jobs + 2);
      const bool everything = random() % 100 == 0;
      attempt([&] {
        if (job < World::jobs) world.slice(job, wall_ns(), everything, steps_);
        if (job == World::jobs) world.retain_slice(wall_ns(), steps_);
        if (job > World::jobs) world.database().checkpoint_passive();
      });
    }
    if (random() % 2 == 0) attempt([&] { world.work(wall_ns()); });
    if (random() % 2 == 0) attempt([&] { world.retain(wall_ns()); });
    if (random() % 8 == 0) attempt([&] { world.restart(); });
  }
  void work(World& world, std::size_t b) const {
    work(world, b, [](const auto& job) { job(); });
  }
  /// Samples of the first batches.
  std::size_t samples(std::size_t count) const {
    std::size_t out = 0;
    for (std::size_t b = 0; b < std::min(count, batches.size()); ++b) out += batches[b].samples.size();
    return out;
  }

  struct Planned {
    std::vector<ringdown::Sample> samples;
    std::int64_t wall_ns;
    std::uint64_t seed;
  };
  std::vector<Planned> batches;

 private:
  std::int64_t steps_;
};

}  // namespace tiers
