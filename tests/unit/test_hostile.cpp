// test_hostile.cpp: rings in which something else than a producer has written.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "drain.hpp"
#include "ring/producer.hpp"
#include "store.hpp"
#include "stored.hpp"
#include "support.hpp"

using namespace ringdown;
using Catch::Contains;
using ring::abi::Mode;
using ring::words::store;

namespace {

ring::Geometry two_lanes(Mode mode) {
  return {.lanes = 2, .lane_records = 64, .arena_bytes = 4096, .mode = mode};
}

/// A ring whose lane 0 is to be damaged and whose lane 1 is not; both have ten samples.
struct HostileFixture {
  explicit HostileFixture(Mode mode = Mode::drop_newest) : geometry(two_lanes(mode)) {
    bad.emplace(name, ring::Options{.geometry = geometry, .name = "bad"});
    good.emplace(name, ring::Options{.geometry = geometry, .name = "good"});
    push(*bad, 10);
    push(*good, 10);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
  }
  ~HostileFixture() { spdlog::set_default_logger(before); }

  static void push(ring::Producer& p, int count) {
    const auto series = p.gauge("value");
    for (int i = 0; i < count; ++i) p.push(series, i, 1'000'000 * i);
  }
  void open() {
    drain.reset();
    database.reset();
    database.emplace(folder / "m.db");
    catalog.emplace(database->series(), database->last_producer());
    drain.emplace(name, geometry, *database, *catalog);
  }
  void round() {
    if (!drain) open();
    Batch batch;
    for (int i = 0; i < 100 && !drain->drain(batch, 1000); ++i) {
    }
    drain->add_cursors(batch);
    database->commit(batch);
    drain->release();
  }
  std::int64_t query(const std::string& sql) { return database->database().query_integer(sql); }
  std::int64_t stored(int of) {
    return query("SELECT coalesce(sum(stored), 0) FROM cursors WHERE lane = " + std::to_string(of));
  }
  std::int64_t lost() { return query("SELECT coalesce(sum(lost), 0) FROM cursors"); }
  void check_quarantined(const std::string& why) {
    CHECK_THAT(log.str(), Contains("lane 0: ") && Contains(why) &&
                              Contains("something else than a producer has written there"));
  }
  /// Whether the other lane is drained, also what comes later, and nothing was made up.
  void check_the_other() {
    CHECK(stored(1) == 10);
    push(*good, 5);
    round();
    CHECK(stored(1) == 15);
    CHECK(lost() == 0);
    CHECK(drain->fullness() <= 1);
  }

  ring::Geometry geometry;
  std::string name = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  std::ostringstream log;
  std::optional<ring::Producer> bad, good;
  ring::Segment segment = ring::Segment::open_or_create(name, geometry);
  ring::LaneView lane = segment.lane(0);
  std::optional<Store> database;
  std::optional<Catalog> catalog;
  std::optional<Drain> drain;
};

}  // namespace

TEST_CASE("a database that says more is stored than the lane can hold does not move its tail", "[hostile]") {
  for (const auto mode : {Mode::drop_newest, Mode::overwrite_oldest}) {
    HostileFixture f(mode);
    f.round();
    f.database->database().execute("UPDATE cursors SET next_seq = next_seq + 100 WHERE lane = 0");
    const auto tail = f.drain->consumer().tail(0);
    f.open();
    f.check_quarantined("the database has it stored up to record");
    CHECK(f.drain->consumer().tail(0) == tail);
  }
}

TEST_CASE("a ring truncated under its reader is given up, and another ring is drained on", "[hostile]") {
  HostileFixture f;
  f.round();
  const auto other_name = support::unique_ring();
  Drain other(other_name, f.geometry, *f.database, *f.catalog);
  ring::Producer p(other_name);
  HostileFixture::push(p, 10);
  f.bad.reset();
  f.good.reset();
  std::filesystem::resize_file("/dev/shm/" + ring::object_name(f.name), 8192);
  Batch batch;
  for (int i = 0; i < 3; ++i) f.drain->drain(batch, 1000);
  other.drain(batch, 1000);
  CHECK(batch.samples.size() == 10);
  CHECK(batch.losses.empty());
  CHECK_THAT(f.log.str(), Contains("ring " + f.name + ": its object was truncated"));
  CHECK(f.log.str().find("truncated") == f.log.str().rfind("truncated"));  // told once
}

TEST_CASE("a tail ahead of the records quarantines its lane, also after a restart", "[hostile]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const auto tail = GENERATE(std::uint64_t{1000}, std::uint64_t{1} << 40, std::uint64_t{1} << 62, ~std::uint64_t{0});
  HostileFixture f(mode);
  store(f.lane.header->tail, tail);
  f.round();
  f.check_quarantined("its tail " + std::to_string(tail) + " is ahead of its records");
  f.check_the_other();
  CHECK(ring::words::load(f.lane.header->tail) == tail);  // left as found
  f.open();
  f.round();
  CHECK(f.stored(0) == 0);
  CHECK(f.lost() == 0);
}

TEST_CASE("a sequence that no producer can have reached quarantines its lane", "[hostile]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const auto offset = GENERATE(std::uint64_t{1} << 63, std::uint64_t{1} << 61, std::uint64_t{1} << 50);
  HostileFixture f(mode);
  f.round();
  const auto next = f.bad->sequence() + 1;
  store(f.lane.slot(next).seq, next + offset);
  f.round();
  f.check_quarantined("record " + std::to_string(next));
  CHECK(f.stored(0) == 10);
  f.check_the_other();
}

TEST_CASE("a sequence in a slot where it does not belong quarantines its lane", "[hostile]") {
  HostileFixture f(Mode::overwrite_oldest);
  f.round();
  const auto next = f.bad->sequence() + 1;
  store(f.lane.slot(next).seq, next + 65);
  f.round();
  f.check_quarantined("slot holds");
  f.check_the_other();
}

TEST_CASE("a record wiped out is counted as corrupt, and its lane goes on", "[hostile]") {
  HostileFixture f;
  for (const auto seq : {9u, 12u, 13u}) store(f.lane.slot(seq).seq, 0);
  for (int i = 0; i < 3; ++i) f.round();
  // Of two in a row only the second is followed by a record: the first waits, as if it were being written.
  CHECK(f.stored(0) == 3);
  store(f.lane.slot(13).seq, 13);
  f.round();
  CHECK(f.stored(0) == 8);
  CHECK(f.query("SELECT sum(count) FROM losses WHERE reason = 'corrupt'") == 2);
  CHECK(f.stored(1) == 10);
}

TEST_CASE("records beyond a lane's length wait until the tail has moved", "[hostile]") {
  HostileFixture f;
  f.bad.reset();
  f.round();
  Batch batch;
  for (std::uint64_t seq = 18; seq < 18 + 3 * 64; ++seq) {  // as if nobody had ever looked at the tail
    ring::publish(f.lane.slot(seq), seq, 0, 0, 0);
    f.drain->drain(batch, 1000);
  }
  CHECK(batch.samples.size() == 64);
}

TEST_CASE("a loss counter that jumps by more than can be quarantines its lane", "[hostile]") {
  HostileFixture f;
  store(f.lane.header->losses[0], std::uint64_t{1} << 60);
  f.round();
  f.check_quarantined("lane_full jumps by 1152921504606846976");
  f.check_the_other();
}

TEST_CASE("counts of claims and control records are no sizes", "[hostile]") {
  HostileFixture f(Mode::overwrite_oldest);
  HostileFixture::push(*f.bad, 100);
  store(f.lane.header->claims, std::uint64_t{1} << 63);
  store(f.lane.header->controls, std::uint64_t{1} << 63);
  f.round();
  CHECK(f.stored(0) == 64);
  CHECK(f.query("SELECT count(*) FROM losses WHERE count > 117 OR count < 0") == 0);
  CHECK(f.stored(1) == 10);
}

TEST_CASE("definitions that lie about their length give corrupt samples, not series", "[hostile]") {
  HostileFixture f;
  auto* const length = reinterpret_cast<std::uint32_t*>(f.lane.arena);
  SECTION("a definition that goes beyond the arena's used bytes") { store(*length, 8192); }
  SECTION("a definition of no bytes") { store(*length, 0); }
  SECTION("a definition of an odd length") { store(*length, 17); }
  SECTION("a string that goes beyond its definition") {
    store(*(length + 4), 0xffff);
    const auto bytes = ring::words::load(*length);
    store(*(length + 1), ring::abi::fnv1a(f.lane.arena + 8, bytes - 8));
  }
  SECTION("an arena of more bytes than there are") { store(f.lane.header->defs_used, std::uint64_t{1} << 40); }
  f.round();
  CHECK(f.stored(0) == 0);
  CHECK(f.query("SELECT sum(count) FROM losses WHERE reason = 'corrupt' AND lane = 0") == 10);
  CHECK(f.stored(1) == 10);
  f.bad.reset();
  ring::Producer next(f.name, {.name = "next"});  // starts the arena afresh
  REQUIRE(next.lane() == 0);
  HostileFixture::push(next, 3);
  f.round();
  CHECK(f.stored(0) == 3);
}

TEST_CASE("an epoch that tells of losses that cannot be quarantines its lane at once", "[hostile]") {
  HostileFixture f;
  store(f.lane.slot(5).time_ns, std::int64_t{1} << 60);  // part 4: losses[2] and [3]
  f.round();
  f.check_quarantined("an epoch tells of 1152921504606846976 losses");
  CHECK(f.stored(0) == 0);
  CHECK(f.query("SELECT count(*) FROM producers WHERE lane = 0") == 0);
  f.check_the_other();
}

TEST_CASE("an arena that changes again and again is not read each time", "[hostile]") {
  HostileFixture f;
  f.bad.reset();
  f.round();
  auto seq = std::uint64_t{18};
  for (std::uint64_t arena = 1; arena < 8; ++arena)
    for (std::uint32_t part = 0; part < ring::abi::epoch_records; ++part, ++seq)
      ring::publish(f.lane.slot(seq), seq, 0, part == 0 ? arena : 0, ring::abi::control_epoch + part);
  f.round();
  f.check_quarantined("its arena was started afresh");
  f.check_the_other();
}

TEST_CASE("an owner whose identity stays half-written is nobody, and is read all the same", "[hostile]") {
  HostileFixture f(Mode::overwrite_oldest);
  HostileFixture::push(*f.bad, 200);  // its epoch is gone: the header names it
  store(f.lane.header->owner.version, 7);
  store(f.segment.header().reader.version, 7);
  f.round();
  CHECK(f.query("SELECT count(*) FROM producers WHERE lane = 0 AND name = '' AND pid = 0") == 1);
  CHECK(f.stored(0) == 64);
  CHECK(f.stored(1) == 10);
  const auto shown = support::run({RING_INSPECT_PATH, f.name});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("(unknown)") && !Contains("bad") && Contains("good"));
}

TEST_CASE("a lane that was claimed but never reserved is empty", "[hostile]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  auto geometry = two_lanes(mode);
  geometry.lane_records = 1 << 16;
  const auto name = support::unique_ring();
  const auto folder = support::unique_folder();
  Store database(folder / "m.db");
  Catalog catalog({}, 0);
  Drain drain(name, geometry, database, catalog);
  store(drain.consumer().lane(0).header->claims, 5);
  store(drain.consumer().lane(0).header->defs_used, 4096);
  Batch batch;
  CHECK(drain.drain(batch, 1000));
  CHECK(batch.empty());
  struct stat status{};
  ::fstat(drain.consumer().segment().descriptor(), &status);
  CHECK(status.st_blocks * 512 < 64 << 10);  // not read into existence
}

TEST_CASE("a lane that always has more does not keep the others from their turn", "[hostile]") {
  HostileFixture f;
  f.open();
  for (int i = 0; i < 4; ++i) {
    HostileFixture::push(*f.bad, 40);
    Batch batch;
    f.drain->drain(batch, 10);
    f.drain->add_cursors(batch);
    f.database->commit(batch);
    f.drain->release();
  }
  CHECK(f.stored(1) == 10);
}

TEST_CASE("a time stamp at the beginning of time is folded into the earliest bucket", "[hostile]") {
  HostileFixture f;
  f.bad->push(f.bad->gauge("value"), 1, std::numeric_limits<std::int64_t>::min());
  f.round();
  support::fold_all(f.database->database(), "tier_1s");
  CHECK(f.query("SELECT sum(count) FROM tier_1s") == 21);
  CHECK(f.query("SELECT min(bucket) FROM tier_1s") < -9'000'000'000);
  CHECK(f.query("SELECT max(bucket) FROM tier_1s") == 0);
  const auto shown = support::run({RING_INSPECT_PATH, f.name, "--records", "100"});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("1677-09-21"));
}

TEST_CASE("ring-inspect survives that a ring is truncated under it, and says so", "[hostile]") {
  const ring::Geometry large{.lanes = 1, .lane_records = 1 << 21, .arena_bytes = 4096, .mode = Mode::overwrite_oldest};
  const auto output = support::unique_folder() / "output";
  int status = 0;
  for (int attempt = 0; attempt < 20 && status == 0; ++attempt) {  // until it is caught at reading
    const auto name = support::unique_ring();
    const auto segment = ring::Segment::open_or_create(name, large);
    store(segment.lane(0).header->claims, 1);
    support::Child inspect({RING_INSPECT_PATH, name}, output);
    const auto maps = "/proc/" + std::to_string(inspect.pid()) + "/maps";
    while (inspect.running() && support::read_file(maps).find(name) == std::string::npos) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(attempt));
    std::filesystem::resize_file("/dev/shm/" + ring::object_name(name), 8192);
    status = inspect.wait();
    ring::Segment::remove(name);
  }
  CHECK(status == 1);
  CHECK_THAT(support::read_file(output), Contains("truncated"));
}
