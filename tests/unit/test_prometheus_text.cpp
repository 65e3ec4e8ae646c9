#include <catch2/catch.hpp>
#include <cmath>

#include "cli.hpp"
#include "line_reader.hpp"
#include "prometheus_text.hpp"
#include "ring/error.hpp"

using Catch::Contains;
using ringdown::PrometheusText;

namespace {

std::string refusal(std::string_view line, bool openmetrics = false) {
  try {
    PrometheusText(openmetrics).line(line);
  } catch (const ring::Error& e) {
    CHECK(e.failure() == ring::Failure::bad_argument);
    return e.what();
  }
  return "accepted";
}

PrometheusText::Sample sample(std::string_view line, bool openmetrics = false) {
  return PrometheusText(openmetrics).line(line).value();
}

}  // namespace

TEST_CASE("a line has a name, labels with all escapes, a value and a time stamp", "[prometheus]") {
  const auto plain = sample("a:b_1 12");
  CHECK(plain.definition.name == "a:b_1");
  CHECK(plain.definition.kind == ring::Kind::gauge);
  CHECK(plain.definition.labels.empty());
  CHECK(plain.value == 12);
  CHECK_FALSE(plain.time_ns);
  const auto full = sample(" \ta { b = \"x\\\\ \\\" \\n, }\" , c=\"2\",}\t+1.5e3  -1500 \r");
  CHECK(full.definition.labels == ring::Labels{{"b", "x\\ \" \n, }"}, {"c", "2"}});
  CHECK(full.value == 1500);
  CHECK(full.time_ns == -1'500'000'000);
  CHECK(sample("a{b=\"c\"}7").value == 7);
  CHECK(sample("a{b=\"\",c=\"d\"} 7").definition.labels == ring::Labels{{"c", "d"}});
}

TEST_CASE("values may be NaN and infinite", "[prometheus]") {
  CHECK(std::isnan(sample("a NaN").value));
  CHECK(sample("a +Inf").value == HUGE_VAL);
  CHECK(sample("a -Inf").value == -HUGE_VAL);
}

TEST_CASE("comments and empty lines are no samples", "[prometheus]") {
  for (const auto* line :
       {"", "  \t", "#", "# any thing", "# HELP a b \\n c", "# HELP", "# EOF", "# UNIT a seconds"}) {
    INFO(line);
    CHECK_FALSE(PrometheusText().line(line));
  }
}

TEST_CASE("the type of a metric says what its series are", "[prometheus]") {
  using ring::Kind;
  const auto kind = [](std::string type, const std::string& name) {
    PrometheusText text;
    REQUIRE_FALSE(text.line(type));
    return text.line(name + " 1").value().definition.kind;
  };
  CHECK(kind("# TYPE a counter", "a") == Kind::counter);
  CHECK(kind("  #  TYPE\ta   counter ", "a") == Kind::counter);
  CHECK(kind("# TYPE a gauge", "a") == Kind::gauge);
  CHECK(kind("# TYPE a untyped", "a") == Kind::gauge);
  CHECK(kind("# TYPE a counter", "b") == Kind::gauge);
  for (const auto* suffix : {"_bucket", "_sum", "_count"})
    CHECK(kind("# TYPE a histogram", std::string("a") + suffix) == Kind::counter);
  CHECK(kind("# TYPE a summary", "a{quantile=\"0.5\"}") == Kind::gauge);
  CHECK(kind("# TYPE a summary", "a_sum") == Kind::counter);
  CHECK(kind("# TYPE a summary", "a_count") == Kind::counter);
  CHECK(kind("# TYPE a gauge", "a_count") == Kind::gauge);
  CHECK(kind("# TYPE a_total counter", "a_total") == Kind::counter);
  CHECK(kind("# TYPE a counter", "a_total") == Kind::counter);  // OpenMetrics names it without its suffix
  CHECK(kind("# TYPE a counter", "a_created") == Kind::gauge);
  CHECK(kind("# TYPE a gaugehistogram", "a_bucket{le=\"1\"}") == Kind::gauge);
  CHECK(kind("# TYPE a stateset", "a{a=\"on\"}") == Kind::gauge);
}

TEST_CASE("time stamps are milliseconds, of OpenMetrics seconds, to the nanosecond", "[prometheus]") {
  CHECK(sample("a 1 1764000000123").time_ns == 1'764'000'000'123'000'000);
  CHECK(sample("a 1 1764000000.123456789").time_ns == 1'764'000'000'123'456'789);
  CHECK(sample("a 1 1764000000.1234567891234").time_ns == 1'764'000'000'123'456'789);
  CHECK(sample("a 1 1764000000", true).time_ns == 1'764'000'000'000'000'000);
  CHECK(sample("a 1 -0.5", true).time_ns == -500'000'000);
  const auto exemplar = sample("a_bucket{le=\"1\"} 3 1.5 # {trace_id=\"x\"} 0.67 1.2", true);
  CHECK(exemplar.value == 3);
  CHECK(exemplar.time_ns == 1'500'000'000);
  CHECK_FALSE(sample("a 3 # {} 0.67").time_ns);
}

TEST_CASE("a bad line is refused with the column, what was expected and what was found", "[prometheus]") {
  CHECK(refusal("9a 1") == "column 1: expected a metric name or #, found \"9a 1\"");
  CHECK(refusal("a-b 1") == "column 2: expected a number, found \"-b 1\"");
  CHECK(refusal("a") == "column 2: expected a number, found the end");
  CHECK(refusal("a one") == "column 3: expected a number, found \"one\"");
  CHECK(refusal("a 1 2 3") == "column 7: expected the end of the line, found \"3\"");
  CHECK(refusal("a 1 # why") == "column 5: expected the end of the line, found \"# why\"");
  CHECK_THAT(refusal("a 1 soon"), Contains("column 5: expected a time stamp in milliseconds"));
  CHECK_THAT(refusal("a 1 9223372036855"), Contains("column 5: expected a time stamp in milliseconds"));
  CHECK_THAT(refusal("a 1 1e3", true), Contains("column 5: expected a time stamp in seconds"));
  CHECK_THAT(refusal("a 1 1.2.3"), Contains("column 5: expected a time stamp in seconds"));
  CHECK_THAT(refusal("a 1 ."), Contains("column 5: expected a time stamp in seconds"));
  CHECK(refusal("a{b=c} 1") == "column 5: expected a value in \"\", found \"c} 1\"");
  CHECK_THAT(refusal("a{b=\"\\x\"} 1"), Contains("column 7: expected one of \\ \" n after a backslash"));
  CHECK_THAT(refusal("# TYPE a count"),
             Contains("column 10: expected counter, gauge, histogram, summary or untyped"));
  CHECK_THAT(refusal("# TYPE a counter x"), Contains("and the end of the line, found \"counter x\""));
  CHECK_THAT(refusal("# TYPE a"), Contains("found the end"));
  CHECK_THAT(refusal("# TYPE 1 counter"), Contains("column 8: expected a metric name"));
  CHECK(refusal(std::string(PrometheusText::line_bytes_max + 1, 'a')) == "found 65537 bytes, expected at most 65536");
}

TEST_CASE("what the tools write is read as the same series", "[prometheus]") {
  const auto definition = ring::checked({ring::Kind::gauge, "a:b", "", {{"x", "\\ \" \n é"}, {"y", "{,}"}}, {}});
  CHECK(sample(ringdown::series_text(definition) + " 1").definition == definition);
}

TEST_CASE("there is a limit to the types that are remembered", "[prometheus]") {
  PrometheusText text;
  for (std::size_t i = 0; i < PrometheusText::types_max; ++i) text.line("# TYPE a" + std::to_string(i) + " counter");
  CHECK_THROWS_WITH(text.line("# TYPE b counter"), Contains("of b, expected at most 65536"));
  CHECK_NOTHROW(text.line("# TYPE a1 gauge"));
}

TEST_CASE("lines are read one by one, the last without its end, and an endless one takes no more memory",
          "[prometheus]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::string text = "one\n\n" + std::string(100, 'x') + "\nlast";
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  volatile std::sig_atomic_t stop = 0;
  ringdown::LineReader lines(ends[0], 10, stop, [] {});
  std::string line;
  const std::vector<std::string> expected{"one", "", std::string(11, 'x'), "last"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    REQUIRE(lines.next(line));
    CHECK(line == expected[i]);
    CHECK(lines.number() == i + 1);
  }
  CHECK(lines.time_ns() > 0);
  CHECK_FALSE(lines.next(line));
  ::close(ends[0]);
}

TEST_CASE("waiting for a line ends when it is asked to", "[prometheus]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  volatile std::sig_atomic_t stop = 0;
  ringdown::LineReader lines(ends[0], 10, stop, [&] { stop = 1; });
  std::string line;
  CHECK_FALSE(lines.next(line));
  ::close(ends[0]);
  ::close(ends[1]);
}
