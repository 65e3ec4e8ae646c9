// test_inspect_dump.cpp: what ring-inspect writes out of a ring: all that is still in it, whole, and the ring
// untouched.
#include <catch2/catch.hpp>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "inspect_fixture.hpp"
#include "inspect_snapshot.hpp"
#include "ring/consumer.hpp"
#include "stored.hpp"

using Catch::Contains;
using ring::abi::Mode;

namespace {

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// As a reader that stores up to `seq` and then dies.
void release(const InspectFixture& f, std::uint64_t seq) { ring::Consumer(f.ring, f.geometry).release(0, seq); }

}  // namespace

TEST_CASE("a dump has every sample that is in the ring, stored or not, in the order of time", "[dump]") {
  const InspectFixture f(Mode::drop_newest);
  f.push(9);  // 7 epoch records, then 30 samples
  release(f, 20);
  const auto before = support::read_file("/dev/shm/ringdown-" + f.ring);
  const bool is_copy = GENERATE(false, true);
  const auto run = f.inspect({is_copy ? f.copy() : f.ring, "--dump"});
  CHECK(run.status == 0);
  const auto rows = lines(run.output);
  REQUIRE(rows.size() == 32);
  CHECK(rows[0] == "time_s,name,labels,value,state");
  CHECK(rows[1] == R"(1700000000.000000000,rtt_ms,"{wan=""spectrum""}",20,)");
  CHECK(rows[2] == "1700000000.000000000,cycles_total,,0,");
  CHECK(rows[3] == "1700000000.000000000,mode,,0,GREEN");
  CHECK(rows[29] == "1700000000.450000000,cycles_total,,9,");
  CHECK(rows[31] == "ring-inspect: 30 samples written");
  CHECK(support::read_file("/dev/shm/ringdown-" + f.ring) == before);
}

TEST_CASE("a dump into a database is what a persister would have stored, and proves it", "[dump]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const InspectFixture f(mode);
  f.push(300);
  release(f, 40);
  const bool is_copy = GENERATE(false, true);
  const auto name = is_copy ? f.copy() : f.ring;
  const auto before = support::read_file("/dev/shm/ringdown-" + f.ring);
  const auto database = (f.folder / "dump.db").string();
  const auto run = f.inspect({name, "--dump-db", database});
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(support::read_file("/dev/shm/ringdown-" + f.ring) == before);
  const auto csv = lines(f.inspect({name, "--dump"}).output);
  const auto stored = support::query(database, "SELECT sum(stored) FROM cursors");
  CHECK(static_cast<std::size_t>(stored) == csv.size() - 2);
  // Of a live lane that is full, the stored records whose slots come next are not believed any more.
  CHECK(stored == (mode == Mode::overwrite_oldest ? 64 : is_copy ? 57 : 47));
  CHECK(support::query(database, "SELECT sum(count) FROM tier_1h") == stored);  // old as they are
  CHECK(support::query(database, "SELECT count(*) FROM rings WHERE name = '" + f.ring + "'") == 1);
  CHECK(support::query(database, "SELECT count(*) FROM producers WHERE name = 'controller'") == 1);
  if (mode == Mode::drop_newest)
    CHECK(support::query(database, "SELECT sum(count) FROM losses WHERE reason = 'lane_full'") == 846);
  CHECK(support::run({RING_PERSISTER_PATH, "verify", "--db", database}).status == 0);
  const auto again = f.inspect({name, "--dump-db", database});
  CHECK(again.status == 1);
  CHECK_THAT(again.output, Contains(database) && Contains("it is there already"));
}

TEST_CASE("what another owner's definitions meant is left out of a dump, and what cannot be believed is told",
          "[dump]") {
  const InspectFixture f(Mode::drop_newest);
  f.push(9);
  release(f, f.producer->sequence());
  f.producer.reset();
  ring::Producer next(f.ring, {.name = "successor"});
  REQUIRE(next.push(next.gauge("successors_own"), 7, InspectFixture::first_ns));
  const auto rows = lines(f.inspect({f.ring, "--dump"}).output);
  REQUIRE(rows.size() == 3);
  CHECK_THAT(rows[1], Contains("successors_own,,7,"));
  const auto copy = f.copy();
  f.poke(copy, 4096 + 4096 + 4096 + (next.sequence() & 63) * 32 + 16, 5);
  const auto damaged = f.inspect({copy, "--dump"});
  CHECK(damaged.status == 0);
  CHECK_THAT(damaged.output, Contains("1 records that cannot be believed are left out") && Contains("--check"));
}

TEST_CASE("a snapshot of a ring at work has whole records without a gap", "[dump]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const ring::Geometry geometry{.lanes = 2, .lane_records = 256, .arena_bytes = 4096, .mode = mode};
  const auto name = support::unique_ring();
  ring::Consumer reader(name, geometry);
  std::atomic<bool> goes_on{true};
  std::thread writes([&] {
    ring::Producer producer(name);
    const auto series = producer.gauge("a");
    for (std::int64_t i = 0; goes_on;) i += producer.push(series, static_cast<double>(i), i);
  });
  std::thread reads([&] {
    struct Sink {
      void record(const ring::RecordCopy&) {}
      void overwritten(std::uint64_t, std::uint64_t) {}
    };
    for (std::uint64_t next = 1; goes_on; reader.release(0, next - 1)) reader.drain(0, next, 100, Sink{});
  });
  while (!reader.used(0) || reader.tail(0) < 1000) std::this_thread::yield();
  const auto live = ring::Segment::inspect(name);
  std::uint64_t seen = 0;
  bool whole = true;
  for (int i = 0; i < support::rounds(10000); ++i) {
    const auto copy = inspect::take_snapshot(live);
    const auto lane = copy.lane(0);
    const auto end = ring::find_head(lane);
    ring::RecordCopy record;
    for (auto seq = ring::words::load(lane.header->tail) + 1; seq < end; ++seq, ++seen) {
      whole &= ring::read(lane, seq, record) == ring::Read::record;
      if (!record.is_control()) whole &= record.value == static_cast<double>(record.time_ns);
      if (!record.is_control()) whole &= record.seq == static_cast<std::uint64_t>(record.time_ns) + 8;
    }
  }
  goes_on = false;
  writes.join();
  reads.join();
  CHECK(whole);
  CHECK(seen > 0);
}
