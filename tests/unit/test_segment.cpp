#include <catch2/catch.hpp>
#include <fstream>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ring;

namespace {

const Geometry small{.lanes = 4, .lane_records = 64, .arena_bytes = 4096};

Failure failure_of(const auto& action, std::string* text = nullptr) {
  try {
    action();
  } catch (const Error& e) {
    if (text) *text = e.what();
    return e.failure();
  }
  return Failure::none;
}

/// Overwrites bytes of a ring's object.
void poke(const std::string& ring, std::streamoff at, std::uint32_t value) {
  std::fstream file("/dev/shm/" + object_name(ring), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

TEST_CASE("the second to come adopts the geometry it finds", "[segment]") {
  const auto name = support::unique_ring();
  const auto first = Segment::open_or_create(name, small);
  const auto second = Segment::open_or_create(name, Geometry{});
  CHECK(second.geometry() == small);
  CHECK(second.generation() == first.generation());
  CHECK(first.generation() != Segment::open_or_create(support::unique_ring(), small).generation());
}

TEST_CASE("a race of twenty creators leaves one valid ring", "[segment]") {
  for (int round = 0; round < support::rounds(10); ++round) {
    const auto name = support::unique_ring();
    auto& go = support::shared<std::atomic<int>>();
    auto& generations = support::shared<std::array<Generation, 20>>();
    std::vector<support::Child> creators;
    for (std::uint32_t i = 0; i < 20; ++i)
      creators.emplace_back([&, i] {
        while (!go) {
        }
        const auto segment = Segment::open_or_create(name, {.lanes = 1 + i, .lane_records = 64, .arena_bytes = 4096});
        generations[i] = segment.generation();
        return 0;
      });
    go = 1;
    for (auto& creator : creators) CHECK(creator.wait() == 0);
    const auto segment = Segment::open(name);
    for (const auto& generation : generations) CHECK(generation == segment.generation());
    Segment::remove(name);
  }
}

TEST_CASE("a creator killed at any point leaves a ring that the next one completes", "[segment]") {
  const auto name = support::unique_ring();
  { Segment::open_or_create(name, small); }
  poke(name, 0, 0);  // all but the magic, which comes last
  poke(name, 4, 0);
  CHECK(failure_of([&] { Segment::open(name); }) == Failure::foreign);
  const Geometry other{.lanes = 2, .lane_records = 128, .arena_bytes = 4096};
  CHECK(Segment::open_or_create(name, other).geometry() == other);
}

TEST_CASE("only the lanes in use take memory", "[segment]") {
  const auto name = support::unique_ring();
  const auto segment = Segment::open_or_create(name, Geometry{});
  struct stat before{}, after{};
  ::fstat(segment.descriptor(), &before);
  const Producer producer(name);
  REQUIRE(producer.attached());
  ::fstat(segment.descriptor(), &after);
  CHECK(before.st_blocks * 512 < 1 << 20);
  const auto grown = static_cast<std::uint64_t>(after.st_blocks - before.st_blocks) * 512;
  CHECK(grown + abi::page_bytes == segment.geometry().lane_bytes());
}

TEST_CASE("an object that is no ring of ours is told apart and left alone", "[segment]") {
  const auto name = support::unique_ring();
  { Segment::open_or_create(name, small); }
  std::string text;
  SECTION("not ours") {
    poke(name, 0, 0x12345678);
    CHECK(failure_of([&] { Segment::open_or_create(name, small); }, &text) == Failure::foreign);
    CHECK_THAT(text, Catch::Contains("RINGDOWN"));
  }
  SECTION("another major version") {
    poke(name, 8, 7);
    CHECK(failure_of([&] { Segment::open(name); }, &text) == Failure::bad_version);
    CHECK_THAT(text, Catch::Contains("ABI version 7, this program speaks 1"));
  }
  SECTION("any changed header word") {
    for (const std::streamoff at : {16, 32, 36, 40, 44, 48, 56, 64, 72, 76}) {
      const auto other = support::unique_ring();
      { Segment::open_or_create(other, small); }
      poke(other, at, 0x7fffffff);
      CHECK(failure_of([&] { Segment::open(other); }) == Failure::foreign);
    }
  }
  SECTION("truncated") {
    std::filesystem::resize_file("/dev/shm/" + object_name(name), 5000);
    CHECK(failure_of([&] { Segment::open(name); }, &text) == Failure::foreign);
    CHECK_THAT(text, Catch::Contains("truncated: 5000 of"));
  }
  SECTION("no ring at all") {
    Segment::remove(name);
    CHECK(failure_of([&] { Segment::open(name); }, &text) == Failure::no_ring);
  }
}

TEST_CASE("bad names and geometries are refused with what was found and expected", "[segment]") {
  CHECK(failure_of([] { object_name("a/b"); }) == Failure::bad_argument);
  CHECK(failure_of([] { object_name(""); }) == Failure::bad_argument);
  std::string text;
  CHECK(failure_of([] { check({.lane_records = 1000}); }, &text) == Failure::bad_argument);
  CHECK_THAT(text, Catch::Contains("lane_records 1000") && Catch::Contains("power of two"));
  CHECK(failure_of([] { check({.lanes = 0}); }) == Failure::bad_argument);
  CHECK(failure_of([] { check({.arena_bytes = 5000}); }) == Failure::bad_argument);
}

TEST_CASE("a second reader is refused and told who holds the ring", "[segment]") {
  const auto name = support::unique_ring();
  const Consumer first(name, small);
  std::string text;
  CHECK(failure_of([&] { Consumer(name, small); }, &text) == Failure::busy);
  CHECK_THAT(text, Catch::Contains("pid " + std::to_string(::getpid())));
}

TEST_CASE("a copy in a file is read as the ring was, and what is written to it stays in the process", "[segment]") {
  const auto name = support::unique_ring();
  const Geometry geometry{.lanes = 2, .lane_records = 64, .arena_bytes = 4096};
  const auto segment = Segment::open_or_create(name, geometry);
  Producer producer(name);
  producer.push(producer.gauge("a"), 1);
  const auto path = (support::unique_folder() / object_name(name)).string();
  std::filesystem::copy_file("/dev/shm/" + object_name(name), path);
  const auto bytes = support::read_file(path);
  {
    Consumer reader(Segment::open_copy(path));
    CHECK(reader.segment().ring() == name);
    CHECK(reader.segment().generation() == segment.generation());
    CHECK(reader.segment().is_copy());
    CHECK(find_head(reader.lane(0)) == producer.sequence() + 1);
    reader.release(0, producer.sequence());
    CHECK(reader.tail(0) == producer.sequence());
  }
  CHECK(support::read_file(path) == bytes);
  std::filesystem::resize_file(path, bytes.size() - 5000);
  const auto rest = Segment::open_copy(path);
  CHECK(rest.missing_bytes() == 5000);
  CHECK(find_head(rest.lane(0)) == producer.sequence() + 1);
  CHECK(find_head(rest.lane(1)) == 1);
}
