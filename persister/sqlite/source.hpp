// source.hpp: the database that a table reads: checked to be ours, its series, and what is said of its damage.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "selection.hpp"

namespace ringdown::extension {

/// What a query shows of a series.
struct Info {
  std::vector<Value> values = {};        // by column, of those that come from the table series
  std::vector<std::string> states = {};  // names of the values 0, 1, ...
};

/// The table series of the database that is read. What was looked up is kept.
class SeriesTable {
 public:
  SeriesTable(Database& database, const Shape& shape);
  /// nullptr if there is none
  const Info* find(std::uint32_t id);

 private:
  const Info* look_up(std::uint32_t id);

  const Shape& shape_;
  Statement select_;
  std::unordered_map<std::uint32_t, Info> known_;
  std::array<std::pair<std::uint32_t, const Info*>, 1024> recent_{};
};

/// What a cursor reads from.
class Source {
 public:
  Source(sqlite3* host, const Shape& shape) : host_(host), shape_(shape) {}

  /// For a query. Throws SqliteError when `chosen` names no database of ours.
  void open(const Chosen& chosen);
  Database& database() noexcept { return opened_->database; }
  SeriesTable& series() noexcept { return opened_->series; }
  const std::string& schema() const noexcept { return schema_; }
  bool skip_damaged() const noexcept { return skip_damaged_; }
  /// Throws SqliteError unless the query asks to skip it.
  void damaged(const std::string& what) const;
  /// Of samples whose series is not there.
  void damaged_series(std::uint32_t series) const;

 private:
  struct Opened {
    Opened(sqlite3* host, const Shape& shape, const std::string& schema);
    Database database;
    SeriesTable series;
  };

  sqlite3* host_;
  const Shape& shape_;
  std::string schema_;
  bool skip_damaged_ = false;
  std::optional<Opened> opened_;
};

}  // namespace ringdown::extension
