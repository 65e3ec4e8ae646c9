// test_c_api.cpp: every function of ring/ring.h: what it does, refuses and survives.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <set>
#include <thread>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "ring/ring.h"
#include "support.hpp"

using Catch::Contains;
using Catch::Equals;

namespace {

thread_local int allocations_left = std::numeric_limits<int>::max();

ring_options small() {
  ring_options options{};
  options.size = sizeof options;
  options.lanes = 2;
  options.lane_records = 64;
  options.arena_bytes = 4096;
  return options;
}

/// A producer of its own ring.
struct Open {
  std::string ring = support::unique_ring();
  ring_producer* producer = nullptr;
  explicit Open(ring_options options = small()) {
    REQUIRE(ring_open(&producer, ring.c_str(), &options) == RING_OK);
  }
  ~Open() { ring_close(producer); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  operator ring_producer*() const { return producer; }
};

ring::LaneView lane_of(const ring::Segment& segment) { return segment.lane(0); }

std::vector<ring::Definition> definitions_in(const std::string& ring) {
  return ring::detail::read_arena(lane_of(ring::Segment::inspect(ring)));
}

/// The samples in lane 0, without the seven records of the claim.
std::vector<ring::abi::Record> samples_in(const std::string& ring) {
  const auto segment = ring::Segment::inspect(ring);
  std::vector<ring::abi::Record> out;
  for (std::uint64_t n = 8; n < 64 && ring::words::load(lane_of(segment).slot(n).seq) == n; ++n)
    out.push_back(lane_of(segment).slot(n));
  return out;
}

int open_with(const ring_options& options) {
  ring_producer* producer = reinterpret_cast<ring_producer*>(1);
  const int code = ring_open(&producer, support::unique_ring().c_str(), &options);
  CHECK((code == RING_OK) == (producer != nullptr));
  ring_close(producer);
  return code;
}

}  // namespace

// libring_c's allocations come here as well: the dynamic linker finds the program's operator new first.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left-- <= 0) throw std::bad_alloc();
  if (void* at = std::malloc(size ? size : 1)) return at;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocations_left-- > 0 ? std::malloc(size ? size : 1) : nullptr;
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }

TEST_CASE("C: samples arrive as pushed, with the time that was given or the producer's clock", "[c]") {
  const auto clock = GENERATE(std::uint32_t{RING_CLOCK_REALTIME}, std::uint32_t{RING_CLOCK_COARSE},
                              std::uint32_t{RING_CLOCK_COUNTER});
  auto options = small();
  options.clock = clock;
  const Open p(options);
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0), b = ring_gauge(p, "b", nullptr, nullptr, 0);
  CHECK(ring_push(p, a, 1.5, 1234));
  const auto before = ring::clock_ns(CLOCK_REALTIME_COARSE);
  CHECK(ring_push_now(p, b, -2));
  const auto after = ring::clock_ns(CLOCK_REALTIME);
  const auto samples = samples_in(p.ring);
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].time_ns == 1234);
  CHECK(samples[0].series == static_cast<std::uint64_t>(a));
  CHECK(std::bit_cast<double>(samples[0].value) == 1.5);
  CHECK(samples[1].time_ns >= before);
  CHECK(samples[1].time_ns <= after);
  CHECK(samples[1].series == static_cast<std::uint64_t>(b));
}

TEST_CASE("C: push_many publishes pairs under one time stamp and counts what it refuses", "[c]") {
  auto options = small();
  options.lane_records = 1024;
  const Open p(options);
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0);
  CHECK(ring_push_many(p, 7, nullptr, nullptr, 0) == 0);
  std::vector<ring_series> series(600, a);
  std::vector<double> values(600, 3);
  series[300] = 9;
  series[301] = RING_BAD_ARGUMENT;
  values[599] = std::nan("");
  CHECK(ring_push_many(p, 7, series.data(), values.data(), 600) == 597);
  CHECK(ring_lost(p, RING_LOST_UNKNOWN_SERIES) == 2);
  CHECK(ring_lost(p, RING_LOST_NON_FINITE) == 1);
  CHECK(samples_in(p.ring).at(20).time_ns == 7);
  CHECK(ring_push_many(p, 8, series.data(), values.data(), 600) == 1024 - 7 - 597);
  CHECK(ring_lost_total(p) == 1200 - (1024 - 7));
}

TEST_CASE("C: definitions carry kind, unit, labels and states, and the same one twice is one", "[c]") {
  const Open p;
  const ring_label labels[] = {{"wan", "x"}, {"direction", "up"}};
  const char* const states[] = {"GREEN", "RED"};
  const auto rtt = ring_gauge(p, "rtt", "ms", labels, 2);
  const auto bytes = ring_counter(p, "bytes_total", "B", labels, 1);
  const auto mode = ring_state(p, "mode", labels, 1, states, 2);
  CHECK(std::set{rtt, bytes, mode} == std::set{0, 1, 2});
  CHECK(ring_gauge(p, "rtt", "ms", labels, 2) == rtt);
  CHECK(ring_gauge(p, "rtt", nullptr, labels, 2) == 3);  // no unit: another series
  const auto all = definitions_in(p.ring);
  REQUIRE(all.size() == 4);
  CHECK(all[0] == ring::Definition{ring::Kind::gauge, "rtt", "ms", {{"direction", "up"}, {"wan", "x"}}, {}});
  CHECK(all[1] == ring::Definition{ring::Kind::counter, "bytes_total", "B", {{"wan", "x"}}, {}});
  CHECK(all[2] == ring::Definition{ring::Kind::state, "mode", "", {{"wan", "x"}}, {"GREEN", "RED"}});
}

TEST_CASE("C: a bad name, label, unit or state is refused with a text and defines nothing", "[c]") {
  const Open p;
  const auto refused = [&](ring_series series, const char* text) {
    CHECK(series == RING_BAD_ARGUMENT);
    CHECK_THAT(ring_last_error(), Contains(text));
    CHECK_FALSE(ring_push_now(p, series, 1));
  };
  const auto with_label = [&](const char* key, const char* value) {
    const ring_label label{key, value};
    return ring_gauge(p, "a", nullptr, &label, 1);
  };
  const ring_label twice[] = {{"wan", "x"}, {"wan", "y"}};
  const std::vector<ring_label> many(33, {"wan", "x"});
  const char* const same[] = {"RED", "RED"};
  const char* const null_state[] = {nullptr};
  const std::vector<const char*> states(65, "RED");
  refused(ring_gauge(p, "no good", nullptr, nullptr, 0), "series name \"no good\"");
  refused(ring_gauge(p, "", nullptr, nullptr, 0), "series name \"\"");
  refused(ring_counter(p, nullptr, nullptr, nullptr, 0), "series name is NULL");
  refused(ring_counter(p, "a", std::string(64, 'm').c_str(), nullptr, 0), "unit of series a");
  refused(with_label("no:colon", "x"), "label name of series a \"no:colon\"");
  refused(with_label("__name__", "x"), "does not begin with __");
  refused(with_label("wan", "\xff"), "UTF-8");
  refused(with_label(nullptr, "x"), "a label's key is NULL");
  refused(with_label("wan", nullptr), "a label's value is NULL");
  refused(ring_gauge(p, "a", nullptr, nullptr, 1), "labels is NULL");
  refused(ring_gauge(p, "a", nullptr, twice, 2), "each label once");
  refused(ring_gauge(p, "a", nullptr, many.data(), many.size()), "at most 32 labels");
  refused(ring_state(p, "a", nullptr, 0, nullptr, 0), "1 to 64 state names");
  refused(ring_state(p, "a", nullptr, 0, nullptr, 1), "states is NULL");
  refused(ring_state(p, "a", nullptr, 0, null_state, 1), "a state's name is NULL");
  refused(ring_state(p, "a", nullptr, 0, same, 2), "names that are not empty and differ");
  refused(ring_state(p, "a", nullptr, 0, states.data(), states.size()), "1 to 64 state names");
  CHECK(definitions_in(p.ring).empty());
  CHECK(ring_lost(p, RING_LOST_UNKNOWN_SERIES) == 17);
  CHECK(ring_failure(p) == RING_OK);
}

TEST_CASE("C: without a producer every function is harmless", "[c]") {
  const ring_label label{"wan", "x"};
  const char* const state = "RED";
  const ring_series series = 0;
  const double value = 1;
  CHECK(ring_gauge(nullptr, "a", nullptr, &label, 1) == RING_BAD_ARGUMENT);
  CHECK_THAT(ring_last_error(), Contains("producer is NULL"));
  CHECK(ring_counter(nullptr, "a", nullptr, &label, 1) == RING_BAD_ARGUMENT);
  CHECK(ring_state(nullptr, "a", nullptr, 0, &state, 1) == RING_BAD_ARGUMENT);
  CHECK_FALSE(ring_push(nullptr, 0, 1, 1));
  CHECK_FALSE(ring_push_now(nullptr, 0, 1));
  CHECK(ring_push_many(nullptr, 1, &series, &value, 1) == 0);
  CHECK_FALSE(ring_maintain(nullptr));
  CHECK_FALSE(ring_attached(nullptr));
  CHECK_THAT(ring_why(nullptr), Contains("no producer"));
  CHECK(ring_failure(nullptr) == RING_BAD_ARGUMENT);
  CHECK(ring_lost(nullptr, RING_LOST_LANE_FULL) == 0);
  CHECK(ring_lost_total(nullptr) == 0);
  CHECK(ring_left_behind(nullptr) == 0);
  ring_close(nullptr);
}

TEST_CASE("C: open refuses bad arguments, leaves no producer and no ring", "[c]") {
  CHECK(ring_open(nullptr, "a", nullptr) == RING_BAD_ARGUMENT);
  CHECK_THAT(ring_last_error(), Contains("producer is NULL"));
  ring_producer* producer = reinterpret_cast<ring_producer*>(1);
  CHECK(ring_open(&producer, nullptr, nullptr) == RING_BAD_ARGUMENT);
  CHECK(producer == nullptr);
  CHECK(ring_open(&producer, "a/b", nullptr) == RING_BAD_ARGUMENT);
  CHECK_THAT(ring_last_error(), Contains("ring name \"a/b\""));
  const auto refused = [](auto change, const char* text) {
    auto options = small();
    change(options);
    CHECK(open_with(options) == RING_BAD_ARGUMENT);
    CHECK_THAT(ring_last_error(), Contains(text));
  };
  refused([](auto& o) { o.lanes = 1025; }, "lanes 1025");
  refused([](auto& o) { o.lane_records = 100; }, "lane_records 100");
  refused([](auto& o) { o.arena_bytes = 4097; }, "arena_bytes 4097");
  refused([](auto& o) { o.mode = 2; }, "mode 2");
  refused([](auto& o) { o.clock = 3; }, "clock is 3");
  refused([](auto& o) { o.must_exist = 2; }, "must_exist is 2");
}

TEST_CASE("C: options of another size are refused unless what is unknown is zero", "[c]") {
  struct Newer {
    ring_options known = small();
    std::uint64_t unknown = 0;
  } newer;
  newer.known.size = sizeof newer;
  CHECK(open_with(newer.known) == RING_OK);
  newer.unknown = 1;
  CHECK(open_with(newer.known) == RING_BAD_ARGUMENT);
  CHECK_THAT(ring_last_error(), Contains("upgrade it"));
  for (const std::size_t size :
       {std::size_t{0}, sizeof(ring_options) - 1, std::size_t{4097}, ~std::size_t{0}}) {
    newer.known.size = size;
    CHECK(open_with(newer.known) == RING_BAD_ARGUMENT);
    CHECK_THAT(ring_last_error(), Contains("ring_options.size is " + std::to_string(size)));
  }
}

TEST_CASE("C: what the environment lacks gives an inert producer that says why and attaches later", "[c]") {
  const auto ring = support::unique_ring();
  auto options = small();
  options.must_exist = 1;
  ring_producer* p = nullptr;
  REQUIRE(ring_open(&p, ring.c_str(), &options) == RING_OK);
  CHECK_FALSE(ring_attached(p));
  CHECK(ring_failure(p) == RING_NO_RING);
  CHECK_THAT(ring_why(p), Contains(ring) && Contains("No such file"));
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0);
  CHECK(a >= 0);
  CHECK_FALSE(ring_push(p, a, 1, 1));
  CHECK(ring_push_many(p, 1, &a, std::vector<double>{2}.data(), 1) == 0);
  CHECK(ring_lost(p, RING_LOST_DETACHED) == 2);
  CHECK_FALSE(ring_maintain(p));
  options.must_exist = 0;
  ring_producer* creator = nullptr;
  REQUIRE(ring_open(&creator, ring.c_str(), &options) == RING_OK);
  CHECK(ring_maintain(p));
  CHECK(ring_attached(p));
  CHECK(ring_failure(p) == RING_OK);
  CHECK_THAT(ring_why(p), Equals(""));
  CHECK(ring_push(p, a, 3, 3));  // the handle from before is good
  CHECK(ring_lost_total(p) == 2);

  ring_producer* third = nullptr;
  REQUIRE(ring_open(&third, ring.c_str(), nullptr) == RING_OK);
  CHECK(ring_failure(third) == RING_NO_FREE_LANE);
  ring_close(creator);
  CHECK(ring_maintain(third));
  ring_close(third);
  ring_close(p);
}

TEST_CASE("C: a foreign object and another ABI version are told apart", "[c]") {
  const Open p;
  const auto segment = ring::Segment::open(p.ring);
  ring::words::store(segment.header().version_major, ring::abi::version_major + 1);
  ring_producer* other = nullptr;
  REQUIRE(ring_open(&other, p.ring.c_str(), nullptr) == RING_OK);
  CHECK(ring_failure(other) == RING_BAD_VERSION);
  ring::words::store(segment.header().magic, std::uint64_t{1});
  CHECK_FALSE(ring_maintain(other));
  CHECK(ring_failure(other) == RING_FOREIGN);
  ring_close(other);
}

TEST_CASE("C: a full arena gives an inert series and a code", "[c]") {
  const Open p;
  ring_series series = 0;
  for (int i = 0; i < 200; ++i)
    series = ring_gauge(p, ("series_" + std::to_string(i)).c_str(), nullptr, nullptr, 0);
  CHECK(series >= 0);
  CHECK(ring_attached(p));
  CHECK(ring_failure(p) == RING_ARENA_FULL);
  CHECK_THAT(ring_why(p), Contains("4 KiB of definitions are full"));
  CHECK_FALSE(ring_push_now(p, series, 1));
}

TEST_CASE("C: losses are counted by reason, and unknown reasons count nothing", "[c]") {
  const Open p;
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0);
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) CHECK_FALSE(ring_push(p, a, value, 1));
  const auto highest = std::numeric_limits<int>::max(), lowest = std::numeric_limits<int>::min();
  for (const int unknown : {a + 1, -1, 65534, 65535, 65536, 65536 + a, highest, lowest})
    CHECK_FALSE(ring_push(p, unknown, 1, 1));
  int accepted = 0;
  for (int i = 0; i < 64; ++i) accepted += ring_push(p, a, i, 1);
  CHECK(accepted == 64 - 7);
  CHECK(ring_lost(p, RING_LOST_NON_FINITE) == 3);
  CHECK(ring_lost(p, RING_LOST_UNKNOWN_SERIES) == 8);
  CHECK(ring_lost(p, RING_LOST_LANE_FULL) == 7);
  CHECK(ring_lost(p, RING_LOST_REENTRANT) == 0);
  CHECK(ring_lost(p, RING_LOST_DETACHED) == 0);
  CHECK(ring_lost_total(p) == 18);
  for (const int reason : {-1, 8, highest, lowest}) CHECK(ring_lost(p, reason) == 0);
}

TEST_CASE("C: maintain follows a replaced ring and counts what it left behind", "[c]") {
  const Open p;
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0);
  CHECK(ring_push(p, a, 1, 1));
  CHECK(ring_left_behind(p) == 0);
  ring::Segment::remove(p.ring);
  CHECK(ring_maintain(p));
  CHECK(ring_left_behind(p) == 8);
  CHECK(ring_push(p, a, 2, 2));
  CHECK(samples_in(p.ring).size() == 1);
}

TEST_CASE("C: close frees the lane and keeps its samples", "[c]") {
  const auto ring = support::unique_ring();
  const auto options = small();
  for (int i = 0; i < 5; ++i) {  // of two lanes
    ring_producer* p = nullptr;
    REQUIRE(ring_open(&p, ring.c_str(), &options) == RING_OK);
    REQUIRE(ring_attached(p));
    CHECK(ring_push_now(p, ring_gauge(p, "a", nullptr, nullptr, 0), i));
    ring_close(p);
  }
  CHECK(samples_in(ring).size() > 0);
}

TEST_CASE("C: a forked child is refused until it attaches for itself", "[c]") {
  const Open p;
  const auto a = ring_gauge(p, "a", nullptr, nullptr, 0);
  support::Child child([&] {
    const bool refused = !ring_push_now(p, a, 1) && !ring_attached(p);
    return refused && ring_maintain(p) && ring_push_now(p, a, 1) && ring_lost_total(p) == 1 ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(ring_push_now(p, a, 2));
  CHECK(samples_in(p.ring).size() == 1);
}

TEST_CASE("C: codes have texts, versions are told and errors belong to their thread", "[c]") {
  std::set<std::string> texts;
  for (int code = RING_SYSTEM; code <= RING_OK; ++code) texts.insert(ring_strerror(code));
  CHECK(texts.size() == 11);
  for (const int code :
       {1, RING_SYSTEM - 1, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()})
    CHECK_THAT(ring_strerror(code), Equals("not a code of ring.h"));
  std::uint32_t major = 99, minor = 99;
  CHECK_THAT(ring_version(&major, &minor), Equals(RINGDOWN_VERSION));
  CHECK(major == ring::abi::version_major);
  CHECK(minor == ring::abi::version_minor);
  CHECK_THAT(ring_version(nullptr, nullptr), Equals(RINGDOWN_VERSION));
  ring_open(nullptr, "a", nullptr);
  CHECK(std::strlen(ring_last_error()) > 0);
  std::string elsewhere = "?";
  std::thread([&] { elsewhere = ring_last_error(); }).join();
  CHECK(elsewhere.empty());
}

TEST_CASE("C: with any one allocation failing a definition is RING_NO_MEMORY and no exception", "[c]") {
  const Open p;
  const ring_label label{"a_label_too_long_for_a_small_string", "a value too long for a small string"};
  int code = RING_NO_MEMORY, failed = 0;
  for (; code == RING_NO_MEMORY && failed < 1000; ++failed) {
    allocations_left = failed;
    code = ring_gauge(p, "a_name_that_is_too_long_for_a_small_string", "ms", &label, 1);
    allocations_left = std::numeric_limits<int>::max();
  }
  CHECK(code >= 0);
  CHECK(failed > 5);
  CHECK_THAT(ring_last_error(), Equals("out of memory"));
}

TEST_CASE("C: with any one allocation failing open is RING_NO_MEMORY or inert and no exception", "[c]") {
  const auto ring = support::unique_ring();
  int status = 1, failed = 0;
  for (; status == 1 && failed < 1000; ++failed) {
    support::Child child([&] {
      const auto options = small();
      ring_producer* p = nullptr;
      allocations_left = failed;
      const int code = ring_open(&p, ring.c_str(), &options);
      allocations_left = std::numeric_limits<int>::max();
      if (code == RING_OK) return ring_attached(p) ? 0 : 1;
      return code == RING_NO_MEMORY && !p ? 1 : 2;
    });
    status = child.wait();
  }
  CHECK(status == 0);
  CHECK(failed > 3);
}
