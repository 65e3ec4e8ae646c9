// test_extension.cpp: the extension in stock programs, beside a store at work, on damaged and on foreign databases.
#include <algorithm>
#include <set>
#include <sstream>

#include "extension_host.hpp"

using namespace extension;

namespace {

/// A stock program that is not sanitized itself needs the sanitizer's library before ours.
std::vector<std::string> host_command(std::vector<std::string> command) {
  if (*SANITIZER_PATH)
    command.insert(command.begin(), {"/usr/bin/env", "LD_PRELOAD=" SANITIZER_PATH, "ASAN_OPTIONS=detect_leaks=0"});
  return command;
}

std::string run(const std::vector<std::string>& command) {
  const auto [status, output] = support::run(command);
  INFO(output);
  REQUIRE(status == 0);
  return output;
}

std::string shell(const std::filesystem::path& database, const std::string& sql) {
  return run(host_command({SQLITE3_PATH, "-readonly", "-batch", database, ".load " EXTENSION_STEM, sql}));
}

std::vector<std::string> python_command(const std::filesystem::path& database, const std::string& expression) {
  return host_command({PYTHON_PATH, "-c",
                       "import sqlite3, sys\n"
                       "db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n"
                       "db.enable_load_extension(True)\n"
                       "db.load_extension('" EXTENSION_STEM "')\n"
                       "print(" +
                           expression +
                           ")\n"
                           "db.close()\n",
                       database});
}

std::string python(const std::filesystem::path& database, const std::string& expression) {
  return run(python_command(database, expression));
}

std::string count(std::size_t number) { return std::to_string(number); }

/// Sealed and not yet sealed samples.
void fill(Plant& plant) {
  plant.minutes(60);
  plant.maintain();
  plant.minutes(5);
  REQUIRE(plant.query("SELECT count(*) FROM windows") > 0);
  REQUIRE(plant.query("SELECT count(*) FROM batches") > 0);
}

}  // namespace

TEST_CASE("the stock shell shows every sample that was pushed", "[extension]") {
  Plant plant;
  fill(plant);
  CHECK(
      shell(plant.path(), "SELECT count(*), count(DISTINCT series), min(time_ns) = " +
                              std::to_string(std::min_element(plant.pushed.begin(), plant.pushed.end(),
                                                              [](auto& a, auto& b) { return a.time_ns < b.time_ns; })
                                                 ->time_ns) +
                              " FROM ring_samples") == count(plant.pushed.size()) + "|6|1\n");
  CHECK(shell(plant.path(), "SELECT DISTINCT value, state FROM ring_samples WHERE series = 4 ORDER BY value") ==
        "0.0|GREEN\n1.0|YELLOW\n2.0|it's \"RED\"\n3.0|\n");
  CHECK(shell(plant.path(),
              "SELECT DISTINCT wan_name, metric_name, labels, granularity FROM ring_metrics ORDER BY 1, 2, 3") ==
        "|5|{}|raw\n|Load|{}|raw\n|bytes_total|{\"path\":\"a\\\\b\"}|raw\natt|rtt_ms|{\"direction\":\"up\"}|raw\n"
        "att|zone|{}|raw\nspectrum|rtt_ms|{}|raw\n");
}

TEST_CASE("Python shows every sample that was pushed, and closes the database", "[extension]") {
  Plant plant;
  fill(plant);
  const auto of_series_1 =
      std::count_if(plant.pushed.begin(), plant.pushed.end(), [](auto& s) { return s.series == 1; });
  CHECK(python(plant.path(),
               "len(db.execute('SELECT * FROM ring_samples').fetchall()), "
               "db.execute('SELECT count(*) FROM ring_samples WHERE name = ? AND labels = ?', "
               "('rtt_ms', '{\"wan\":\"spectrum\"}')).fetchone()[0]") ==
        count(plant.pushed.size()) + ' ' + std::to_string(of_series_1) + '\n');
  CHECK(python(plant.path(), "db.execute('SELECT time_ns FROM ring_samples').fetchone() is not None") ==
        "True\n");  // not to its end
}

TEST_CASE("the extension gives nothing away but its entry points, and brings no SQLite of its own", "[extension]") {
  const auto [status, symbols] = support::run({NM_PATH, "-D", "--defined-only", EXTENSION_PATH});
  std::istringstream lines(symbols);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) names.push_back(line.substr(line.rfind(' ') + 1));
  CHECK(status == 0);
  CHECK(names == std::vector<std::string>{"sqlite3_extension_init", "sqlite3_ringdownsqlite_init"});
  const auto undefined = support::run({NM_PATH, "-D", "--undefined-only", EXTENSION_PATH});
  CHECK(undefined.output.find(" sqlite3_") == std::string::npos);
}

TEST_CASE("a query sees one state of the database whatever is committed, sealed and deleted meanwhile",
          "[extension]") {
  const bool is_attached = GENERATE(false, true);
  Plant plant;
  plant.minutes(40, 3000);  // several reads of 2^18 samples
  plant.maintain();
  plant.minutes(20, 3000);
  Host host(is_attached ? ":memory:" : plant.path(), is_attached ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
  if (is_attached) host.rows("ATTACH 'file:" + plant.path().string() + "?mode=ro' AS \"the \"\"plant\"");
  const std::string table = is_attached ? "ring_samples(0, 'the \"plant')" : "ring_samples";
  const auto pushed = plant.pushed.size();
  const auto changes = plant.query("SELECT changes FROM sealed");
  std::size_t got = 0;
  std::string last;
  bool ascends = true;
  host.each("SELECT printf('%20d', time_ns), (SELECT count(*) FROM series), value FROM " + table,
            [&](const Row& row) {
              if (got++ % 10'000 == 0) {
                plant.minutes(3, 20);
                plant.wait(std::chrono::seconds(10));
                for (int i = 0; i < 200 && plant.slice(50); ++i) {
                }
              }
              ascends = ascends && row.cells[0] >= last;
              last = row.cells[0];
              return true;
            });
  CHECK(got == pushed);
  CHECK(ascends);
  CHECK(plant.query("SELECT changes FROM sealed") > changes);
  CHECK(host.one("SELECT count(*) FROM " + table) == count(plant.pushed.size()));  // the next one sees it all
  CHECK(host.one(
            "SELECT sum((SELECT count(*) FROM ring_samples AS b WHERE b.series = s.id AND b.schema = a.schema)) FROM "
            "(SELECT 1 AS id UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) AS s, "
            "(SELECT '" +
            std::string(is_attached ? "the \"plant" : "main") + "' AS schema) AS a") == count(plant.pushed.size()));
}

TEST_CASE("every query of another process sees whole commits, while a store commits and seals", "[extension]") {
  Plant plant;
  fill(plant);
  const auto output = plant.folder() / "counts";
  std::set<std::string> possible{count(plant.pushed.size())};
  support::Child reader(python_command(plant.path(),
                                       "*[db.execute('SELECT count(*), count(DISTINCT time_ns || series || "
                                       "nth) FROM ring_samples').fetchone() for _ in range(100)], sep='\\n'"),
                        output);
  const auto changes = plant.query("SELECT changes FROM sealed");
  std::size_t commits = 0;
  for (; reader.running() && commits < 3000; ++commits) {
    plant.minutes(1, 20);
    possible.insert(count(plant.pushed.size()));
    plant.wait(std::chrono::seconds(1));
    for (int i = 0; i < 20 && plant.slice(50); ++i) {
    }
  }
  CHECK(reader.wait() == 0);
  std::istringstream lines(support::read_file(output));
  std::set<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    const auto comma = line.find(", ");
    INFO(line);
    REQUIRE(comma != line.npos);
    const auto samples = line.substr(1, comma - 1);
    CHECK(line == "(" + samples + ", " + samples + ")");
    CHECK(possible.contains(samples));
    seen.insert(samples);
  }
  WARN(commits << " commits, " << plant.query("SELECT changes FROM sealed") - changes << " windows meanwhile; "
               << seen.size() << " states seen");
  CHECK_FALSE(seen.empty());
}

TEST_CASE("a query within a transaction of the host, or one that writes elsewhere, reads the same", "[extension]") {
  Plant plant;
  fill(plant);
  Host host(plant.path());
  const auto all = count(plant.pushed.size());
  host.rows("BEGIN");
  CHECK(host.one("SELECT count(*) FROM ring_samples") == all);
  plant.minutes(1);
  CHECK(host.one("SELECT count(*) FROM ring_samples") == all);  // as the transaction began
  host.rows("ROLLBACK");
  CHECK(host.one("SELECT count(*) FROM ring_samples") == count(plant.pushed.size()));
  host.rows("CREATE TEMP TABLE batches AS SELECT * FROM ring_samples");  // a name that must not stand in for ours
  host.rows("CREATE TEMP TABLE series AS SELECT 7 AS id");
  CHECK(host.one("SELECT count(*) FROM temp.batches") == count(plant.pushed.size()));
  CHECK(host.one("SELECT count(*) FROM ring_samples AS a, ring_samples AS b WHERE a.time_ns = b.time_ns AND a.series "
                 "= b.series "
                 "AND a.nth = b.nth AND a.series = 1") ==
        host.one("SELECT count(*) FROM ring_samples WHERE series = 1"));
  CHECK_THAT(host.error("DELETE FROM ring_samples"), Catch::Contains("may not be modified"));
  CHECK_THAT(host.error("CREATE VIRTUAL TABLE temp.x USING ring_samples"), Catch::Contains("no such module"));
}

TEST_CASE("a damaged chunk or batch ends the query with its name, or is left out when that is asked for",
          "[extension]") {
  Plant plant;
  fill(plant);
  Host host(plant.path());
  plant.database().execute(
      "UPDATE columns SET blob = zeroblob(30) WHERE id = (SELECT id >> 26 << 26 | vals FROM chunks "
      "WHERE id & 0x3ffffff = 2 ORDER BY id LIMIT 1)");
  const auto lost = plant.query("SELECT count FROM chunks WHERE id & 0x3ffffff = 2 ORDER BY id LIMIT 1");
  CHECK_THAT(
      host.error("SELECT * FROM ring_samples"),
      Catch::StartsWith("ring_samples: database " + plant.path().string() + " is damaged: series 2 of window ") &&
          Catch::EndsWith("; skip_damaged = 1 leaves it out"));
  CHECK_THAT(host.error("SELECT * FROM ring_metrics"), Catch::StartsWith("ring_metrics: database "));
  CHECK(host.error("SELECT * FROM ring_samples WHERE series = 1").empty());
  const auto rest = count(plant.pushed.size() - static_cast<std::size_t>(lost));
  CHECK(host.one("SELECT count(*) FROM ring_samples(1)") == rest);
  CHECK(host.one("SELECT count(*) FROM ring_samples WHERE skip_damaged = 1") == rest);
  CHECK(host.one("SELECT count(*) FROM ring_metrics WHERE skip_damaged = 1 AND metric_name LIKE '%'") == rest);
  CHECK(host.error("SELECT * FROM ring_samples") == host.error("SELECT * FROM ring_samples(0)"));
  plant.database().execute("UPDATE batches SET blob = x'00' WHERE id = (SELECT max(id) FROM batches)");
  CHECK_THAT(host.error("SELECT * FROM ring_samples WHERE series = 1"), Catch::Contains("is damaged: batch "));
  CHECK(host.one("SELECT count(*) FROM ring_samples(1)") ==
        count(plant.pushed.size() - static_cast<std::size_t>(lost) - 60));
  plant.database().execute("UPDATE sealed SET next_window = -1");
  CHECK_THAT(host.error("SELECT * FROM ring_samples(1)"), Catch::Contains("damaged: sealed"));
}

TEST_CASE("samples of a series that is not in the table series are damage", "[extension]") {
  Plant plant;
  fill(plant);
  plant.database().execute("DELETE FROM series WHERE id = 5");
  Host host(plant.path());
  CHECK_THAT(host.error("SELECT * FROM ring_samples"),
             Catch::Contains("samples of series 5, which is not in the table series"));
  CHECK(host.one("SELECT count(*) FROM ring_samples(1) WHERE series = 5") == "0");
  CHECK(host.one("SELECT count(DISTINCT series) FROM ring_samples(1)") == "5");
}

TEST_CASE("a database that is not Ringdown's, or of another version, is refused with the remedy", "[extension]") {
  Host other(":memory:", SQLITE_OPEN_READWRITE);
  CHECK_THAT(
      other.error("SELECT * FROM ring_samples"),
      Catch::StartsWith(
          "ring_samples: database main is none of Ringdown's (application_id 0, expected 1380208471); open one"));
  CHECK_THAT(other.error("SELECT * FROM ring_samples(0, 'plant')"),
             Catch::Contains("database plant is not attached; ATTACH it"));
  Plant plant;
  fill(plant);
  Host host(plant.path());
  const auto version = plant.query("PRAGMA user_version");
  plant.database().execute("PRAGMA user_version = " + std::to_string(version - 1));
  CHECK_THAT(host.error("SELECT * FROM ring_samples"), Catch::Contains("start ring-persister with it once"));
  plant.database().execute("PRAGMA user_version = " + std::to_string(version + 1));
  CHECK_THAT(host.error("SELECT * FROM ring_metrics"),
             Catch::Contains("load the libringdown_sqlite that came with its ring-persister"));
  plant.database().execute("PRAGMA user_version = " + std::to_string(version));
  plant.database().execute("ALTER TABLE batches RENAME TO b; CREATE VIEW batches AS SELECT * FROM ring_samples");
  CHECK_THAT(host.error("SELECT * FROM ring_samples"), Catch::Contains("no such table"));  // and does not call itself
  plant.database().execute("DROP VIEW batches");
  CHECK_THAT(host.error("SELECT * FROM ring_samples"), Catch::Contains("no such table: main.batches"));
}

TEST_CASE("a query can be interrupted", "[extension]") {
  Plant plant;
  fill(plant);
  Host host(plant.path());
  sqlite3_progress_handler(
      host.handle(), 1000, [](void*) { return 1; }, nullptr);
  CHECK(host.error("SELECT sum(value) FROM ring_samples") == "interrupted");
  sqlite3_progress_handler(host.handle(), 0, nullptr, nullptr);
  CHECK(host.error("SELECT sum(value) FROM ring_samples").empty());
}

TEST_CASE("what is narrowed down is found without reading the rest", "[extension]") {
  Plant plant;
  fill(plant);
  Host host(plant.path());
  plant.database().execute(
      "UPDATE columns SET blob = x'00' WHERE id IN (SELECT id >> 26 << 26 | vals FROM chunks "
      "WHERE id & 0x3ffffff <> 1)");  // whoever reads these fails
  for (const auto& condition : std::vector<std::string>{
           "series = 1", "series IN (1, 99)", "name = 'rtt_ms' AND labels = '{\"wan\":\"spectrum\"}'",
           "labels LIKE '%spectrum%'", "labels GLOB '*spectrum*'",
           "time_ns >= " + std::to_string(wall_ns - 120 * second_ns),
           "timestamp > " + std::to_string(wall_ns / second_ns - 120), "series < 2 AND kind = 'gauge'",
           "name IN ('rtt_ms') AND series = '1'",
           "series = (SELECT id FROM main.series WHERE labels LIKE '%spectrum%')",
           "time_ns = " + std::to_string(wall_ns),
           "series IN (SELECT id FROM main.series WHERE json_extract(labels, '$.wan') = 'spectrum')"}) {
    INFO(condition);
    CHECK(host.error("SELECT * FROM ring_samples WHERE " + condition).empty());
    CHECK(host.error("SELECT s.name, r.value FROM main.series AS s JOIN ring_samples AS r ON r.series = s.id WHERE "
                     "s.id = 1")
              .empty());
  }
  CHECK(host.error("SELECT * FROM ring_metrics WHERE wan_name = 'spectrum'").empty());
  CHECK_FALSE(host.error("SELECT * FROM ring_metrics WHERE wan_name = 'att'").empty());
  for (const std::string order : {"time_ns", "timestamp", "time_ns, series", "series, time_ns"}) {
    const auto plan = host.rows("EXPLAIN QUERY PLAN SELECT * FROM ring_samples WHERE series = 1 ORDER BY " + order);
    CHECK(plan.size() == 1);  // without a sorter
  }
}
