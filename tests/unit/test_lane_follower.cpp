// test_lane_follower.cpp: reading along with a lane's producer, beside its reader.
#include <catch2/catch.hpp>

#include <atomic>
#include <optional>
#include <thread>

#include "lane_follower.hpp"
#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using inspect::LaneFollower;
using ring::abi::Mode;

namespace {

constexpr std::uint64_t no_limit = 1'000'000;

struct Lane {
  explicit Lane(Mode mode, std::uint32_t records = 64)
      : reader(name, {.lanes = 1, .lane_records = records, .arena_bytes = 4096, .mode = mode}) {
    producer.emplace(name, ring::Options{.name = "first"});
    series = producer->gauge("a");
  }
  void push(int count) {
    for (int i = 0; i < count; ++i, ++value) producer->push(series, value, static_cast<std::int64_t>(value));
  }
  std::string name = support::unique_ring();
  ring::Consumer reader;
  std::optional<ring::Producer> producer;
  ring::Series series;
  double value = 0;
};

std::vector<double> poll(LaneFollower& follower, std::uint64_t records_max = no_limit) {
  std::vector<double> out;
  follower.poll(records_max, [&](const ring::RecordCopy& record) { out.push_back(record.value); });
  return out;
}

}  // namespace

TEST_CASE("a follower gives each sample that comes once, also of a full lane and of one that wraps around", "[follower]") {
  Lane lane(GENERATE(Mode::drop_newest, Mode::overwrite_oldest));
  lane.push(5);
  LaneFollower follower(lane.reader.lane(0));
  CHECK(poll(follower).empty());
  lane.push(3);
  CHECK(poll(follower) == std::vector<double>{5, 6, 7});
  CHECK(poll(follower).empty());
  lane.push(40);
  CHECK(poll(follower).size() == 40);
  for (int i = 0; i < 10; ++i) {
    lane.reader.release(0, lane.producer->sequence());
    lane.push(30);
    const auto found = poll(follower);
    REQUIRE(found.size() == 30);
    CHECK(found.back() == lane.value - 1);
  }
  lane.reader.release(0, lane.producer->sequence());
  lane.push(64);  // a whole lap, of which nothing is stored
  CHECK(poll(follower).size() == 64);
  CHECK(follower.missed() == 0);
}

TEST_CASE("a follower that is late goes on where records are safe and counts what it missed", "[follower]") {
  Lane lane(Mode::drop_newest);
  LaneFollower follower(lane.reader.lane(0));
  const auto from = follower.next();
  lane.push(50);
  lane.reader.release(0, lane.producer->sequence());
  lane.push(50);
  const auto found = poll(follower);
  CHECK(found.size() == 50);
  CHECK(found.front() == 50);
  CHECK(follower.missed() == lane.producer->sequence() - from + 1 - found.size());

  Lane overwriting(Mode::overwrite_oldest);
  LaneFollower other(overwriting.reader.lane(0));
  overwriting.push(1000);
  const auto last = poll(other);
  CHECK(last.size() >= 32);
  CHECK(last.back() == 999);
  CHECK(other.missed() + last.size() == 1000);
}

TEST_CASE("a follower does not believe stored records that a drop-newest producer may be writing over", "[follower]") {
  Lane lane(Mode::drop_newest);
  lane.push(1);
  LaneFollower follower(lane.reader.lane(0));
  lane.push(50);
  lane.reader.release(0, lane.producer->sequence());
  lane.push(5);  // nine more, and the first of them would be written over
  CHECK(poll(follower).size() == 5);
  CHECK(follower.missed() == 50);
}

TEST_CASE("a follower reads definitions as they come, and another owner's anew", "[follower]") {
  Lane lane(Mode::drop_newest);
  lane.push(1);
  LaneFollower follower(lane.reader.lane(0));
  const auto later = lane.producer->counter("later_total");
  lane.producer->push(later, 7);
  CHECK(poll(follower) == std::vector<double>{7});
  REQUIRE(follower.series().size() == 2);
  CHECK(follower.series()[1].name == "later_total");
  lane.reader.release(0, lane.producer->sequence());
  lane.producer.reset();
  ring::Producer second(lane.name, {.name = "second"});
  second.push(second.gauge("b"), 9);
  CHECK(poll(follower) == std::vector<double>{9});
  CHECK(follower.arenas() == 1);
  REQUIRE(follower.series().size() == 1);
  CHECK(follower.series()[0].name == "b");
}

TEST_CASE("what a follower gives of a lane at work is whole, in order, and all but what it says it missed", "[follower]") {
  Lane lane(GENERATE(Mode::drop_newest, Mode::overwrite_oldest), 256);
  LaneFollower follower(lane.reader.lane(0));
  const auto from = follower.next();
  std::atomic<bool> goes_on{true};
  std::thread writes([&] {
    while (goes_on) {
      const auto before = lane.producer->sequence();
      lane.producer->push(lane.series, lane.value, static_cast<std::int64_t>(lane.value));
      lane.value += static_cast<double>(lane.producer->sequence() - before);
    }
  });
  std::thread reads([&] {
    struct Sink {
      void record(const ring::RecordCopy&) {}
      void overwritten(std::uint64_t, std::uint64_t) {}
    };
    for (std::uint64_t next = 1; goes_on; lane.reader.release(0, next - 1)) lane.reader.drain(0, next, 100, Sink{});
  });
  std::uint64_t seen = 0, last = 0;
  bool whole = true;
  for (int round = 0; round < support::rounds(50'000) || seen == 0; ++round)
    follower.poll(1000, [&](const ring::RecordCopy& record) {
      whole &= record.value == static_cast<double>(record.time_ns) && record.seq > last;
      last = record.seq;
      ++seen;
    });
  goes_on = false;
  writes.join();
  reads.join();
  CHECK(whole);
  CHECK(from + seen + follower.missed() == follower.next());
}

TEST_CASE("a follower may begin with a record that is there already, stored or not", "[follower]") {
  Lane lane(GENERATE(Mode::drop_newest, Mode::overwrite_oldest));
  lane.push(20);
  const auto tenth = lane.producer->sequence() - 10;  // the last ten are behind it
  lane.reader.release(0, tenth + 5);
  LaneFollower follower(lane.reader.lane(0), tenth + 1);
  CHECK(poll(follower) == std::vector<double>{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK(follower.missed() == 0);
  lane.push(1);
  CHECK(poll(follower) == std::vector<double>{20});
}
