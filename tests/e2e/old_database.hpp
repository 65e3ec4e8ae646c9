// old_database.hpp: a database in the old shape, as a daemon wrote it row by row, and an import of it.
#pragma once

#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sqlite.hpp"
#include "support.hpp"

namespace support {

class OldDatabase {
 public:
  static constexpr const char* schema = R"sql(
    CREATE TABLE metrics (
      id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, wan_name TEXT NOT NULL, metric_name TEXT NOT NULL,
      value REAL NOT NULL, labels TEXT, granularity TEXT DEFAULT 'raw');
    CREATE INDEX idx_metrics_timestamp ON metrics (timestamp);
    CREATE INDEX idx_metrics_wan_metric_time ON metrics (wan_name, metric_name, timestamp);
    CREATE INDEX idx_metrics_granularity_time ON metrics (granularity, timestamp);)sql";
  /// The same without what keeps wrong rows out.
  static constexpr const char* loose_schema =
      "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, wan_name, metric_name, value, labels, granularity)";

  explicit OldDatabase(const std::string& path, const char* sql = schema)
      : path_(path), database_((remove(path), path), ringdown::Database::Access::read_write_create) {
    database_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    database_.execute(sql);
    insert_.emplace(database_,
                    "INSERT INTO metrics (timestamp, wan_name, metric_name, value, labels, granularity) "
                    "VALUES (?, ?, ?, ?, nullif(?, ''), ?)");
    database_.execute("BEGIN");
  }

  OldDatabase& insert(std::int64_t timestamp, const std::string& wan, const std::string& metric, double value,
                      const std::string& granularity = "raw", const std::string& labels = "") {
    insert_->bind(1, timestamp).bind(2, std::string_view(wan)).bind(3, std::string_view(metric)).bind(4, value);
    insert_->bind(5, std::string_view(labels)).bind(6, std::string_view(granularity)).run();
    return *this;
  }
  OldDatabase& execute(const std::string& sql) {
    database_.execute(sql);
    return *this;
  }
  const std::string& commit() {
    database_.execute("COMMIT; BEGIN");
    return path_;
  }

 private:
  static void remove(const std::string& path) {
    for (const auto* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
  }
  std::string path_;
  ringdown::Database database_;
  std::optional<ringdown::Statement> insert_;
};

struct Imported {
  int status;
  std::string output;
  nlohmann::json json = {};

  std::int64_t of(const std::string& granularity, const std::string& what, std::size_t file = 0) const {
    return json.at("files").at(file).at("granularities").at(granularity).at(what).get<std::int64_t>();
  }
};

inline Imported import(std::vector<std::string> words) {
  words.insert(words.begin(), {RING_PERSISTER_PATH, "import", "--json", "--quiet"});
  const auto run = support::run(words);
  Imported out{run.status, run.output};
  out.json = nlohmann::json::parse(run.output, nullptr, false);
  return out;
}

inline Run verify(const std::string& database) {
  return support::run({RING_PERSISTER_PATH, "verify", "--db", database});
}

/// What a query gives, a line a row, the columns parted by "|".
inline std::vector<std::string> rows(const std::string& path, const std::string& sql, int columns) {
  ringdown::Database database(path, ringdown::Database::Access::read_only);
  ringdown::Statement each(database, sql);
  std::vector<std::string> out;
  while (each.step()) {
    std::string line;
    for (int c = 0; c < columns; ++c) line += (c ? "|" : "") + each.text(c);
    out.push_back(line);
  }
  return out;
}

/// Everything that an import leaves, but for what tells when it was.
inline std::vector<std::string> imported_contents(const std::string& database) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& sql, int columns) {
    const auto found = rows(database, sql, columns);
    out.insert(out.end(), found.begin(), found.end());
  };
  add("SELECT name, labels, kind, raw_from_ns FROM series ORDER BY id", 4);
  add("SELECT committed_ns, min_ns, max_ns, samples, hex(blob) FROM batches ORDER BY id", 5);
  add("SELECT * FROM tier_1s ORDER BY bucket, series", 10);
  for (const auto* tier : {"tier_1m", "tier_5m", "tier_1h"})
    add(std::string("SELECT * FROM ") + tier + " ORDER BY bucket, series", 14);
  add("SELECT job, done, replay, target, frontier, expired FROM progress ORDER BY job", 6);
  add("SELECT lane, next_seq, stored, json_remove(ledger, '$.folded', '$.own_from_s', '$.own_to_s') FROM cursors "
      "ORDER BY ring, lane",
      4);
  add("SELECT tier, bucket, series FROM dirty", 3);
  return out;
}

}  // namespace support
