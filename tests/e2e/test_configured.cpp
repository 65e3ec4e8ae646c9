// test_configured.cpp: ring-persister with a configuration file, run as a program.
#include <catch2/catch.hpp>
#include <fstream>

#include "ring/segment.hpp"
#include "support.hpp"

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

struct Fixture {
  std::string ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::string file = (folder / "a.toml").string();

  void write(const std::string& text) const { std::ofstream(file) << text; }
  support::Run run(std::vector<std::string> words) const {
    words.insert(words.begin(), RING_PERSISTER_PATH);
    return support::run(words);
  }
  support::Run check(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"check-config", file});
    return run(more);
  }
};

}  // namespace

TEST_CASE("the configuration names database, rings and their shape, and the command line overrides each",
          "[config]") {
  const Fixture f;
  const auto database = (f.folder / "m.db").string(), other = (f.folder / "other.db").string();
  f.write("database = \"" + database + "\"\nrings = [\"" + f.ring + "\"]\nlanes = 4\nlane_records = 128\n");
  const auto as_written = f.run({"--config", f.file, "--until-idle"});
  INFO(as_written.output);
  CHECK(as_written.status == 0);
  CHECK(std::filesystem::exists(database));
  CHECK(ring::Segment::inspect(f.ring).geometry().lanes == 4);
  CHECK(ring::Segment::inspect(f.ring).geometry().lane_records == 128);

  const auto other_ring = support::unique_ring();
  const auto overridden =
      f.run({"--config", f.file, "--until-idle", "--ring", other_ring, "--db", other, "--lanes", "2"});
  INFO(overridden.output);
  CHECK(overridden.status == 0);
  CHECK(std::filesystem::exists(other));
  CHECK(ring::Segment::inspect(other_ring).geometry().lanes == 2);
  CHECK(ring::Segment::inspect(other_ring).geometry().lane_records == 128);
  CHECK_THAT(overridden.output, !Contains(f.ring + " "));
}

TEST_CASE("a wrong configuration ends the persister with status 2 and a line for each error", "[config]") {
  const Fixture f;
  f.write("rings = [\"" + f.ring + "\"]\nround_sm = 3\n[tiers]\nraw = \"1m\"\n");
  const auto run = f.run({"--config", f.file, "--db", (f.folder / "m.db").string(), "--until-idle"});
  CHECK(run.status == 2);
  CHECK_THAT(run.output,
             Contains(f.file + ":2:1: round_sm: unknown key; did you mean round_ms") &&
                 Contains("\n" + f.file + ":4:7: tiers.raw: found '1m', expected at least \"10m\""));
  CHECK_FALSE(std::filesystem::exists(f.folder / "m.db"));
  CHECK(f.check().status == 2);
  CHECK(f.check().output == run.output);
  CHECK(f.run({"--config", (f.folder / "none.toml").string()}).status == 2);
}

TEST_CASE("a ring and a database must be named on the command line or in the configuration", "[config]") {
  const Fixture f;
  f.write("database = \"" + (f.folder / "m.db").string() + "\"\n");
  const auto no_ring = f.run({"--config", f.file, "--until-idle"});
  CHECK(no_ring.status == 2);
  CHECK_THAT(no_ring.output, Contains("--ring NAME, or rings in the --config FILE, is required"));
  const auto no_database = f.run({"--ring", f.ring, "--until-idle"});
  CHECK(no_database.status == 2);
  CHECK_THAT(no_database.output, Contains("--db FILE, or database in the --config FILE, is required"));
}

TEST_CASE("check-config says what a good file means", "[config]") {
  const Fixture f;
  f.write(R"(rings = ["plant", "test"]
[tiers]
5m = "off"
size_max = "10GiB"
[[rule]]
name = "wanctl_*"
labels = { wan = "s*" }
aggregation = "state"
keep = false
tier_1s = false
on_change = true
interval = "50ms"
1m = "90d"
[[rule]]
[[remote_write]]
name = "site"
url = "http://localhost:8428/api/v1/write"
select = ["a", "b"]
)");
  const auto run = f.check();
  CHECK(run.status == 0);
  CHECK_THAT(run.output, Contains("\n  site: raw of a or b to http://localhost:8428/api/v1/write, 10000 samples a request, kept up to 1d\n"));
  CHECK_THAT(run.output, Contains("\nround_ms               100\n") && Contains("\ndurability             normal\n") &&
                             Contains("\nlisten                 nowhere\n"));
  CHECK_THAT(run.output, StartsWith("database               none: give --db\nrings                  plant, test\n"));
  CHECK_THAT(run.output, EndsWith(R"(
tiers                  raw 7d, 1s 15m, 1m 30d, 5m off, 1h off
size_max               10GiB
rules                  the first that matches
  1, line 5: wanctl_*{wan="s*"}: aggregation state, keep false, tier_1s false, on_change true, interval 50ms, 1m 90d
  2, line 14: *: as without a rule
)"));
}

TEST_CASE("check-config says which rule a series gets, and what follows", "[config]") {
  const Fixture f;
  f.write(
      "[[rule]]\nname = \"rtt\"\nkeep = false\n[[rule]]\nlabels = { wan = \"a\" }\naggregation = "
      "\"counter\"\n1h = \"1y\"\n");
  CHECK(f.check({"--series", "rtt{wan=\"a\"}"}).output == R"(rule         1, line 1: rtt: keep false
aggregation  its kind's
keep         false
tier_1s      true
on_change    false
interval     not known
resolution   every bit is kept
raw          until it is rolled up
1s           15m
1m           30d
5m           180d
1h           forever
)");
  CHECK_THAT(
      f.check({"--series", "owd{wan=\"a\"}"}).output,
      Contains(
          "rule         2, line 4: *{wan=\"a\"}: aggregation counter, 1h 365d\naggregation  counter\n") &&
          Contains("\n1h           365d\n"));
  CHECK_THAT(f.check({"--series", "owd"}).output, Contains("rule         none matches\n"));
  const auto none = f.check({"--series", "9{"});
  CHECK(none.status == 2);
  CHECK_THAT(none.output, Contains("series \"9{\": expected NAME{label=\"value\", ...}"));
}
