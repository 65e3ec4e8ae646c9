// Promise 2: a record for which push() returned true is stored exactly once through kill -9 of the persister; when the
// ring overwrites its oldest, once or counted as overwritten.
#include <catch2/catch.hpp>
#include <algorithm>
#include <atomic>
#include <functional>
#include <random>

#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace {

constexpr int kills_default = support::is_sanitized ? 60 : 500;

struct Pushed {
  std::atomic<std::uint64_t> accepted{0}, refused{0};
};

/// Pushes 0, 1, 2, ... in bursts; a refused number is tried again as the next push.
int push_numbers(const std::string& ring, const std::string& name, const std::atomic<int>& stop, Pushed& pushed) {
  ring::Producer producer(ring, {.create = false, .name = name});
  if (!producer.attached()) return 1;
  const auto series = producer.gauge(name);
  std::uint64_t accepted = 0, refused = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    (producer.push(series, static_cast<double>(accepted)) ? accepted : refused) += 1;
    if ((accepted + refused) % 256 == 0) ::usleep(300);
  }
  pushed.accepted = accepted;
  pushed.refused = refused;
  return producer.lost() == refused ? 0 : 2;
}

}  // namespace

TEST_CASE("every accepted record is stored once through five hundred kills of the persister", "[crash]") {
  constexpr std::size_t producers = 4;
  const auto mode = GENERATE(ring::abi::Mode::drop_newest, ring::abi::Mode::overwrite_oldest);
  const bool overwrites = mode == ring::abi::Mode::overwrite_oldest;
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed << (overwrites ? ", overwrite-oldest" : ", drop-newest"));
  std::mt19937_64 random(seed);
  const auto ring = support::unique_ring();
  const auto database = (support::unique_folder() / "m.db").string();
  const auto log = support::unique_folder() / "log";
  const auto segment = ring::Segment::open_or_create(ring, {.lanes = producers, .lane_records = 1024, .arena_bytes = 4096, .mode = mode});
  auto& stop = support::shared<std::atomic<int>>();
  auto& pushed = support::shared<std::array<Pushed, producers>>();
  const auto name = [](std::size_t i) { return std::string(1, static_cast<char>('a' + i)); };
  std::vector<support::Child> children;
  for (std::size_t i = 0; i < producers; ++i)
    children.emplace_back([&, i] { return push_numbers(ring, name(i), stop, pushed[i]); });

  const std::vector<std::string> command{RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--round-ms", "1",
                                         "--commit-ms", "2", "--durable-within", "1", "--log-level", "warn"};
  const int kills = support::rounds(kills_default);
  for (int i = 0; i < kills; ++i) {
    support::Child persister(command, log);
    const bool while_it_opens = random() % 4 == 0;
    while (!while_it_opens && !ring::lock::is_held(segment.descriptor(), ring::abi::lock_reader) && persister.running())
      ::usleep(500);
    ::usleep(static_cast<useconds_t>(random() % 30'000));
    CHECK(persister.running());  // it neither failed nor ended by itself
    persister.kill();
  }
  stop = 1;
  for (auto& child : children) CHECK(child.wait() == 0);
  auto last = command;
  last.push_back("--until-idle");
  CHECK(support::run(last).status == 0);
  INFO(support::read_file(log));

  const auto stored = support::stored_values(database);
  std::int64_t accepted = 0, refused = 0, kept = 0;
  for (std::size_t i = 0; i < producers; ++i) {
    const auto& values = stored.at(name(i));
    CHECK(std::is_sorted(values.begin(), values.end(), std::less_equal<>()));  // each once, in order
    CHECK(values.back() == static_cast<double>(pushed[i].accepted - 1));
    if (!overwrites) CHECK(values.size() == pushed[i].accepted);
    kept += static_cast<std::int64_t>(values.size());
    accepted += static_cast<std::int64_t>(pushed[i].accepted);
    refused += static_cast<std::int64_t>(pushed[i].refused);
  }
  const auto overwritten = support::query(database, "SELECT sum(count) FROM losses WHERE reason = 'overwritten'");
  CHECK(kept + overwritten == accepted);
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1s") == kept);
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1m") == kept);
  CHECK(support::query(database, "SELECT sum(stored) FROM cursors") == kept);
  CHECK(support::query(database, "SELECT sum(count) FROM losses") == refused + overwritten);
  CHECK(support::query(database, "SELECT sum(lost) FROM cursors") == refused + overwritten);
  CHECK(support::query(database, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
  WARN(kills << " kills, " << accepted << " accepted (" << overwritten << " overwritten), " << refused << " refused, "
             << support::query(database, "SELECT count(*) FROM batches") << " batches");
}
