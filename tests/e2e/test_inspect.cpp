// test_inspect.cpp: ring-inspect from the outside, on rings and on copies of them.
#include <catch2/catch.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

#include "inspect_fixture.hpp"

using Catch::Contains;
using ring::abi::Mode;

TEST_CASE("a copy of a ring shows what the ring showed, but not who is alive", "[inspect]") {
  const auto mode = GENERATE(Mode::drop_newest, Mode::overwrite_oldest);
  const InspectFixture f(mode);
  f.push(500);  // laps in overwrite-oldest, and fills a lane in drop-newest
  const auto live = nlohmann::json::parse(f.inspect({f.ring, "--json", "--records", "20"}).output);
  const auto copy = f.copy();
  ring::Segment::remove(f.ring);
  const auto run = f.inspect({copy, "--json", "--records", "20"});
  INFO(run.output);
  REQUIRE(run.status == 0);
  auto dead = nlohmann::json::parse(run.output);
  CHECK(dead["ring"] == f.ring);
  CHECK(dead["generation"] == live["generation"]);
  CHECK(dead["copy"]["missing_bytes"] == 0);
  CHECK(dead["records"] == live["records"]);
  CHECK(dead["records"].size() == 20);
  CHECK(dead["lanes"][0]["owner"]["alive"].is_null());
  CHECK(dead["reader"]["alive"].is_null());
  for (const auto* part : {"claims", "written", "stored", "waiting", "lost", "series"})
    CHECK(dead["lanes"][0][part] == live["lanes"][0][part]);
  const auto shown = f.inspect({copy});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("copy of ring " + f.ring) && Contains("a copy does not tell who was alive") &&
                               Contains("controller") && Contains("GREEN"));
}

TEST_CASE("a copy that was cut off shows the lanes it has and says what is missing", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  f.push(10);
  const auto copy = f.copy();
  const auto whole = std::filesystem::file_size(copy);
  std::filesystem::resize_file(copy, whole - whole / 4 + 100);
  const auto shown = f.inspect({copy, "--records", "5"});
  INFO(shown.output);
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("cut off: its last " + std::to_string(whole / 4 - 100) + " bytes are missing") &&
                               Contains("controller"));
  std::filesystem::resize_file(copy, 100);
  const auto none = f.inspect({copy});
  CHECK(none.status == 1);
  CHECK_THAT(none.output, Contains("the object has 100 bytes"));
}

TEST_CASE("a copy that is damaged, or none, is refused with what was found and expected", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  const auto copy = f.copy();
  f.poke(copy, 36, 1000);
  const auto damaged = f.inspect({copy});
  CHECK(damaged.status == 1);
  CHECK_THAT(damaged.output, Contains("the header's checksum is wrong") && Contains(copy) && Contains("--check"));
  const auto none = f.inspect({(f.folder / "none").string()});
  CHECK(none.status == 1);
  CHECK_THAT(none.output, Contains("No such file") && Contains("expected a copy of /dev/shm/ringdown-NAME"));
  CHECK_THAT(f.inspect({f.folder.string()}).output, Contains("it is no regular file"));
}

TEST_CASE("the path of a ring's object is the ring, with its locks", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  const auto shown = f.inspect({"/dev/shm/ringdown-" + f.ring});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.output, Contains("alive") && !Contains("copy of"));
}

TEST_CASE("a ring's name that nobody has is answered with the nearest ones", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  const auto shown = f.inspect({f.ring + "x"});
  CHECK(shown.status == 1);
  CHECK_THAT(shown.output, Contains("No such file") && Contains("did you mean: ") && Contains(f.ring));
}

TEST_CASE("follow prints samples as they are pushed, and ends after its count", "[inspect]") {
  const InspectFixture f(Mode::overwrite_oldest);
  const bool json = GENERATE(false, true);
  std::vector<std::string> command{RING_INSPECT_PATH, f.ring, "--follow", R"(rtt_ms{wan=~"s.*"})", "--count", "3"};
  if (json) command.emplace_back("--json");
  support::Child follower(command, f.folder / "output");
  while (follower.running()) f.push(1);
  CHECK(follower.wait() == 0);
  std::ifstream output(f.folder / "output");
  std::string line;
  int lines = 0;
  for (; std::getline(output, line); ++lines) {
    if (json) {
      const auto row = nlohmann::json::parse(line);
      CHECK(row["series"] == "rtt_ms{wan=\"spectrum\"}");
      CHECK(row["lane"] == 0);
    } else {
      CHECK_THAT(line, Contains("rtt_ms{wan=\"spectrum\"}  ") && Contains(" ms"));
    }
  }
  CHECK(lines == 3);
}

TEST_CASE("follow refuses a series that nobody has, a copy, and ends when the ring is deleted", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  const auto typo = f.inspect({f.ring, "--follow", "rtt_sm"});
  CHECK(typo.status == 1);
  CHECK_THAT(typo.output, Contains("no series has this name; did you mean: rtt_ms"));
  CHECK_THAT(f.inspect({f.ring, "--follow", "rtt_ms{wan=\"x\"}"}).output,
             Contains("it matches none of 3 series; one of them is rtt_ms{wan=\"spectrum\"}"));
  CHECK_THAT(f.inspect({f.copy(), "--follow", "rtt_ms"}).output, Contains("found a copy, which does not change"));
  CHECK(f.inspect({f.ring, "--follow", "rtt_ms", "--check"}).status == 2);
  support::Child follower({RING_INSPECT_PATH, f.ring, "--follow", "rtt_ms"}, f.folder / "output");
  while (support::read_file(f.folder / "output").empty()) f.push(1), f.release();
  ring::Segment::remove(f.ring);
  CHECK(follower.wait() == 1);
  CHECK_THAT(support::read_file(f.folder / "output"), Contains("it was deleted or replaced"));
}

TEST_CASE("watch is refused without a terminal, for a copy and for a period that is none", "[inspect]") {
  const InspectFixture f(Mode::drop_newest);
  const auto piped = f.inspect({f.ring, "--watch"});
  CHECK(piped.status == 1);
  CHECK_THAT(piped.output, Contains("is no terminal, expected one; use --json or --follow"));
  CHECK_THAT(f.inspect({f.copy(), "--watch"}).output, Contains("found a copy, which does not change"));
  CHECK_THAT(f.inspect({f.ring, "--watch", "--every", "1ms"}).output, Contains("found 1ms, expected 50ms to 1m"));
  CHECK(f.inspect({f.ring + "x", "--watch"}).status == 1);
}
