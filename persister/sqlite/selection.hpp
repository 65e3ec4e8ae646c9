// selection.hpp: from the conditions of a query to what is read: which of them a table takes (SQLite's xBestIndex),
// and what their values then mean (xFilter).
//
// What a condition leaves out, SQLite would have left out as well. Times and series are compared here exactly as
// SQLite compares them, and it need not look again. Texts are looked up in the table of series by SQLite, whose rules
// of conversion they have; unless they stand in the query itself it looks again at every row, as what they are
// compared with may have an affinity not known here.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host.hpp"
#include "raw_reader.hpp"

namespace ringdown::extension {

/// What a column shows. A parameter may only be compared by =, as in a call: TABLE(parameter, ...).
enum class Content {
  time_ns, timestamp, series_id, of_series, value, state, nth,                  // samples
  start_ns, count, min, max, sum, first, last, first_ns, last_ns,               // totals
  skip_damaged, schema, from_ns, to_ns, step_ns,                                // parameters
};
inline bool is_parameter(Content content) noexcept { return content >= Content::skip_damaged; }

struct Column {
  const char* declaration;
  Content content;
  const char* expression = nullptr;  // series_id, of_series: of a row of the table series, with the declared affinity
};

/// A table's columns.
struct Shape {
  const char* name;
  std::span<const Column> columns;
  const char* primary_key;
};

/// Chooses conditions and puts them into `info`. @return SQLITE_OK, SQLITE_CONSTRAINT: not in this way, SQLITE_NOMEM
int choose_conditions(const Shape& shape, sqlite3_index_info& info);

/// What a query's conditions come to.
class Chosen {
 public:
  /// @param plan    idxStr of choose_conditions
  /// @param values  as SQLite hands them over
  Chosen(const Shape& shape, const char* plan, std::span<sqlite3_value*> values);

  bool skip_damaged() const noexcept { return skip_damaged_; }
  const std::string& schema() const noexcept { return schema_; }
  std::int64_t step_ns() const noexcept { return step_ns_; }
  /// What to read; nothing when no sample can meet the conditions. Throws SqliteError.
  std::optional<RawReader::Selection> selection(Database& database) const;

 private:
  struct Condition {  // on a series
    const char* expression;
    char operation;
    const sqlite3_value* value;
  };
  struct List {  // IN
    const char* expression;
    std::vector<Value> values;
  };
  void take_parameter(const Shape& shape, Content content, sqlite3_value* value);
  void take_time(char operation, sqlite3_value* value, Content content);
  void take_series(const Column& column, char operation, sqlite3_value* value);
  void take_list(const Column& column, sqlite3_value* list);
  std::vector<std::uint32_t> meeting_all(Database& database) const;
  static std::vector<std::uint32_t> listed(Database& database, const List& list);

  bool skip_damaged_ = false, none_ = false;
  std::string schema_ = "main";
  std::int64_t step_ns_ = 0;
  std::int64_t from_ns_ = std::numeric_limits<std::int64_t>::min(),
               last_ns_ = std::numeric_limits<std::int64_t>::max();
  std::vector<Condition> conditions_;
  std::vector<List> lists_;
};

}  // namespace ringdown::extension
