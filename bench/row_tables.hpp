// row_tables.hpp: where store_bench puts a fleet's samples: our store, and tables with a row a sample.
// All of them have the pragmas of schema.hpp. What a rival is spared: it gets the samples in the order of its
// key (sorted before the clock runs), has no cursors, and is never synced but by checkpoints.
#pragma once

#include <algorithm>
#include <memory>
#include <tuple>

#include "fleet.hpp"
#include "naive_table.hpp"
#include "schema.hpp"
#include "store.hpp"

namespace bench {

inline const std::string pragmas = std::string(ringdown::schema::creation) + ringdown::schema::every_open;

class Ours {
 public:
  Ours(const std::string& path, Fleet& fleet, const ringdown::StoreOptions& options = {})
      : store_(path, options) {
    ringdown::Batch batch;
    fleet.definitions(batch, store_.ring_id("fleet", "0123456789abcdef0123456789abcdef", 0));
    store_.commit(batch, now_);
  }
  static void order(ringdown::Batch&) {}
  /// A second after the one before, as far as the store can tell: it syncs every five.
  void commit(const ringdown::Batch& batch) { store_.commit(batch, now_ += std::chrono::seconds(1)); }
  std::int64_t stored() { return database().query_integer("SELECT sum(samples) FROM batches"); }
  ringdown::Database& database() noexcept { return store_.database(); }

 private:
  ringdown::Store::Clock::time_point now_{};
  ringdown::Store store_;
};

/// What the two things cost that no rival does: a sync every five seconds, and the lanes' cursors.
struct OursUnsynced : Ours {
  OursUnsynced(const std::string& path, Fleet& fleet)
      : Ours(path, fleet, {.durable_within = std::chrono::hours(24 * 365 * 100)}) {}
};
struct OursWithoutCursors : Ours {
  using Ours::Ours;
  static void order(ringdown::Batch& batch) { batch.cursors.clear(); }
};

/// A row a sample: time stamp in ns, series, value.
class RowTable {
 public:
  RowTable(const std::string& path, const std::string& columns)
      : database_(path, ringdown::Database::Access::read_write_create), insert_(prepared(columns)) {}
  void commit(const ringdown::Batch& batch) {
    ringdown::Transaction transaction(database_);
    for (const auto& sample : batch.samples)
      insert_.bind(1, sample.time_ns).bind(2, std::int64_t{sample.series}).bind(3, sample.value).run();
    transaction.commit();
  }
  std::int64_t stored() { return database_.query_integer("SELECT count(*) FROM samples"); }
  ringdown::Database& database() noexcept { return database_; }

 private:
  ringdown::Statement prepared(const std::string& columns) {
    database_.execute(pragmas + "CREATE TABLE samples (" + columns);
    return {database_, "INSERT INTO samples (ts, series, value) VALUES (?, ?, ?)"};
  }
  ringdown::Database database_;
  ringdown::Statement insert_;
};

inline const std::string columns = "ts INTEGER NOT NULL, series INTEGER NOT NULL, value REAL NOT NULL";

struct Append : RowTable {
  Append(const std::string& path, Fleet&) : RowTable(path, columns + ")") {}
  static void order(ringdown::Batch&) {}
};
struct TimeMajor : RowTable {
  TimeMajor(const std::string& path, Fleet&)
      : RowTable(path, columns + ", PRIMARY KEY (ts, series)) WITHOUT ROWID") {}
  static void order(ringdown::Batch& batch) {
    std::sort(batch.samples.begin(), batch.samples.end(), [](const auto& a, const auto& b) {
      return std::tie(a.time_ns, a.series) < std::tie(b.time_ns, b.series);
    });
  }
};
struct SeriesMajor : RowTable {
  SeriesMajor(const std::string& path, Fleet&)
      : RowTable(path, columns + ", PRIMARY KEY (series, ts)) WITHOUT ROWID") {}
  static void order(ringdown::Batch& batch) {
    std::sort(batch.samples.begin(), batch.samples.end(), [](const auto& a, const auto& b) {
      return std::tie(a.series, a.time_ns) < std::tie(b.series, b.time_ns);
    });
  }
};

class Naive {
 public:
  Naive(const std::string& path, Fleet& fleet) : table_(path, pragmas) {
    for (std::size_t i = 0; i < fleet.series(); ++i) names_.push_back(Fleet::name(i));
  }
  static void order(ringdown::Batch&) {}
  void commit(const ringdown::Batch& batch) {
    ringdown::Transaction transaction(table_.database());
    for (const auto& sample : batch.samples)
      table_.insert(sample.time_ns, names_[sample.series - 1], sample.value);
    transaction.commit();
  }
  std::int64_t stored() { return table_.rows(); }
  ringdown::Database& database() noexcept { return table_.database(); }

 private:
  NaiveTable table_;
  std::vector<std::string> names_;
};

}  // namespace bench
