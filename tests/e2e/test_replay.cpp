// test_replay.cpp: ring-replay, run as a program into a ring that ring-persister stores.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "feed_fixture.hpp"
#include "ring/segment.hpp"

using Catch::Contains;
using nlohmann::json;

namespace {

struct Fixture : plant::Feed {
  support::Run replay(std::vector<std::string> words) const {
    words.insert(words.begin(), {RING_REPLAY_PATH, "--ring", ring});
    return support::run(words);
  }
  json report(std::vector<std::string> words) const {
    words.insert(words.end(), {"--json"});
    const auto run = replay(words);
    INFO(run.output);
    REQUIRE(run.status == 0);
    return json::parse(run.output);
  }
  std::string file(const std::string& text) const { return Feed::file("in.csv", text); }
  bool has_ring() const { return std::filesystem::exists("/dev/shm/ringdown-" + ring); }
};

}  // namespace

TEST_CASE("a profile's samples are all stored, the same for the same seed", "[replay]") {
  const auto values = [](const char* seed) {
    const Fixture f;
    const auto report = f.report({"--profile", "control-loop", "--seconds", "3", "--speed", "max", "--seed", seed});
    CHECK(report["pushed"] == 3 * 20 * 52);
    CHECK(report["accepted"] == report["pushed"]);
    CHECK(report["lost"] == 0);
    CHECK_FALSE(report.contains("late_us"));
    f.store();
    CHECK(f.count("SELECT count(*) FROM series") == 52);
    CHECK(f.count("SELECT count(*) FROM series WHERE kind = 'state'") == 6);
    CHECK(f.count("SELECT count(*) FROM series WHERE kind = 'counter'") == 4);
    CHECK(f.count("SELECT sum(samples) FROM batches") == 3 * 20 * 52);
    CHECK(f.count("SELECT max(bucket) FROM tier_1m") <= ring::clock_ns(CLOCK_REALTIME) / plant::second_ns);
    return support::stored_values(f.database);
  };
  const auto one = values("5");
  CHECK(one == values("5"));
  CHECK(one != values("6"));
}

TEST_CASE("series that do not fit into a lane of the ring are spread over several", "[replay]") {
  const Fixture f;
  const auto report = f.report({"--profile", "fleet", "--seconds", "1", "--speed", "max"});
  CHECK(report["accepted"] == 20'000);
  f.store();
  CHECK(f.count("SELECT count(*) FROM series") == 20'000);
  CHECK(f.count("SELECT sum(samples) FROM batches") == 20'000);
  CHECK(f.count("SELECT count(DISTINCT lane) FROM cursors WHERE stored > 0") > 1);
}

TEST_CASE("what the ring refuses is reported by reason, and is no failure", "[replay]") {
  const Fixture f;
  const auto report =
      f.report({"--profile", "control-loop", "--seconds", "2", "--speed", "max", "--lane-records", "64"});
  CHECK(report["pushed"] == 2080);
  CHECK(report["accepted"].get<int>() + report["lost"].get<int>() == 2080);
  CHECK(report["lost_by_reason"] == json{{"lane_full", report["lost"]}});
  const auto again = f.replay({"--csv", f.file("name,value\na,nan\na,1\n"), "--now"});
  CHECK(again.status == 0);
  CHECK_THAT(again.output, Contains("pushed 2 accepted ") && Contains("lost_non_finite 1"));
}

TEST_CASE("what ring-query wrote comes back the same: times, labels, every digit, states", "[replay]") {
  const plant::Plant from;
  const auto csv = from.all({"--format", "csv"}).out;
  const Fixture f;
  const auto report = f.report({"--csv", f.file(csv), "--speed", "1000"});
  CHECK(report["accepted"] == 8);
  CHECK(report["late_us"]["p50"] <= report["late_us"]["max"]);
  f.store();
  CHECK(f.csv() == csv);
  CHECK(f.count("SELECT count(*) FROM series WHERE name = 'bytes_total' AND kind = 'counter'") == 1);
  CHECK(f.count("SELECT count(*) FROM series WHERE name = 'link_state' AND kind = 'state' AND "
                "json_array_length(states) = 2") == 1);
}

TEST_CASE("other column names, in any order, with other columns beside them", "[replay]") {
  const Fixture f;
  const auto report =
      f.report({"--csv", f.file("v,when,note,metric\r\n1.5,2025-11-24T16:00:00Z,\"a, \"\"b\"\"\nc\",load\r\n\r\n"),
                "--columns", "time_s=when,name=metric,value=v"});
  CHECK(report["accepted"] == 1);
  f.store();
  CHECK(f.csv() == "time_s,name,labels,value,state\n1764000000.000000000,load,,1.5,\n");
}

TEST_CASE("option --now gives every sample the time of its push, --seconds ends by the file's times", "[replay]") {
  const Fixture f;
  const auto before_ns = ring::clock_ns(CLOCK_REALTIME);
  const auto name = f.file("time_s,name,value\n100,a,1\n100.000000001,a,2\n102,a,3\n");
  CHECK(f.report({"--csv", name, "--now", "--seconds", "2"})["accepted"] == 2);
  f.store();
  CHECK(support::stored_values(f.database).at("a") == std::vector<double>{1, 2});
  CHECK(f.count("SELECT count(*) FROM tier_1m WHERE bucket >= " + std::to_string(before_ns / 60'000'000'000 * 60)) ==
        1);
}

TEST_CASE("a bad file is refused with the line, what was found and what expected, and nothing is pushed",
          "[replay]") {
  const Fixture f;
  const auto refused = [&](const std::string& text, const std::string& message) {
    const auto run = f.replay({"--csv", f.file(text)});
    INFO(text << run.output);
    CHECK(run.status == 1);
    CHECK_THAT(run.output, Contains((f.path / "in.csv").string() + ": " + message));
    CHECK_FALSE(f.has_ring());
  };
  const std::string header = "time_s,name,labels,value,state\n", good = "1,a,,1,\n";
  refused("", "found nothing, expected a header");
  refused(
      "time_s,name\n",
      "line 1: found the header \"time_s,name\", expected a column \"value\" in it; say with --columns value=NAME");
  refused("when,name,value\n", "line 1: found the header \"when,name,value\", expected a column \"time_s\"");
  refused(header + good + "2,a,,one,\n", "line 3: found the value \"one\", expected a number");
  refused(header + good + "\n\n2,a,,1e999,\n", "line 5: found the value \"1e999\"");
  refused(header + "soon,a,,1,\n", "line 2: time \"soon\": expected unix seconds");
  refused(header + "1,a,1,\n", "line 2: found 4 fields, expected the header's 5");
  refused(header + "1,9a,,1,\n", "line 2: series name \"9a\": expected");
  refused(header + "1,a,\"{b=1}\",1,\n", "line 2: column 4: expected a value in \"\", found \"1}\"");
  refused(header + "1,a,\"{b=\"\"1\"\"}x\",1,\n", "line 2: column 8: expected the end of the labels, found \"x\"");
  refused(header + "1,a,,1.5,UP\n",
          "line 2: found state \"UP\" with value 1.5, expected a whole number from 0 to 63");
  refused(header + "1,a,,1,UP\n2,a,,1,DOWN\n",
          "line 3: found state \"DOWN\" with value 1, expected \"UP\" as in a line before");
  refused(header + "1,a,,0,UP\n2,a,,1,UP\n",
          "state name of series a \"UP\": expected names that are not empty and differ");
  refused(header + "1,\"a,,1,\n", "line 2: found a quote that is not closed");
  refused(header + "1,\"a\"b,,1,\n", "line 2: found 'b' behind a closing quote");
  refused(header + "1,a\"b\",,1,\n", "line 2: found a quote within the field \"a\"b\"\"");
  const auto missing = f.replay({"--csv", (f.path / "none.csv").string()});
  CHECK(missing.status == 1);
  CHECK_THAT(missing.output, Contains("none.csv: No such file or directory; check --csv"));
  CHECK_THAT(f.replay({"--csv", f.path.string()}).output, Contains("expected a regular file"));
}

TEST_CASE("at its own rate it goes on until SIGINT or SIGTERM and ends with the report", "[replay]") {
  const int number = GENERATE(SIGTERM, SIGINT);
  const Fixture f;
  support::Child child({RING_REPLAY_PATH, "--ring", f.ring, "--profile", "control-loop", "--json"}, f.path / "log");
  const auto pushed = [&] {
    try {
      const auto segment = ring::Segment::inspect(f.ring);
      return ring::words::load(segment.lane(0).header->claims) > 0 && segment.lane(0).records[52].seq > 0;
    } catch (const ring::Error&) {  // not created yet
      return false;
    }
  };
  while (!pushed()) {
    REQUIRE(child.running());
    ::usleep(1000);
  }
  child.signal(number);
  CHECK(child.wait() == 0);
  const auto report = json::parse(support::read_file(f.path / "log"));
  CHECK(report["pushed"] >= 52);
  CHECK(report["lost"] == 0);
  CHECK(report["late_us"]["max"] >= report["late_us"]["p99"]);
}

TEST_CASE("wrong usage of ring-replay exits 2, an unusable ring 1, and help has examples", "[replay]") {
  const Fixture f;
  CHECK(f.replay({}).status == 2);
  CHECK(f.replay({"--profile", "other"}).status == 2);
  CHECK(f.replay({"--speed", "max"}).status == 2);
  CHECK(f.replay({"--profile", "fleet", "--csv", "x"}).status == 2);
  CHECK(f.replay({"--profile", "fleet", "--columns", "value=v"}).status == 2);
  const auto speed = f.replay({"--profile", "fleet", "--speed", "fast"});
  CHECK(speed.status == 2);
  CHECK_THAT(speed.output, Contains("--speed") && Contains("found \"fast\", expected a number"));
  const auto columns = f.replay({"--csv", f.file("name,value\n"), "--columns", "valeu=v"});
  CHECK(columns.status == 2);
  CHECK_THAT(columns.output, Contains("--columns: found \"valeu=v\", expected COLUMN=NAME"));
  CHECK(support::run({RING_REPLAY_PATH, "--ring", "a/b", "--profile", "fleet"}).status == 2);
  std::ofstream("/dev/shm/ringdown-" + f.ring) << "not a ring";
  const auto foreign = f.replay({"--profile", "fleet", "--seconds", "1"});
  CHECK(foreign.status == 1);
  CHECK_THAT(foreign.output, Contains(f.ring));
  const auto help = f.replay({"--help"});
  CHECK(help.status == 0);
  CHECK_THAT(help.output, Contains("Examples:") && Contains("Exit status:"));
}
