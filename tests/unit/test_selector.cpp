#include <catch2/catch.hpp>

#include "nearest.hpp"
#include "ring/definition.hpp"
#include "ring/error.hpp"
#include "selector.hpp"

using Catch::Contains;
using ringdown::nearest_names;
using ringdown::Selector;

namespace {

bool matches(const std::string& selector, const std::string& name, ring::Labels labels = {}) {
  return Selector(selector).matches(ring::checked({ring::Kind::gauge, name, "ms", std::move(labels), {}}));
}

std::string refusal(const std::string& selector) {
  try {
    Selector unused(selector);
  } catch (const ring::Error& e) {
    CHECK(e.failure() == ring::Failure::bad_argument);
    CHECK_THAT(e.what(), Contains("selector '" + selector + "': column "));
    return std::string(e.what()).substr(std::string("selector '': ").size() + selector.size());
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a name alone selects the series of exactly that name, whatever their labels", "[selector]") {
  CHECK(matches("rtt_ms", "rtt_ms"));
  CHECK(matches("rtt_ms", "rtt_ms", {{"wan", "a"}}));
  CHECK(matches(" ns:rtt_ms ", "ns:rtt_ms"));
  CHECK_FALSE(matches("rtt_ms", "rtt_ms_max"));
  CHECK_FALSE(matches("rtt_ms", "rtt"));
  CHECK(Selector(" rtt_ms{a=\"b\"}").name() == "rtt_ms");
  CHECK(Selector("{a=\"b\"}").name().empty());
}

TEST_CASE("each of the four operators compares the label's value", "[selector]") {
  const ring::Labels labels{{"wan", "spectrum"}};
  CHECK(matches(R"(rtt{wan="spectrum"})", "rtt", labels));
  CHECK_FALSE(matches(R"(rtt{wan="att"})", "rtt", labels));
  CHECK(matches(R"(rtt{wan!="att"})", "rtt", labels));
  CHECK_FALSE(matches(R"(rtt{wan!="spectrum"})", "rtt", labels));
  CHECK(matches(R"(rtt{wan=~"sp.*|att"})", "rtt", labels));
  CHECK_FALSE(matches(R"(rtt{wan=~"att|verizon"})", "rtt", labels));
  CHECK(matches(R"(rtt{wan!~"att|verizon"})", "rtt", labels));
  CHECK_FALSE(matches(R"(rtt{wan!~"sp.*"})", "rtt", labels));
}

TEST_CASE("all matchers must hold, with or without a name, spaces and a last comma", "[selector]") {
  const ring::Labels labels{{"direction", "download"}, {"wan", "spectrum"}};
  CHECK(matches(R"({wan="spectrum",direction="download"})", "rtt", labels));
  CHECK(matches(" rtt { wan = \"spectrum\" , direction =~ \"down.*\" , } ", "rtt", labels));
  CHECK_FALSE(matches(R"({wan="spectrum",direction="upload"})", "rtt", labels));
  CHECK_FALSE(matches(R"(owd{wan="spectrum"})", "rtt", labels));
  CHECK_FALSE(matches(R"({wan=~"s.*",wan!="spectrum"})", "rtt", labels));
  CHECK(matches("{}", "rtt", labels));
  CHECK(matches("rtt{}", "rtt", labels));
}

TEST_CASE("a label that is missing has an empty value, and __name__ is the name", "[selector]") {
  CHECK(matches(R"({wan=""})", "rtt"));
  CHECK(matches(R"({wan!="a"})", "rtt"));
  CHECK(matches(R"({wan=~".*"})", "rtt"));
  CHECK_FALSE(matches(R"({wan=~".+"})", "rtt"));
  CHECK_FALSE(matches(R"({wan!=""})", "rtt"));
  CHECK(matches(R"({__name__=~"rtt|owd"})", "rtt"));
  CHECK_FALSE(matches(R"({__name__!="rtt"})", "rtt"));
}

TEST_CASE("a regular expression must match the whole value", "[selector]") {
  const ring::Labels labels{{"tin", "Best Effort"}};
  CHECK_FALSE(matches(R"({tin=~"Best"})", "q", labels));
  CHECK_FALSE(matches(R"({tin=~"Effort"})", "q", labels));
  CHECK_FALSE(matches(R"({tin=~"^Best|Effort$"})", "q", labels));
  CHECK(matches(R"({tin=~"Best.*"})", "q", labels));
  CHECK(matches(R"({tin=~"Best|Best Effort"})", "q", labels));
  CHECK(matches(R"({tin=~"[A-Z]\\w+ [A-Z]\\w+"})", "q", labels));
  CHECK(matches(R"({tin=~`\w+\sEffort`})", "q", labels));
  CHECK(matches(R"({tin=~"(?i)best effort"})", "q", labels));
  CHECK_FALSE(matches(R"({tin=~"best effort"})", "q", labels));
}

TEST_CASE("a regular expression matches characters, not bytes", "[selector]") {
  const ring::Labels labels{{"site", "caf\xc3\xa9"}};
  CHECK(matches("{site=~\"caf.\"}", "q", labels));
  CHECK_FALSE(matches("{site=~\"caf..\"}", "q", labels));
  CHECK(matches("{site=~\"caf[\xc3\xa8\xc3\xa9]\"}", "q", labels));
  CHECK(matches("{site=\"caf\xc3\xa9\"}", "q", labels));
}

TEST_CASE("a regular expression that would take a backtracking matcher for ever is quick", "[selector]") {
  const ring::Labels labels{{"a", std::string(1000, 'a')}};
  CHECK_FALSE(matches(R"({a=~"(a*)*b"})", "q", labels));
  CHECK_FALSE(matches(R"({a=~"(a|aa)*(a|aa)*c"})", "q", labels));
}

TEST_CASE("a value may hold quotes, backslashes and line ends, escaped as in Prometheus", "[selector]") {
  CHECK(matches(R"({a="say \"hi\" \\ \n"})", "q", {{"a", "say \"hi\" \\ \n"}}));
  CHECK(matches(R"({a='say "hi"'})", "q", {{"a", "say \"hi\""}}));
  CHECK(matches(R"({a='it\'s'})", "q", {{"a", "it's"}}));
  CHECK(matches(R"({a=`C:\n`})", "q", {{"a", "C:\\n"}}));
  CHECK(matches(R"({a="{b=\"c\"},"})", "q", {{"a", "{b=\"c\"},"}}));
  CHECK(matches(R"({a=""})", "q"));
}

TEST_CASE("a wrong selector is refused with the column, what was expected and what was found", "[selector]") {
  CHECK(refusal("") == "column 1: expected a series name or '{', found the end");
  CHECK(refusal("  ") == "column 3: expected a series name or '{', found the end");
  CHECK(refusal("9lives") == "column 1: expected a series name or '{', found \"9\"");
  CHECK(refusal("rtt-ms") == "column 4: expected '{' or the end, found \"-\"");
  CHECK(refusal("rate(rtt[5m])") == "column 5: expected '{' or the end, found \"(\"");
  CHECK(refusal("rtt{wan=spectrum}") == "column 9: expected a value in quotes, found \"s\"");
  CHECK(refusal("rtt{wan=\"a\"") == "column 12: expected ',' or '}', found the end");
  CHECK(refusal("rtt{wan=\"a") == "column 11: expected the closing \", found the end");
  CHECK(refusal("rtt{wan=\"a\"} [5m]") == "column 14: expected the end, found \"[\"");
  CHECK(refusal("rtt{wan=\"a\" b=\"c\"}") == "column 13: expected ',' or '}', found \"b\"");
  CHECK(refusal("rtt{wan=\"a\",,}") == "column 13: expected a label name or '}', found \",\"");
  CHECK(refusal("rtt{1=\"a\"}") == "column 5: expected a label name or '}', found \"1\"");
  CHECK(refusal("rtt{") == "column 5: expected a label name or '}', found the end");
  CHECK(refusal("rtt{wan}") == "column 8: expected one of = != =~ !~, found \"}\"");
  CHECK(refusal("rtt{wan~\"a\"}") == "column 8: expected one of = != =~ !~, found \"~\"");
  CHECK(refusal("rtt{wan!\"a\"}") == "column 8: expected one of = != =~ !~, found \"!\"");
  CHECK(refusal("rtt{wan==\"a\"}") == "column 9: expected a value in quotes, found \"=\"");
  CHECK(refusal("{a:b=\"c\"}") == "column 3: expected one of = != =~ !~, found \":\"");
}

TEST_CASE("columns count characters, not bytes", "[selector]") {
  CHECK(refusal("{a=\"\xc3\xa9\xc3\xa9\"\xe2\x82\xac") ==
        "column 8: expected ',' or '}', found \"\xe2\x82\xac\"");
}

TEST_CASE("a wrong escape or regular expression is refused where it stands", "[selector]") {
  CHECK_THAT(refusal(R"({a=~"\d+"})"),
             Contains("column 7: expected one of \\ \" ' n t after a backslash") && Contains("found \"d\""));
  CHECK_THAT(refusal(R"({a="\)"), Contains("column 6: expected one of") && Contains("found the end"));
  CHECK_THAT(refusal(R"({a="b",c=~"(x"})"),
             Contains("column 11: expected a regular expression, found \"(x\" ("));
  CHECK_THAT(refusal(R"({c!~"*"})"), Contains("column 5: expected a regular expression"));
  CHECK_THAT(refusal(R"({c=~"(a)\\1"})"), Contains("column 5: expected a regular expression"));
  CHECK_THAT(refusal("{c=~\"" + std::string(1025, 'x') + "\"}"),
             Contains("at most 1024 bytes, found 1025 bytes"));
  CHECK(refusal("{c=~\"" + std::string(512, '(') + std::string(512, ')') + "\"}") == "accepted");
  CHECK_THAT(refusal("{c=\"\xff\"}"), Contains("column 1: expected UTF-8"));
}

TEST_CASE("the nearest names are offered, at most three, the most similar first", "[selector]") {
  const std::set<std::string> names{"rtt_ms", "rtt_fused_ms", "rtt_ms_max", "owd_ms",
                                    "cpu_temperature_celsius"};
  CHECK(nearest_names("rtt_sm", names) == std::vector<std::string>{"rtt_ms", "rtt_ms_max", "rtt_fused_ms"});
  CHECK(nearest_names("temperature", names) == std::vector<std::string>{"cpu_temperature_celsius"});
  CHECK(nearest_names("zzzzzzzzzz", names).empty());
  CHECK(nearest_names("rtt", {}).empty());
}
