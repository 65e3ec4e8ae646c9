// query_tail.hpp: the rows that a tier will have of samples that are there already.
#pragma once

#include <string>

#include "query_read.hpp"
#include "query_window.hpp"
#include "sqlite.hpp"

namespace ringdown {

class Tail {
 public:
  /// Of the part of `range` that tier `step` (1s, 1m, 5m, 1h) is not made for now. `is_wanted` = false: there is none.
  Tail(Database& database, const std::string& step, const Range& range, bool is_wanted = true);

  /// The part of the range that the tier is made for.
  const Range& made() const noexcept { return made_; }
  /// Rows as those of the tier, the last one of a bucket that is not over. Sets the query's range. Throws SqliteError.
  void for_each(Query& query, const OnWindow& on_row) const;

 private:
  Database& database_;
  std::string step_;
  std::int64_t width_ns_;
  Range made_, rest_;
};

/// The rows of a tier, made and not yet made. Throws SqliteError.
void write_with_tail(Database& database, const std::string& step, Query& query, Writer& writer);

}  // namespace ringdown
