// extension_host.hpp: a database with samples everywhere they can be, and a host that loads the extension.
#pragma once

#include <sqlite3.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "maintenance.hpp"
#include "store.hpp"
#include "support.hpp"

namespace extension {

inline constexpr std::int64_t second_ns = 1'000'000'000;
inline constexpr std::int64_t start_ns = 1'700'000'100 * second_ns;
inline std::int64_t wall_ns = start_ns;

inline std::vector<ringdown::SeriesRow> plant_series() {
  using ring::Kind;
  return {{1, {Kind::gauge, "rtt_ms", "ms", {{"wan", "spectrum"}}, {}}},
          {2, {Kind::gauge, "rtt_ms", "ms", {{"wan", "att"}, {"direction", "up"}}, {}}},
          {3, {Kind::counter, "bytes_total", "B", {{"path", "a\\b"}}, {}}},
          {4, {Kind::state, "zone", "", {{"wan", "att"}}, {"GREEN", "YELLOW", "it's \"RED\""}}},
          {5, {Kind::gauge, "5", "", {}, {}}},
          {6, {Kind::gauge, "Load", "1", {}, {}}}};
}

struct Row {
  std::vector<std::string> cells;
  bool operator==(const Row&) const = default;
  auto operator<=>(const Row&) const = default;
};

/// This process as a host, on a connection that cannot write.
class Host {
 public:
  explicit Host(const std::filesystem::path& database, int flags = SQLITE_OPEN_READONLY) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(database.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    if (code != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(raw));
    sqlite3_enable_load_extension(raw, 1);
    char* error = nullptr;
    if (sqlite3_load_extension(raw, EXTENSION_PATH, nullptr, &error) != SQLITE_OK) throw std::runtime_error(error);
  }
  /// Cells as text, NULL as "NULL", numbers with every digit. Throws std::runtime_error with SQLite's text.
  std::vector<Row> rows(const std::string& sql) {
    std::vector<Row> out;
    each(sql, [&](Row row) {
      out.push_back(std::move(row));
      return true;
    });
    return out;
  }
  template <class Take>
  void each(const std::string& sql, const Take& take) {
    sqlite3_stmt* raw = nullptr;
    const int prepared = sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &raw, nullptr);
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
    if (prepared != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(handle_.get()));
    int code;
    while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
      Row row;
      for (int i = 0; i < sqlite3_column_count(raw); ++i) row.cells.push_back(cell(raw, i));
      if (!take(std::move(row))) return;
    }
    if (code != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(handle_.get()));
  }
  std::string one(const std::string& sql) {
    const auto all = rows(sql);
    if (all.size() != 1 || all[0].cells.size() != 1) throw std::runtime_error("not one value: " + sql);
    return all[0].cells[0];
  }
  /// What it ends with; empty if it does not fail.
  std::string error(const std::string& sql) try {
    rows(sql);
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  sqlite3* handle() noexcept { return handle_.get(); }

 private:
  static std::string cell(sqlite3_stmt* statement, int i) {
    if (sqlite3_column_type(statement, i) == SQLITE_NULL) return "NULL";
    if (sqlite3_column_type(statement, i) == SQLITE_FLOAT) {
      char digits[40];
      std::snprintf(digits, sizeof digits, "%.17g", sqlite3_column_double(statement, i));
      return digits;
    }
    return reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
  }
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_{
      nullptr, [](sqlite3* handle) {
        const int code = sqlite3_close(handle);  // refuses when the extension has left a statement behind
        if (code != SQLITE_OK) std::abort();
        return code;
      }};
};

/// A store of its own, and what was pushed.
class Plant {
 public:
  explicit Plant(std::uint64_t seed = 1) : random_(seed), folder_(support::unique_folder()) {
    wall_ns = start_ns;
    store_.emplace(path(), ringdown::StoreOptions{.rules = rules(), .wall_ns = [] { return wall_ns; }});
    maintenance_.emplace(store_->database(), rules(), 1);
    store_->ring_id("r", "g", 1);
    ringdown::Batch batch;
    batch.series = plant_series();
    store_->commit(batch);
  }
  ~Plant() {
    maintenance_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path path() const { return folder_ / "plant.db"; }
  const std::filesystem::path& folder() const noexcept { return folder_; }

  /// A batch a minute; some samples come late, some early, some twice.
  void minutes(int count, int samples = 60) {
    for (; count > 0; --count) {
      std::vector<ringdown::Sample> batch;
      for (int i = 0; i < samples; ++i) batch.push_back(sample(i * 60 * second_ns / samples));
      wall_ns += 60 * second_ns;
      commit(batch);
    }
  }
  void commit(const std::vector<ringdown::Sample>& samples) {
    ringdown::Batch batch;
    batch.samples = samples;
    pushed.insert(pushed.end(), samples.begin(), samples.end());
    batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = pushed.size() + 1, .stored = pushed.size()});
    store_->commit(batch);
  }
  /// All that is due, so that what is old enough is sealed.
  void maintain() {
    for (int pass = 0; pass < 2; ++pass) {
      steady_ += std::chrono::seconds(10);
      while (slice(2)) {
      }
    }
  }
  bool slice(std::int64_t steps) {
    ringdown::Budget budget{.steps = steps};
    return maintenance_->run(wall_ns, wall_ns, steady_, budget);
  }
  void wait(std::chrono::seconds time) { steady_ += time; }
  ringdown::Database& database() { return store_->database(); }
  std::int64_t query(const std::string& sql) { return database().query_integer(sql); }

  std::vector<ringdown::Sample> pushed;

 private:
  static ringdown::Rules rules() {
    constexpr auto ever = ringdown::forever_s;
    return ringdown::Rules({{ever, ever, ever, ever, ever}, 0}, {});
  }
  ringdown::Sample sample(std::int64_t at_ns) {
    const auto series = static_cast<std::uint32_t>(random_() % 6) + 1;
    auto time_ns = wall_ns + at_ns;
    if (random_() % 40 == 0) time_ns -= static_cast<std::int64_t>(random_() % 3000) * second_ns;
    if (random_() % 150 == 0) time_ns += static_cast<std::int64_t>(random_() % 600) * second_ns;
    if (random_() % 10 == 0) time_ns = last_ns_;
    last_ns_ = time_ns;
    if (series == 3)
      return {time_ns, total_ = random_() % 30 == 0 ? 0 : total_ + static_cast<double>(random_() % 100), series};
    if (series == 4) return {time_ns, static_cast<double>(random_() % 4), series};
    return {time_ns, static_cast<double>(static_cast<std::int64_t>(random_() % 4001) - 2000) / 8, series};
  }

  std::mt19937_64 random_;
  std::filesystem::path folder_;
  std::optional<ringdown::Store> store_;
  std::optional<ringdown::Maintenance> maintenance_;
  ringdown::Maintenance::Clock::time_point steady_ = ringdown::Maintenance::Clock::now();
  std::int64_t last_ns_ = start_ns;
  double total_ = 0;
};

/// What was pushed as a plain table of the same columns.
inline void make_plain(Host& host, const std::vector<ringdown::Sample>& pushed) {
  host.rows(
      "CREATE TEMP TABLE plain (time_ns INTEGER, timestamp REAL, series INTEGER, name TEXT, labels TEXT, kind TEXT, "
      "unit TEXT, value REAL, state TEXT)");
  host.rows("BEGIN");
  sqlite3_stmt* insert = nullptr;
  REQUIRE(sqlite3_prepare_v2(host.handle(),
                             "INSERT INTO plain SELECT ?1, ?1 / 1e9, id, name, labels, kind, unit, ?3, "
                             "(SELECT value FROM json_each(states) WHERE key = ?3) FROM main.series WHERE id = ?2",
                             -1, &insert, nullptr) == SQLITE_OK);
  for (const auto& sample : pushed) {
    sqlite3_bind_int64(insert, 1, sample.time_ns);
    sqlite3_bind_int64(insert, 2, sample.series);
    sqlite3_bind_double(insert, 3, sample.value);
    sqlite3_step(insert);
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  host.rows("COMMIT");
  host.rows(
      "CREATE TEMP TABLE plain_metrics (timestamp REAL, wan_name TEXT, metric_name TEXT, value REAL, labels TEXT, "
      "granularity TEXT)");
  host.rows(
      "INSERT INTO plain_metrics SELECT timestamp, coalesce(json_extract(labels, '$.wan'), ''), name, value, "
      "json_remove(labels, '$.wan'), 'raw' FROM plain");
}

}  // namespace extension
