// An import that is killed and run again ends as one that was not.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "../e2e/old_database.hpp"
#include "at_calls.hpp"
#include "schema.hpp"
#include "stored.hpp"

namespace fs = std::filesystem;

namespace {

bool has_schema(const std::string& database) {
  return ringdown::Database(database, ringdown::Database::Access::read_write_create).query_integer("PRAGMA user_version") ==
         ringdown::schema::version;
}

}  // namespace

TEST_CASE("an import killed at any system call and run again gives what one that was left alone gives",
          "[crash][import]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto folder = support::unique_folder();
  const auto hour_s = std::time(nullptr) / 3600 * 3600;
  std::vector<std::string> command{RING_PERSISTER_PATH, "import", "--quiet", "--kind", "state=state"};
  for (const auto* wan : {"a", "b"}) {
    support::OldDatabase old(folder / (std::string(wan) + ".db"));
    for (const auto& [granularity, width_s, from_s, to_s] : {std::tuple{"1h", 3600, hour_s - 86400, hour_s - 36000},
                                                             {"5m", 300, hour_s - 36000, hour_s - 14400},
                                                             {"1m", 60, hour_s - 14400, hour_s - 7200}})
      for (auto s = from_s; s < to_s; s += width_s)
        for (const auto* name : {"rtt", "state"})
          old.insert(s, wan, name, static_cast<double>(random() % 4), granularity);
    // Clocks that go back, seconds of all sizes, rows that are ambiguous.
    auto s = hour_s - 7100;
    for (int i = 0; i < 65'000; ++i) {
      if (random() % 20 == 0) s += 1;
      if (i == 45'000 && wan == std::string("b")) s -= 1500;
      const auto back_s = random() % 1000 == 0 ? static_cast<std::int64_t>(random() % 100) : 0;
      old.insert(random() % 500 == 0 ? 5 : s - back_s, wan, random() % 2 ? "rtt" : "state",
                 static_cast<double>(random() % 4));
    }
    command.push_back(old.commit());
  }
  const auto place = folder / "place";
  const auto database = (place / "m.db").string();
  const auto config = (folder / "keep.toml").string();  // so that tier_1s does not depend on what time it is
  std::ofstream(config) << "[tiers]\n1s = \"forever\"\n";
  command.insert(command.end(), {"--db", database, "--config", config});
  const auto begin_anew = [&] {
    fs::remove_all(place);
    fs::create_directory(place);
  };
  begin_anew();
  const int whole = crash::live_until(command, 1'000'000'000);
  const auto expected = support::imported_contents(database);
  REQUIRE(expected.size() > 1000);
  REQUIRE(support::query(database, "SELECT count(*) FROM batches") >= 2);
  {
    const auto run = support::verify(database);
    INFO(run.output);
    REQUIRE(run.status == 0);
  }

  int killed = 0;
  for (int i = 0; i < support::rounds(support::is_sanitized ? 8 : 24); ++i) {
    begin_anew();
    for (int kills = 1 + static_cast<int>(random() % 3); kills > 0; --kills) {
      const int stop = 300 + static_cast<int>(random() % static_cast<unsigned>(whole - 300));
      INFO("killed at stop " << stop << " of " << whole);
      killed += crash::live_until(command, stop) == stop;
      // Whatever is there holds already, if anything is. Opened for writing first: its making may have to be rolled back.
      if (!fs::exists(database) || !has_schema(database)) continue;
      const auto run = support::verify(database);
      INFO(run.output);
      CHECK(run.status == 0);
    }
    const auto run = support::run(command);
    INFO(run.output);
    REQUIRE(run.status == 0);
    const auto found = support::imported_contents(database);
    const auto [differs, instead] = std::mismatch(found.begin(), found.end(), expected.begin(), expected.end());
    INFO("found " << (differs == found.end() ? "nothing" : *differs));
    INFO("expected " << (instead == expected.end() ? "nothing" : *instead));
    REQUIRE((found == expected));
  }
  CHECK(killed > 0);
  WARN(killed << " kills");
  fs::remove_all(folder);
}
