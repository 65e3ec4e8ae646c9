// Promise 2: a record for which push() returned true is stored exactly once through kill -9 of the persister.
#include <catch2/catch.hpp>
#include <atomic>
#include <random>

#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace {

struct Pushed {
  std::atomic<std::uint64_t> accepted{0}, refused{0};
};

/// Pushes 0, 1, 2, ... at full speed; a refused number is tried again as the next push.
int push_numbers(const std::string& ring, const std::string& name, const std::atomic<int>& stop, Pushed& pushed) {
  ring::Producer producer(ring, {.create = false, .name = name});
  if (!producer.attached()) return 1;
  const auto series = producer.gauge(name);
  std::uint64_t accepted = 0, refused = 0;
  while (!stop.load(std::memory_order_relaxed))
    (producer.push(series, static_cast<double>(accepted)) ? accepted : refused) += 1;
  pushed.accepted = accepted;
  pushed.refused = refused;
  return producer.lost() == refused ? 0 : 2;
}

}  // namespace

TEST_CASE("every accepted record is stored once through two hundred kills of the persister", "[crash]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto ring = support::unique_ring();
  const auto database = (support::unique_folder() / "m.db").string();
  const auto log = support::unique_folder() / "log";
  const ring::Geometry geometry{.lanes = 3, .lane_records = 1024, .arena_bytes = 4096};
  ring::Segment::open_or_create(ring, geometry);
  auto& stop = support::shared<std::atomic<int>>();
  auto& pushed = support::shared<std::array<Pushed, 2>>();
  support::Child a([&] { return push_numbers(ring, "a", stop, pushed[0]); });
  support::Child b([&] { return push_numbers(ring, "b", stop, pushed[1]); });

  const std::vector<std::string> command{RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--round-ms", "1",
                                         "--commit-ms", "2", "--log-level", "warn"};
  const int kills = support::rounds(200);
  for (int i = 0; i < kills; ++i) {
    support::Child persister(command, log);
    ::usleep(static_cast<useconds_t>(random() % 60'000));
    CHECK(persister.running());  // it neither failed nor ended by itself
    persister.kill();
  }
  stop = 1;
  CHECK(a.wait() == 0);
  CHECK(b.wait() == 0);
  auto last = command;
  last.push_back("--until-idle");
  CHECK(support::run(last).status == 0);
  INFO(support::read_file(log));

  const auto stored = support::stored_values(database);
  std::int64_t accepted = 0, refused = 0;
  for (int i = 0; i < 2; ++i) {
    const auto& values = stored.at(i == 0 ? "a" : "b");
    CHECK(values.size() == pushed[static_cast<std::size_t>(i)].accepted);
    bool each_once = true;
    for (std::size_t k = 0; k < values.size(); ++k) each_once &= values[k] == static_cast<double>(k);
    CHECK(each_once);
    accepted += static_cast<std::int64_t>(pushed[static_cast<std::size_t>(i)].accepted);
    refused += static_cast<std::int64_t>(pushed[static_cast<std::size_t>(i)].refused);
  }
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1s") == accepted);
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1m") == accepted);
  CHECK(support::query(database, "SELECT sum(stored) FROM cursors") == accepted);
  CHECK(support::query(database, "SELECT sum(count) FROM losses") == refused);
  CHECK(support::query(database, "SELECT sum(lost) FROM cursors") == refused);
  CHECK(support::query(database, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
  WARN(kills << " kills, " << accepted << " accepted, " << refused << " refused, "
             << support::query(database, "SELECT count(*) FROM batches") << " batches");
}
