// A restore that is killed: what was there is there, or aside, or the backup is in its place; and never a bit of each.
#include <catch2/catch.hpp>
#include <filesystem>

#include "at_calls.hpp"
#include "ring/producer.hpp"
#include "sqlite.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace fs = std::filesystem;

TEST_CASE("a restore killed at any system call leaves one whole database, and the next restore ends it", "[crash]") {
  const auto ring = support::unique_ring();
  const auto folder = support::unique_folder(), kept = folder / "kept", place = folder / "place";
  fs::create_directory(kept);
  const auto database = (place / "m.db").string();
  ring::Producer producer(ring, {.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4096}});
  const auto push = [&, a = producer.gauge("a")](int count) {
    for (; count > 0; --count) REQUIRE(producer.push(a, count));
    const auto run = support::run({RING_PERSISTER_PATH, "--ring", ring, "--db", kept / "m.db", "--until-idle"});
    INFO(run.output);
    REQUIRE(run.status == 0);
  };
  push(10);
  REQUIRE(support::run({RING_PERSISTER_PATH, "backup", "--db", kept / "m.db", "--to", folder / "b.db"}).status == 0);
  push(20);
  const auto begin_anew = [&] {
    fs::remove_all(place);
    fs::copy(kept, place);
  };
  // Opened for writing, as the next persister does: there may be a change of its journal's mode to roll back.
  const auto samples = [](const fs::path& file) {
    REQUIRE(fs::exists(file));
    return ringdown::Database(file.string(), ringdown::Database::Access::read_write_create)
        .query_integer("SELECT sum(stored) FROM cursors");
  };
  const std::vector<std::string> restore{RING_PERSISTER_PATH, "restore", "--from", folder / "b.db", "--db", database,
                                         "--quiet"};

  constexpr int loading = 150;  // stops before its main()
  begin_anew();
  const int whole = crash::live_until(restore, 1'000'000);
  REQUIRE(samples(database) == 10);
  int before = 0, between = 0, after = 0;
  constexpr int end = 200;  // stops that the renames are among; of the copy before, one in five
  constexpr int step = support::is_sanitized ? 4 : 1;
  for (int stop = loading; stop < whole; stop += stop < whole - end ? 5 * step : step) {
    INFO("killed at stop " << stop << " of " << whole);
    begin_anew();
    crash::live_until(restore, stop);
    fs::path aside;
    for (const auto& entry : fs::directory_iterator(place))
      if (const auto name = entry.path().filename().string(); name.find(".replaced-") != std::string::npos &&
          !name.ends_with("-wal") && !name.ends_with("-shm")) aside = entry.path();
    if (aside.empty()) {
      REQUIRE(samples(database) == 30);
      ++before;
    } else {
      REQUIRE(samples(aside) == 30);
      if (fs::exists(database)) REQUIRE(samples(database) == 10);
      ++(fs::exists(database) ? after : between);
    }
    if (stop % 20 != 0 && aside.empty()) continue;
    REQUIRE(support::run(restore).status == 0);
    REQUIRE(samples(database) == 10);
    for (const auto& entry : fs::directory_iterator(place))
      CHECK_THAT(entry.path().filename().string(), !Catch::Contains("partial"));
  }
  CHECK(before > 0);
  CHECK(between > 0);
  CHECK(after > 0);
  WARN(before << " kills before the first rename, " << between << " between the two, " << after << " after both");
}
