// import_bench.cpp: what it costs to take in a database with a row a value, as daemons have kept them: ring-persister
// import from its beginning to its end, rollups and the account of all rows included.
//
// The old table has the daemon's own indexes and is made before the clock runs. CPU is this process's.
#include <unistd.h>

#include <ctime>
#include <optional>

#include "folder.hpp"
#include "import.hpp"
#include "machine.hpp"
#include "ring/ownership.hpp"
#include "sqlite.hpp"

namespace {

constexpr const char* schema = R"sql(
  PRAGMA journal_mode = OFF;
  PRAGMA synchronous = OFF;
  CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, wan_name TEXT NOT NULL, metric_name TEXT NOT NULL,
    value REAL NOT NULL, labels TEXT, granularity TEXT DEFAULT 'raw');)sql";
constexpr const char* indexes = R"sql(
  CREATE INDEX idx_metrics_timestamp ON metrics (timestamp);
  CREATE INDEX idx_metrics_wan_metric_time ON metrics (wan_name, metric_name, timestamp);
  CREATE INDEX idx_metrics_granularity_time ON metrics (granularity, timestamp);)sql";

class OldDatabase {
 public:
  explicit OldDatabase(const std::string& path) : database_(path, ringdown::Database::Access::read_write_create) {
    database_.execute(schema);
    insert_.emplace(database_,
                    "INSERT INTO metrics (timestamp, wan_name, metric_name, value, labels, granularity) "
                    "VALUES (?, ?, ?, ?, nullif(?, ''), ?)");
    database_.execute("BEGIN");
  }
  void finish() { database_.execute(std::string("COMMIT;") + indexes); }

  /// A cycle of two link controllers: 52 series, of which 16 have a label.
  void insert_cycle(std::int64_t time_s, std::string_view granularity) {
    for (const std::string_view wan : {"spectrum", "att"})
      for (int i = 0; i < 26; ++i) {
        const auto name = "wanctl_metric_" + std::to_string(i);
        const std::string_view labels = i < 18  ? ""
                                        : i % 2 ? R"({"direction": "download"})"
                                                : R"({"direction": "upload"})";
        const double value = i < 10 ? static_cast<double>(220 + random() % 100) / 10 : i;
        insert_->bind(1, time_s)
            .bind(2, wan)
            .bind(3, std::string_view(name))
            .bind(4, value)
            .bind(5, labels)
            .bind(6, granularity);
        insert_->run();
        ++rows_;
      }
  }
  std::int64_t rows() const noexcept { return rows_; }

 private:
  std::uint64_t random() { return random_ = random_ * 6364136223846793005u + 1442695040888963407u, random_ >> 33; }
  ringdown::Database database_;
  std::optional<ringdown::Statement> insert_;
  std::int64_t rows_ = 0;
  std::uint64_t random_ = 1;
};

enum What { loop_20_hz, row_a_second, rolled_up };

/// About so many rows, up to now.
std::int64_t make(const std::string& path, What what, std::int64_t rows) {
  OldDatabase old(path);
  const auto now_s = std::time(nullptr) / 60 * 60;
  const auto cycles = rows / 52;
  if (what == rolled_up) {
    for (auto i = cycles; i > 0; --i) old.insert_cycle(now_s - 60 * i, "1m");
  } else {
    const auto hz = what == loop_20_hz ? 20 : 1;
    for (std::int64_t i = 0; i < cycles; ++i) old.insert_cycle(now_s - cycles / hz + i / hz, "raw");
  }
  old.finish();
  return old.rows();
}

void import(benchmark::State& state, What what) {
  const bench::Folder folder;
  const auto old = folder.database() + ".old";
  const auto rows = make(old, what, state.range(0) * 1'000'000);
  for (auto _ : state) {
    for (const auto* suffix : {"", "-wal", "-shm", ".lock"}) ::unlink((folder.database() + suffix).c_str());
    ringdown::ImportCommand command;
    command.from = {old};
    command.database = folder.database();
    command.quiet = true;
    const auto cpu_ns = ring::clock_ns(CLOCK_PROCESS_CPUTIME_ID), from_ns = ring::clock_ns(CLOCK_MONOTONIC);
    if (ringdown::import_command(command) != 0) state.SkipWithError("the import failed");
    const auto seconds = static_cast<double>(ring::clock_ns(CLOCK_MONOTONIC) - from_ns) / 1e9;
    const auto cpu_s = static_cast<double>(ring::clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / 1e9;
    state.SetIterationTime(seconds);
    state.counters["rows/s"] = static_cast<double>(rows) / seconds;
    state.counters["rows/cpu_s"] = static_cast<double>(rows) / cpu_s;
  }
}

BENCHMARK_CAPTURE(import, loop_20_hz, loop_20_hz)
    ->ArgName("million")
    ->Arg(2)
    ->Arg(10)
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(import, row_a_second, row_a_second)->ArgName("million")->Arg(2)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(import, rolled_up_1m, rolled_up)->ArgName("million")->Arg(2)->Iterations(1)->UseManualTime();

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
