// test_inspect_check.cpp: what ring-inspect --check finds in rings that were damaged, and that it finds nothing else.
#include <catch2/catch.hpp>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "inspect_check.hpp"
#include "inspect_fixture.hpp"
#include "ring/consumer.hpp"

using Catch::Contains;
using ring::abi::Mode;

namespace {

constexpr std::uint64_t lane0 = 4096, arena0 = lane0 + 4096, slots0 = arena0 + 4096, record_bytes = 32;

nlohmann::json checked(const InspectFixture& f, const std::string& name, int status) {
  const auto run = f.inspect({name, "--check", "--json"});
  INFO(run.output);
  CHECK(run.status == status);
  return nlohmann::json::parse(run.output);
}

}  // namespace

TEST_CASE("a ring that nobody damaged has no fault, live or copied, in both modes", "[check]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const InspectFixture f(mode);
  CHECK(checked(f, f.ring, 0)["faults"].empty());
  f.push(300);  // fills the lane, or laps it
  const auto report = checked(f, f.ring, 0);
  CHECK(report["used"] == 1);
  CHECK(report["definitions"] == 3);
  CHECK(report["records"] == 64);
  CHECK(checked(f, f.copy(), 0)["faults"].empty());
  const auto shown = f.inspect({f.ring, "--check"});
  CHECK_THAT(shown.output, Contains(f.ring + ": whole; 4 lanes, 1 of them used, 3 definitions and 64 records checked"));
}

TEST_CASE("each kind of damage is one fault, told with its offset, what is there and what should be", "[check]") {
  const InspectFixture f(Mode::drop_newest);
  f.push(9);  // 7 epoch records, then 30 samples: record 37 is the newest
  const auto copy = f.copy();
  struct Case {
    std::uint64_t at, value;
    std::size_t bytes;
    const char* where;
    const char* found;
    const char* expected;
  };
  const auto c = GENERATE(
      Case{0, 0x4141, 2, "header, magic", "0x4e574f44474e4141", "RINGDOWN"},
      Case{76, 1, 4, "header, checksum", "1", ""},
      Case{lane0 + 8 * 5, 3, 8, "lane 0, losses of reason 5", "3", "no producer has this reason"},
      Case{lane0 + 128, 38, 8, "lane 0, tail", "38", "at most 37, the newest record"},
      Case{lane0 + 336, 4104, 8, "lane 0, defs_used", "4104", "a multiple of 8, up to 4096"},
      Case{lane0 + 344 + 3, 99, 1, "lane 0, controls' last", "99", "at most 37"},
      Case{arena0 + 20, 'X', 1, "lane 0, definition 0", "wrong checksum", "encoded"},
      Case{slots0 + 20 * record_bytes + 24, 21, 8, "lane 0, slot 20, seq", "21", "20 more than a multiple of 64"},
      Case{slots0 + 20 * record_bytes + 24, 0, 8, "lane 0, slot 20, seq", "0", "20, as record 37 is there"},
      Case{slots0 + 20 * record_bytes + 24, 20 + 64, 8, "lane 0, slot 20, seq", "84", "at most 64"},
      Case{slots0 + 60 * record_bytes + 24, 60, 8, "lane 0, slot 60, seq", "60", "those before it"},
      Case{slots0 + 20 * record_bytes + 16, 3, 4, "lane 0, record 20, series", "3", "below 3"},
      Case{slots0 + 20 * record_bytes + 20, 0x80000001, 4, "lane 0, record 20, lost_before", "reason 8", "below 8"},
      Case{slots0 + 20 * record_bytes + 8, 0x7ff8000000000000, 8, "lane 0, record 20, value", "nan", "finite"},
      Case{slots0 + 1 * record_bytes + 8, 9, 8, "lane 0, record 1, epoch's arena", "9", "0, the lane's arena_epoch"},
      Case{slots0 + 4 * record_bytes + 8, 9, 8, "lane 0, record 4, epoch's losses", "9", "at most 0, the lane's losses of reason 1"},
      Case{lane0 + (4096 + 4096 + 64 * record_bytes) + 128, 5, 8, "lane 1, tail", "5", "nobody ever claimed"});
  f.poke(copy, c.at, c.value, c.bytes);
  const auto report = checked(f, copy, 3);
  INFO(report.dump(2));
  REQUIRE(report["faults"].size() == 1);
  const auto& fault = report["faults"][0];
  CHECK(fault["where"] == c.where);
  const auto offset = fault["offset"].get<std::uint64_t>();
  CHECK(offset <= c.at);
  CHECK(c.at - offset < 24);  // a definition's offset is that of its first byte
  CHECK_THAT(fault["found"].get<std::string>(), Contains(c.found));
  CHECK_THAT(fault["expected"].get<std::string>(), Contains(c.expected));
  const auto shown = f.inspect({copy, "--check"});
  CHECK(shown.status == 3);
  CHECK_THAT(shown.output, Contains(": found ") && Contains(c.where) && Contains(": 1 fault;"));
}

TEST_CASE("a header that no program would open is told field by field", "[check]") {
  const InspectFixture f(Mode::drop_newest);
  const auto copy = f.copy();
  f.poke(copy, 36, 1000);
  f.poke(copy, 44, 7);
  const auto report = checked(f, copy, 3);
  CHECK(report["faults"].size() == 3);  // the checksum as well
  CHECK(report["lanes"] == 0);
  f.poke(copy, 8, 2);
  CHECK(checked(f, copy, 3)["faults"][0]["where"] == "header, version_major");
  std::filesystem::resize_file(copy, 40);
  CHECK(checked(f, copy, 3)["faults"][0]["where"] == "header, size of the object");
  std::filesystem::resize_file(copy, 0);
  CHECK(f.inspect({copy, "--check"}).status == 1);
  CHECK(f.inspect({f.ring + "x", "--check"}).status == 1);
}

TEST_CASE("a copy that was cut off has one fault, and the lanes it has are checked", "[check]") {
  const InspectFixture f(Mode::drop_newest);
  const auto copy = f.copy();
  std::filesystem::resize_file(copy, std::filesystem::file_size(copy) - 1);
  const auto report = checked(f, copy, 3);
  REQUIRE(report["faults"].size() == 1);
  CHECK(report["faults"][0]["where"] == "header, size of the object");
  CHECK(report["lanes"] == 3);
  CHECK(report["records"] == 10);
}

TEST_CASE("what producers and a persister do meanwhile is no fault", "[check]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const ring::Geometry geometry{.lanes = 4, .lane_records = 64, .arena_bytes = 4096, .mode = mode};
  const auto name = support::unique_ring();
  ring::Consumer reader(name, geometry);
  std::atomic<bool> goes_on{true};
  std::thread writes([&] {
    for (int life = 0; goes_on; ++life) {
      ring::Producer producer(name, {.name = life % 2 ? "odd" : "even"});
      const auto series = producer.gauge(life % 2 ? "a" : "b");
      for (int i = 0; i < 1000; ++i) producer.push(series, i);
    }
  });
  std::thread reads([&] {
    struct Sink {
      void record(const ring::RecordCopy&) {}
      void overwritten(std::uint64_t, std::uint64_t) {}
    };
    std::array<std::uint64_t, 4> next{1, 1, 1, 1};
    while (goes_on)
      for (std::uint32_t i = 0; i < 4; ++i)
        if (reader.used(i)) {
          reader.drain(i, next[i], 50, Sink{});
          reader.release(i, next[i] - 1);
        }
  });
  inspect::CheckReport found;
  const inspect::Image image(name);
  while (!reader.used(0)) std::this_thread::yield();
  for (int i = 0; i < support::rounds(3000) && found.faults.empty(); ++i) found = inspect::check(image.bytes(), true);
  goes_on = false;
  writes.join();
  reads.join();
  for (const auto& f : found.faults) WARN(f.offset << " " << f.where << " " << f.found << " " << f.expected);
  CHECK(found.count() == 0);
  CHECK(found.used > 0);
}
