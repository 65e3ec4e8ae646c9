// naive_table.hpp: what a daemon without Ringdown does: a row a sample in a table of its own in SQLite.
// AUTOINCREMENT id, text names, three indexes, WAL, synchronous=NORMAL, SQLite's own checkpoints (1000
// pages).
#pragma once

#include <string>
#include <string_view>

#include "sqlite.hpp"

namespace bench {

class NaiveTable {
 public:
  explicit NaiveTable(const std::string& path, const std::string& pragmas = own_pragmas)
      : database_(path, ringdown::Database::Access::read_write_create), insert_(prepared(pragmas)) {}

  /// Outside a transaction every insert is a commit.
  void insert(std::int64_t time_ns, std::string_view name, double value) {
    insert_.bind(1, static_cast<double>(time_ns) / 1e9).bind(2, "plant").bind(3, name).bind(4, value);
    insert_.run();
  }
  /// Rows ever inserted, also by other connections.
  std::int64_t rows() { return database_.query_integer("SELECT ifnull(max(id), 0) FROM metrics"); }
  ringdown::Database& database() noexcept { return database_; }

 private:
  static constexpr const char* own_pragmas = R"sql(
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = 1000;
      PRAGMA busy_timeout = 5000;)sql";

  ringdown::Statement prepared(const std::string& pragmas) {
    database_.execute(pragmas + R"sql(
      CREATE TABLE IF NOT EXISTS metrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp REAL NOT NULL,
        wan_name TEXT NOT NULL,
        metric_name TEXT NOT NULL,
        value REAL NOT NULL,
        labels TEXT
      );
      CREATE INDEX IF NOT EXISTS by_time ON metrics (timestamp);
      CREATE INDEX IF NOT EXISTS by_name ON metrics (wan_name, metric_name, timestamp);
      CREATE INDEX IF NOT EXISTS by_metric ON metrics (metric_name, timestamp);)sql");
    return {database_, "INSERT INTO metrics (timestamp, wan_name, metric_name, value) VALUES (?, ?, ?, ?)"};
  }

  ringdown::Database database_;
  ringdown::Statement insert_;
};

}  // namespace bench
