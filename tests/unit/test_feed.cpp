// test_feed.cpp: the parts of the tools that fill a ring.
#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>

#include "csv.hpp"
#include "feeder.hpp"
#include "label_text.hpp"
#include "number_text.hpp"
#include "pacer.hpp"
#include "support.hpp"

using Catch::Contains;
using namespace ringdown;

TEST_CASE("a CSV record's fields come without their quotes, and its line is that of its beginning", "[feed]") {
  std::istringstream in("a,,c\r\n\n\"x, \"\"y\"\"\nz\",\"\"\nlast");
  CsvReader csv(in);
  std::vector<std::string> fields;
  REQUIRE(csv.next(fields));
  CHECK(fields == std::vector<std::string>{"a", "", "c"});
  CHECK(csv.line() == 1);
  REQUIRE(csv.next(fields));
  CHECK(fields == std::vector<std::string>{"x, \"y\"\nz", ""});
  CHECK(csv.line() == 3);
  REQUIRE(csv.next(fields));
  CHECK(fields == std::vector<std::string>{"last"});
  CHECK(csv.line() == 5);
  CHECK_FALSE(csv.next(fields));
}

TEST_CASE("a CSV record has a largest size, also when a quote never closes", "[feed]") {
  std::vector<std::string> fields;
  std::istringstream open("\"" + std::string(CsvReader::record_bytes_max, '\n'));
  CHECK_THROWS_WITH(CsvReader(open).next(fields), Contains("a quote that is not closed"));
  std::istringstream wide(std::string(CsvReader::record_bytes_max + 1, 'x'));
  CHECK_THROWS_WITH(CsvReader(wide).next(fields), Contains("found 65537 bytes, expected at most 65536"));
}

TEST_CASE("labels are read with all escapes, spaces and a last comma", "[feed]") {
  const auto labels = [](std::string_view text) {
    std::size_t at = 0;
    auto out = take_labels(text, at);
    CHECK(at == text.size());
    return out;
  };
  CHECK(labels("{}").empty());
  CHECK(labels(R"({a="b"})") == ring::Labels{{"a", "b"}});
  CHECK(labels(R"({ a = "x,}" , b2="" , })") == ring::Labels{{"a", "x,}"}, {"b2", ""}});
  CHECK(labels(R"({a="\\ \" \n"})") == ring::Labels{{"a", "\\ \" \n"}});
}

TEST_CASE("wrong labels are refused with the column, what was expected and what was found", "[feed]") {
  const auto refusal = [](std::string_view text) {
    std::size_t at = 0;
    try {
      take_labels(text, at);
    } catch (const ring::Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal("") == "column 1: expected '{', found the end");
  CHECK(refusal("{") == "column 2: expected a label name or '}', found the end");
  CHECK(refusal("{1=\"a\"}") == "column 2: expected a label name or '}', found \"1=\"a\"}\"");
  CHECK(refusal("{a") == "column 3: expected '=', found the end");
  CHECK(refusal("{a=b}") == "column 4: expected a value in \"\", found \"b}\"");
  CHECK(refusal("{a=\"b") == "column 6: expected the closing \", found the end");
  CHECK(refusal("{a=\"b\" c") == "column 8: expected ',' or '}', found \"c\"");
  CHECK_THAT(refusal("{a=\"\\d\"}"), Contains("column 6: expected one of \\ \" n after a backslash"));
  CHECK_THAT(refusal("{a=\"\\"), Contains("found the end"));
}

TEST_CASE("numbers are those that Prometheus writes", "[feed]") {
  CHECK(parse_number("12") == 12);
  CHECK(parse_number("+1.5e-3") == 1.5e-3);
  CHECK(parse_number("-.5") == -.5);
  CHECK(parse_number("1e-400") == 0);
  CHECK(parse_number("+Inf") == HUGE_VAL);
  CHECK(parse_number("-inf") == -HUGE_VAL);
  CHECK(std::isnan(parse_number("NaN").value()));
  for (const auto* wrong : {"", " 1", "1 ", "1e999", "0x10", "+-1", "++1", "1_0", "nan(1)", "one", "-"}) {
    INFO(wrong);
    CHECK_FALSE(parse_number(wrong));
  }
}

TEST_CASE("the pacer waits for no time that is over, and ends when it is asked to", "[feed]") {
  volatile std::sig_atomic_t stop = 0;
  Pacer flat_out(0, stop, [] {});
  CHECK(flat_out.wait(0));
  CHECK(flat_out.wait(std::int64_t{1} << 62));
  CHECK(flat_out.lateness().total() == 0);
  Pacer paced(1e6, stop, [] {});
  const auto hour_ns = 3600 * Pacer::second_ns, began_ns = ring::clock_ns(CLOCK_MONOTONIC);
  CHECK(paced.wait(0));
  CHECK(paced.wait(hour_ns));
  CHECK(ring::clock_ns(CLOCK_MONOTONIC) - began_ns >= hour_ns / 1'000'000);
  CHECK(paced.wait(-hour_ns));
  CHECK(paced.lateness().total() == 3);
  stop = 1;
  CHECK_FALSE(paced.wait(1000 * hour_ns));
}

TEST_CASE("a wait of any length can be ended from its once-a-second work", "[feed]") {
  volatile std::sig_atomic_t stop = 0;
  Pacer pacer(0.001, stop, [&] { stop = 1; });
  CHECK(pacer.wait(std::numeric_limits<std::int64_t>::min()));
  CHECK_FALSE(pacer.wait(std::numeric_limits<std::int64_t>::max()));
}

TEST_CASE("the feeder takes one more producer when a lane's arena is full, and knows its series again", "[feed]") {
  const auto ring = support::unique_ring();
  Feeder feeder(ring, {.geometry = {.lanes = 2, .lane_records = 1024, .arena_bytes = 4096}},
                [](const std::string&) {});
  const auto define = [&](int i) { return feeder.define({ring::Kind::gauge, "a" + std::to_string(i), "", {}, {}}); };
  const auto first = define(0);
  CHECK(first.producer == 0);
  int i = 0;
  while (define(++i).producer == 0) continue;
  CHECK(define(i).producer == 1);
  CHECK(define(0).series == first.series);
  CHECK(define(0).producer == 0);
  CHECK(feeder.push(first, 1, 1));
  CHECK(feeder.push(define(i), 2, 2));
  CHECK_FALSE(feeder.push(first, NAN, 3));
  const auto& tally = feeder.tally();
  CHECK(tally.pushed == 3);
  CHECK(tally.accepted == 2);
  CHECK(tally.by_reason == Losses{0, 1, 0, 0, 0});
  CHECK_THROWS_AS(
      [&] {
        for (;;) define(++i);
      }(),
      ring::Error);
}

TEST_CASE("the feeder says once that the ring is gone and once that it records again, and counts what was lost",
          "[feed]") {
  const auto ring = support::unique_ring();
  std::vector<std::string> told;
  const ring::Producer first(ring);
  Feeder feeder(ring, {.create = false}, [&](const std::string& text) { told.push_back(text); });
  const auto a = feeder.define({ring::Kind::gauge, "a", "", {}, {}});
  CHECK(feeder.push(a, 1, 1));
  std::filesystem::remove("/dev/shm/ringdown-" + ring);
  feeder.maintain();
  feeder.maintain();
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains(ring) && Contains("; goes on meanwhile"));
  CHECK_FALSE(feeder.push(a, 2, 2));
  const ring::Producer again(ring);
  feeder.maintain();
  CHECK(told.size() == 2);
  CHECK(told.back() == "records now");
  CHECK(feeder.push(a, 3, 3));
  const auto& tally = feeder.tally();
  CHECK(tally.pushed == 3);
  CHECK(tally.by_reason == Losses{0, 0, 0, 0, 1});
  CHECK(tally.left_behind > 0);
}
