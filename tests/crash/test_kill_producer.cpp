// Promise 4: a producer killed at any instruction harms no other producer and not the persister.
#include <catch2/catch.hpp>
#include <signal.h>
#include <atomic>
#include <random>

#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

TEST_CASE("two hundred killed producers disturb neither another one nor the sums", "[crash]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto ring = support::unique_ring();
  const auto database = (support::unique_folder() / "m.db").string();
  const ring::Geometry geometry{.lanes = 4, .lane_records = 1u << 14, .arena_bytes = 64 << 10};
  ring::Segment::open_or_create(ring, geometry);
  const auto log = support::unique_folder() / "log";
  support::Child persister({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--round-ms", "1", "--commit-ms",
                            "10", "--log-level", "warn"},
                           log);

  struct Steady {
    std::atomic<std::uint64_t> accepted, refused, stop;
  };
  auto& steady = support::shared<Steady>();
  support::Child other([&] {
    ring::Producer producer(ring, {.name = "steady"});
    const auto series = producer.gauge("steady");
    while (!steady.stop) {
      if (producer.push(series, static_cast<double>(steady.accepted)))
        ++steady.accepted;
      else
        ++steady.refused;
      const timespec pause{0, 50'000};
      ::nanosleep(&pause, nullptr);
    }
    return 0;
  });

  // Counted after each push returns, so a kill leaves at most one push that is published and not counted.
  struct Victim {
    std::atomic<std::uint64_t> accepted, refused;
  };
  const auto kills = static_cast<std::size_t>(support::rounds(200));
  auto* const victims = static_cast<Victim*>(support::shared_bytes(kills * sizeof(Victim)));
  std::size_t inert = 0;
  for (std::size_t i = 0; i < kills; ++i) {
    auto& victim = victims[i];
    support::Child child([&] {
      ring::Producer producer(ring, {.name = "victim"});
      if (!producer.attached()) return 1;
      const auto series = producer.gauge("victim_" + std::to_string(i));
      for (;;)
        if (producer.push(series, static_cast<double>(victim.accepted)))
          victim.accepted.fetch_add(1);
        else
          victim.refused.fetch_add(1);
    });
    ::usleep(static_cast<useconds_t>(random() % 8'000));
    inert += !child.running();
    child.kill();
  }
  CHECK(inert == 0);  // the lanes came back
  steady.stop = 1;
  CHECK(other.wait() == 0);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  INFO(support::read_file(log));
  CHECK(support::run({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--until-idle"}).status == 0);

  auto stored = support::stored_values(database);
  CHECK(steady.refused == 0);
  CHECK(stored["steady"].size() == steady.accepted);
  std::uint64_t accepted = steady.accepted, refused = 0, unknown = 0;
  for (std::size_t i = 0; i < kills; ++i) {
    const auto& values = stored["victim_" + std::to_string(i)];
    const auto surplus = values.size() - victims[i].accepted;
    INFO("victim " << i << " accepted " << victims[i].accepted << " stored " << values.size());
    CHECK(surplus <= 1);
    unknown += surplus;
    bool each_once = true;
    for (std::size_t k = 0; k < values.size(); ++k) each_once &= values[k] == static_cast<double>(k);
    CHECK(each_once);
    accepted += victims[i].accepted;
    refused += victims[i].refused;
  }
  const auto lost = static_cast<std::uint64_t>(support::query(database, "SELECT coalesce(sum(count), 0) FROM losses"));
  CHECK(static_cast<std::uint64_t>(support::query(database, "SELECT sum(stored) FROM cursors")) == accepted + unknown);
  CHECK(lost >= refused);
  CHECK(lost + unknown <= refused + kills);  // a kill between the refusal and its count here
  CHECK(static_cast<std::uint64_t>(support::query(database, "SELECT sum(count) FROM tier_1m")) == accepted + unknown);
  WARN(kills << " kills, " << accepted << " accepted, " << refused << " refused");
}
