// fuzz_extension.cpp: asks the SQLite extension what somebody else has thought of.
//
// Every input is a query, written byte by byte (query_bytes.hpp): conditions on the columns of a table, in any
// combination, values of every type in the text or bound to it, parameters of tables, arguments of functions.
// Whatever it asks of a database with sealed samples and such in batches:
//   1. no crash, no sanitizer's report; what fails has a text, and no code that only damage or misuse has;
//   2. a condition leaves what it leaves of a plain table with the same rows, and fails only where that one does;
//   3. rows come in the order that was asked for;
//   4. totals have as many samples as the range has in the plain table;
//   5. functions give NULL or a finite number; a quantile is within what it is of;
//   6. no statement of the extension outlives the query.
#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fold.hpp"
#include "query_bytes.hpp"
#include "redo.hpp"
#include "sealing.hpp"
#include "store.hpp"
#include "support.hpp"
#include "widen.hpp"

namespace {

using namespace ringdown;
using fuzz::Query;

constexpr std::int64_t second_ns = fuzz::second_ns;
std::int64_t wall_ns = fuzz::first_ns;

void require(bool holds, const char* invariant, const std::string& about) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_extension: broken: %s\n  %s\n", invariant, about.c_str());
  std::abort();
}

std::vector<SeriesRow> known_series() {
  using ring::Kind;
  return {{1, {Kind::gauge, "rtt_ms", "ms", {{"wan", "spectrum"}}, {}}},
          {2, {Kind::gauge, "rtt_ms", "ms", {{"wan", "att"}, {"direction", "up"}}, {}}},
          {3, {Kind::counter, "bytes_total", "B", {{"path", "a\\b"}}, {}}},
          {4, {Kind::state, "zone", "", {{"wan", "att"}}, {"GREEN", "YELLOW", "it's \"RED\""}}},
          {5, {Kind::gauge, "5", "", {}, {}}}};
}

/// A minute's samples, some late, some under one time; once some of 1970, where a double in seconds lies between two.
std::vector<Sample> a_minute(std::int64_t minute) {
  std::vector<Sample> out;
  for (std::int64_t i = 0; i < 10; ++i) {
    const auto nth = minute * 10 + i;
    auto time_ns = fuzz::first_ns + nth * 6 * second_ns;
    if (nth % 23 == 0) time_ns -= 600 * second_ns;
    if (nth % 7 == 0 && !out.empty()) time_ns = out.back().time_ns;
    const auto series = static_cast<std::uint32_t>(nth / 2 % 5 + 1);
    out.push_back(
        {time_ns, series == 4 ? static_cast<double>(nth % 4) : static_cast<double>(nth % 37) / 8 - 2, series});
  }
  for (std::int64_t time_ns = -4; minute == 20 && time_ns <= 4; ++time_ns)
    out.push_back({time_ns, 1, static_cast<std::uint32_t>(time_ns + 4) % 5 + 1});
  return out;
}

/// Runs a job to its end.
template <class Job>
void run(const Job& job) {
  for (bool more = true; more;) {
    Budget budget{.steps = 1000};
    more = job(budget);
  }
}

/// Every tier is made, what is old enough is sealed.
void maintain(Database& database) {
  SeriesRules series(database);
  Fold to_1s(database, series, "tier_1s", 5), to_1m(database, series, "tier_1m", 60);
  Widen to_5m(database, series, "tier_1m", "tier_5m"), to_1h(database, series, "tier_5m", "tier_1h");
  Redo redo(database, series, to_1m, to_5m, to_1h);
  Sealing sealing(database, series, Rules{});
  run([&](Budget& budget) { return to_1s.run(wall_ns, budget); });
  run([&](Budget& budget) { return to_1m.run(wall_ns, budget); });
  run([&](Budget& budget) { return redo.run(budget); });
  run([&](Budget& budget) { return to_5m.run(false, budget); });
  run([&](Budget& budget) { return to_1h.run(false, budget); });
  run([&](Budget& budget) { return sealing.run(wall_ns, budget); });
}

std::vector<Sample> make_database(const std::string& path) {
  Store store(path, {.wall_ns = [] { return wall_ns; }});
  store.ring_id("plant", "ab", 1);
  std::vector<Sample> all;
  for (std::int64_t minute = 0; minute < 45; ++minute) {
    Batch batch;
    if (minute == 0) batch.series = known_series();
    batch.samples = a_minute(minute);
    all.insert(all.end(), batch.samples.begin(), batch.samples.end());
    wall_ns = fuzz::first_ns + (minute + 1) * 60 * second_ns;
    store.commit(batch);
  }
  maintain(store.database());
  require(store.database().query_integer("SELECT count(*) FROM windows") > 0, "some samples are sealed", path);
  require(store.database().query_integer("SELECT count(*) FROM batches") > 0, "some are not", path);
  return all;
}

/// What a query came to.
struct Outcome {
  std::string error = {};
  std::vector<std::int64_t> first_column = {};
  std::vector<std::pair<int, double>> values = {};  // type and number of column 1
};

/// The host.
class World {
 public:
  World() {
    spdlog::set_level(spdlog::level::off);
    const auto samples = make_database(path_);
    require(sqlite3_open(path_.c_str(), &handle_) == SQLITE_OK, "the database opens", path_);
    sqlite3_enable_load_extension(handle_, 1);
    char* error = nullptr;
    if (sqlite3_load_extension(handle_, EXTENSION_PATH, nullptr, &error) != SQLITE_OK)
      require(false, "the extension loads", error);
    execute("ATTACH '" + path_ + "' AS other");
    fill_plain(samples);
    execute("PRAGMA query_only = 1");
  }

  void run(std::span<const std::uint8_t> input) {
    Query query(input);
    switch (query.kind()) {
      case Query::Kind::rows:
        return check_rows(query);
      case Query::Kind::of_range:
        return check_totals(query);
      case Query::Kind::function:
        return check_function(query);
      default:
        asked(query, query.free_text());
    }
  }

 private:
  void check_rows(Query& query) {
    const auto table = query.table();
    const auto where = query.conditions(table);
    const bool descends = query.flag();
    const std::string time = table.is_metrics ? "timestamp" : "time_ns";
    const auto rows = [&](const std::string& from) {
      return asked(query, "SELECT " + time + " FROM " + from + " WHERE " + where + " ORDER BY " + time +
                              (descends ? " DESC" : ""));
    };
    const auto got = rows(table.name);
    const auto question = shown_;
    const auto expected = rows(table.plain);
    require(got.error.empty() == expected.error.empty(), "it fails where a plain table fails",
            question + ": " + got.error + expected.error);
    require(got.first_column == expected.first_column, "a condition leaves what it leaves of a plain table, in order",
            question);
  }

  void check_totals(Query& query) {
    const auto from = query.parameter(), to = query.parameter(), step = query.parameter();
    const auto where = query.conditions(fuzz::totals);
    const auto got = asked(query, "SELECT coalesce(sum(count), 0) FROM ring_totals(" + from + ", " + to + ", " +
                                      step + ") WHERE " + where);
    if (!got.error.empty()) return;
    const auto question = shown_;
    const auto expected = asked(query, "SELECT count(*) FROM plain WHERE time_ns >= coalesce(" + from +
                                           ", -9223372036854775808) AND time_ns < coalesce(" + to +
                                           ", 9223372036854775807) AND (" + where + ")");
    require(got.first_column == expected.first_column, "totals have the samples of the range", question);
  }

  void check_function(Query& query) {
    const auto answer = asked(query, query.function());
    for (const auto& [type, number] : answer.values)
      require(type == SQLITE_NULL || (type == SQLITE_FLOAT && std::isfinite(number)),
              "a function gives NULL or a finite number", shown_);
    const auto where = query.conditions(fuzz::samples);
    const auto q = query.parameter();
    const auto within = asked(query, "SELECT coalesce(quantile(value, " + q +
                                         ") BETWEEN min(value) AND max(value), 1) FROM ring_samples WHERE " + where);
    for (const auto holds : within.first_column) require(holds == 1, "a quantile is within what it is of", shown_);
  }

  Outcome asked(Query& query, const std::string& sql) {
    shown_ = sql;
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v2(handle_, sql.c_str(), static_cast<int>(sql.size()), &statement, nullptr);
    Outcome out;
    if (code == SQLITE_OK && statement) {
      query.bind(statement);
      while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        // Of seconds the bits: they are only compared for being the same.
        const auto real = sqlite3_column_double(statement, 0);
        out.first_column.push_back(sqlite3_column_type(statement, 0) == SQLITE_FLOAT
                                       ? std::bit_cast<std::int64_t>(real)
                                       : sqlite3_column_int64(statement, 0));
        if (sqlite3_column_count(statement) > 1)
          out.values.push_back({sqlite3_column_type(statement, 1), sqlite3_column_double(statement, 1)});
      }
    }
    if (code != SQLITE_OK && code != SQLITE_DONE) {
      out.error = sqlite3_errmsg(handle_);
      require(!out.error.empty() && (code == SQLITE_ERROR || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH),
              "what fails says why", sql + ": " + std::to_string(code) + ' ' + out.error);
    }
    sqlite3_finalize(statement);
    require(sqlite3_next_stmt(handle_, nullptr) == nullptr, "no statement outlives the query", sql);
    return out;
  }

  void execute(const std::string& sql) {
    char* error = nullptr;
    if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &error) != SQLITE_OK) require(false, error, sql);
  }

  void fill_plain(const std::vector<Sample>& samples) {
    execute(
        "CREATE TEMP TABLE plain (time_ns INTEGER, timestamp REAL, series INTEGER, name TEXT, labels TEXT, kind "
        "TEXT, "
        "unit TEXT, value REAL, state TEXT); BEGIN");
    for (const auto& sample : samples)
      execute("INSERT INTO plain SELECT " + std::to_string(sample.time_ns) + ", " + std::to_string(sample.time_ns) +
              " / 1e9, id, name, labels, kind, unit, " + std::to_string(sample.value) +
              ", (SELECT value FROM json_each(states) WHERE key = " + std::to_string(sample.value) +
              ") FROM main.series WHERE id = " + std::to_string(sample.series));
    execute(
        "COMMIT; CREATE TEMP TABLE plain_metrics (timestamp REAL, wan_name TEXT, metric_name TEXT, value REAL, "
        "labels TEXT, granularity TEXT); INSERT INTO plain_metrics SELECT timestamp, coalesce(json_extract(labels, "
        "'$.wan'), ''), name, value, json_remove(labels, '$.wan'), 'raw' FROM plain");
  }

  std::string path_ = support::unique_folder() / "m.db";
  sqlite3* handle_ = nullptr;
  std::string shown_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World& world = *[] {
    ::setenv("TMPDIR", "/dev/shm", 1);
    return new World;
  }();
  world.run({data, size});
  return 0;
}
