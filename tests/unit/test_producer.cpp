#include <catch2/catch.hpp>
#include <signal.h>
#include <unistd.h>
#include <optional>
#include <thread>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ring;

namespace {

const Geometry small{.lanes = 2, .lane_records = 64, .arena_bytes = 4096};

}  // namespace

TEST_CASE("the same series defined twice is one series", "[producer]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small});
  REQUIRE(p.attached());
  const auto a = p.gauge("rtt", {{"wan", "x"}, {"direction", "up"}}, "ms");
  CHECK(p.gauge("rtt", {{"direction", "up"}, {"wan", "x"}}, "ms") == a);
  CHECK_FALSE(p.gauge("rtt", {{"wan", "y"}, {"direction", "up"}}, "ms") == a);
  CHECK_THROWS_AS(p.gauge("no good"), Error);
  CHECK(detail::read_arena(Segment::open(ring).lane(p.lane())).size() == 2);
}

TEST_CASE("two producers have a lane each and the third is inert and says why", "[producer]") {
  const auto ring = support::unique_ring();
  auto first = std::make_unique<Producer>(ring, Options{.geometry = small});
  Producer second(ring);
  CHECK(first->lane() != second.lane());
  Producer third(ring);
  CHECK_FALSE(third.attached());
  CHECK(third.failure() == Failure::no_free_lane);
  CHECK_THAT(third.why(), Catch::Contains("2 of 2 lanes are taken"));
  const auto series = third.gauge("a");
  CHECK_FALSE(third.push(series, 1));
  CHECK(third.lost(abi::Loss::detached) == 1);
  first.reset();  // frees its lane
  CHECK(third.maintain());
  CHECK(third.why().empty());
  CHECK(third.push(series, 2));  // the handle from before is good
  CHECK(third.lost(abi::Loss::detached) == 1);
}

TEST_CASE("a ring that may not be created leaves an inert producer", "[producer]") {
  Producer p(support::unique_ring(), {.create = false});
  CHECK_FALSE(p.attached());
  CHECK(p.failure() == Failure::no_ring);
  CHECK_FALSE(p.push(p.counter("a_total"), 1));
}

TEST_CASE("a full arena makes the series inert and not the producer", "[producer]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small});
  std::vector<Series> all;
  for (int i = 0; i < 200; ++i) all.push_back(p.gauge("series_number_" + std::to_string(i)));
  CHECK(p.failure() == Failure::arena_full);
  CHECK_THAT(p.why(), Catch::Contains("4 KiB of definitions are full"));
  CHECK(p.push(all.front(), 1));
  CHECK_FALSE(p.push(all.back(), 1));
  CHECK(p.lost(abi::Loss::unknown_series) == 1);
}

TEST_CASE("one series too many is inert, and its producer and its lane say so", "[producer]") {
  const Options roomy{.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4 << 20}, .name = "plant"};
  const auto ring = support::unique_ring();
  std::optional<Producer> p(std::in_place, ring, roomy);
  const auto define = [&](std::uint32_t n) { return p->gauge("s", {{"n", std::to_string(n)}}); };
  std::vector<Series> all;
  for (std::uint32_t n = 0; n < abi::series_max; ++n) all.push_back(define(n));
  CHECK(p->why().empty());
  CHECK(p->push(all.back(), 1));

  const auto beyond = define(abi::series_max);
  CHECK(p->failure() == Failure::arena_full);
  CHECK_THAT(p->why(), Catch::Contains("65535 series already"));
  CHECK_FALSE(p->push(beyond, 1));
  CHECK(p->lost(abi::Loss::unknown_series) == 1);
  CHECK(define(7) == all[7]);

  p.emplace(ring, roomy);  // the lane keeps the definitions of an owner of this name
  CHECK(p->push(define(9), 1));
  CHECK_FALSE(p->push(define(abi::series_max), 1));
  CHECK_THAT(p->why(), Catch::Contains("full at 65535 series"));
}

TEST_CASE("a restarted producer takes the lane that holds its definitions and reuses their ids", "[producer]") {
  const auto ring = support::unique_ring();
  const Options mine{.geometry = small, .name = "controller"};
  std::uint32_t lane = 9;
  {
    Producer other(ring, {.geometry = small, .name = "other"});
    Producer p(ring, mine);
    lane = p.lane();
    p.push(p.gauge("rtt"), 1);
  }
  Producer again(ring, mine);
  CHECK(again.lane() == lane);
  again.gauge("jitter");
  again.gauge("rtt");
  const auto arena = detail::read_arena(Segment::open(ring).lane(lane));
  REQUIRE(arena.size() == 2);
  CHECK(arena[0].name == "rtt");
}

TEST_CASE("an arena does not fill up over different owners once their records are stored", "[producer]") {
  const auto ring = support::unique_ring();
  const Geometry one{.lanes = 1, .lane_records = 64, .arena_bytes = 4096};
  Consumer consumer(ring, one);
  for (int i = 0; i < 300; ++i) {
    INFO(i);
    Producer p(ring, {.name = "owner" + std::to_string(i)});
    REQUIRE(p.attached());
    REQUIRE(p.push(p.gauge("a_rather_long_series_name_of_owner_" + std::to_string(i)), 1));
    consumer.release(0, p.sequence());
  }
}

TEST_CASE("an arena whose records are not stored yet is not started afresh", "[producer]") {
  const auto ring = support::unique_ring();
  const Geometry one{.lanes = 1, .lane_records = 64, .arena_bytes = 4096};
  { Producer p(ring, {.geometry = one, .name = "first"}); p.push(p.gauge("a"), 1); }
  { Producer p(ring, {.geometry = one, .name = "second"}); p.push(p.gauge("b"), 1); }
  CHECK(detail::read_arena(Segment::open(ring).lane(0)).size() == 2);
}

TEST_CASE("sequences go on over owners and the epoch names each", "[producer]") {
  const auto ring = support::unique_ring();
  const Geometry one{.lanes = 1, .lane_records = 64, .arena_bytes = 4096};
  const Consumer consumer(ring, one);
  for (int i = 0; i < 3; ++i) { Producer p(ring, {.name = "owner" + std::to_string(i)}); p.push(p.gauge("a"), i); }
  struct Sink {
    EpochReader epochs;
    std::vector<std::string> names;
    void record(const RecordCopy& r) { if (r.is_control() && epochs.take(r)) names.push_back(epochs.epoch().holder.name()); }
    void overwritten(std::uint64_t, std::uint64_t) { FAIL(); }
  } sink;
  std::uint64_t next = 1;
  CHECK(consumer.drain(0, next, 1000, sink));
  CHECK(next == 3 * (abi::epoch_records + 1) + 1);
  CHECK(sink.names == std::vector<std::string>{"owner0", "owner1", "owner2"});
}

TEST_CASE("two producers of one process push from two threads", "[producer][threads]") {
  const auto ring = support::unique_ring();
  const Geometry geometry{.lanes = 2, .lane_records = 1024, .arena_bytes = 4096};
  const auto work = [&] {
    Producer p(ring, {.geometry = geometry});
    const auto series = p.gauge("a");
    std::uint64_t accepted = 0;
    for (int i = 0; i < 2000; ++i) accepted += p.push(series, i);
    return accepted == 1024 - abi::epoch_records && p.lost() == 2000 - accepted;
  };
  bool ok[2];
  std::thread other([&] { ok[1] = work(); });
  ok[0] = work();
  other.join();
  CHECK((ok[0] && ok[1]));
}

namespace {
Producer* interrupted = nullptr;
Series interrupted_series;
volatile sig_atomic_t handler_pushes = 0;
volatile sig_atomic_t handler_accepted = 0;
}  // namespace

TEST_CASE("the counter's clock stays with the realtime clock over many anchors", "[producer]") {
  if (!CounterClock::available()) {
    WARN("not tested: this processor has no steady counter");
    return;
  }
  constexpr std::int64_t apart_ns_max = 20'000;  // of a rate learned in 10 ms, and of a virtual machine's pauses
  CounterClock clock;
  for (int i = 0; i < 200; ++i) {
    clock.sync();
    if (i % 20 == 0) ::usleep(20'000);  // far enough from the anchor for a wrong rate to show
    const auto before = clock_ns(CLOCK_REALTIME);
    const auto now = clock.now_ns();
    const auto after = clock_ns(CLOCK_REALTIME);
    CHECK(now >= before - apart_ns_max);
    CHECK(now <= after + apart_ns_max);
  }
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small, .clock = Clock::counter});
  const auto before = clock_ns(CLOCK_REALTIME);
  REQUIRE(p.push(p.gauge("a"), 1));
  const auto segment = Segment::open(ring);
  RecordCopy record;
  REQUIRE(read(segment.lane(p.lane()), p.sequence(), record) == Read::record);
  CHECK(record.time_ns >= before - apart_ns_max);
  CHECK(record.time_ns <= clock_ns(CLOCK_REALTIME) + apart_ns_max);
}

TEST_CASE("a push from a signal handler is stored or counted and disturbs nothing", "[producer]") {
  const auto ring = support::unique_ring();
  const Geometry geometry{.lanes = 1, .lane_records = 1u << 18, .arena_bytes = 4096};
  Producer p(ring, {.geometry = geometry});
  interrupted_series = p.gauge("a");
  interrupted = &p;
  struct sigaction action{};
  action.sa_handler = [](int) {
    handler_pushes = handler_pushes + 1;
    handler_accepted = handler_accepted + interrupted->push(interrupted_series, -1, 0);
  };
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval often{{0, 200}, {0, 200}}, never{};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  std::uint64_t accepted = 0, pushes = 0;
  for (; pushes < 200'000; ++pushes) accepted += p.push(interrupted_series, static_cast<double>(pushes), 1);
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::signal(SIGALRM, SIG_DFL);
  CHECK(accepted == pushes);
  const auto counted = p.lost(abi::Loss::reentrant);
  CHECK(static_cast<std::uint64_t>(handler_pushes - handler_accepted) == counted);
  CHECK(p.sequence() == abi::epoch_records + accepted + static_cast<std::uint64_t>(handler_accepted));
}

TEST_CASE("maintain finds a ring that was deleted or replaced and says what was left in the old one", "[producer]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small});
  const auto a = p.gauge("a"), b = p.gauge("b");
  p.push(a, 1);
  CHECK(p.maintain());
  CHECK(p.left_behind() == 0);
  Segment::remove(ring);
  const bool replaced = GENERATE(true, false);
  std::optional<Segment> other;
  if (replaced) other = Segment::open_or_create(ring, Geometry{.lanes = 8, .lane_records = 128, .arena_bytes = 8192});
  p.push(a, 2);  // the loop cannot see it
  CHECK(p.maintain());
  CHECK(p.left_behind() == abi::epoch_records + 2);
  CHECK(p.push(b, 3));
  const auto now = Segment::open(ring);
  CHECK(now.geometry().lanes == (replaced ? 8 : 2));
  CHECK(find_head(now.lane(p.lane())) == abi::epoch_records + 2);
  CHECK(detail::read_arena(now.lane(p.lane())).size() == 2);
}

TEST_CASE("maintain leaves a producer inert when the ring is gone and may not be created", "[producer]") {
  const auto ring = support::unique_ring();
  const auto segment = Segment::open_or_create(ring, small);
  Producer p(ring, {.create = false});
  const auto a = p.gauge("a");
  Segment::remove(ring);
  CHECK_FALSE(p.maintain());
  CHECK(p.failure() == Failure::no_ring);
  CHECK_FALSE(p.push(a, 1));
  CHECK(p.lost(abi::Loss::detached) == 1);
  CHECK_FALSE(lock::is_held(segment.descriptor(), 0));
}

namespace {
struct LatePusher {
  Producer* producer = nullptr;
  Series series;
  ~LatePusher() { pushed_late = producer && producer->push(series, 1, 1); }
  static inline std::atomic<int> pushed_late{-1};
};
}  // namespace

TEST_CASE("a thread's exit frees its lane and a push in a later destructor is refused", "[producer][threads]") {
  const auto ring = support::unique_ring();
  const auto segment = Segment::open_or_create(ring, small);
  const auto before = Writer::none()->detached();
  std::thread([&] {
    thread_local LatePusher late;  // made first, destroyed last
    thread_local Producer producer(ring);
    late.producer = &producer;
    late.series = producer.gauge("a");
    CHECK(producer.push(late.series, 1));
    CHECK(lock::is_held(segment.descriptor(), producer.lane()));
  }).join();
  CHECK(LatePusher::pushed_late == 0);
  CHECK(Writer::none()->detached() == before + 1);
  CHECK_FALSE(lock::is_held(segment.descriptor(), 0));
}

TEST_CASE("an exec closes the descriptor and frees the lane", "[producer]") {
  const auto ring = support::unique_ring();
  auto& ready = support::shared<std::atomic<int>>();
  support::Child child([&] {
    const Producer p(ring, {.geometry = small});
    ready = p.attached();
    return ::execl("/bin/sleep", "sleep", "100", nullptr);
  });
  while (support::read_file("/proc/" + std::to_string(child.pid()) + "/comm") != "sleep\n") ::usleep(1000);
  CHECK(ready == 1);
  // The name changes a moment before the last reference to the object is gone; ctest's timeout bounds the wait.
  while (lock::is_held(Segment::inspect(ring).descriptor(), 0)) ::usleep(1000);
}
