// query_read.hpp: reads samples or rollups out of a database, in bounded memory.
// No read transaction stays open while rows are written, so that a slow pipe never keeps the WAL from being
// reset: a statement reads one batch, one bucket or one page of ids into memory and is reset.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "query_output.hpp"
#include "sqlite.hpp"

namespace ringdown {

struct Range {  // from_ns <= time < to_ns
  std::int64_t from_ns = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ns = std::numeric_limits<std::int64_t>::max();

  bool contains(std::int64_t time_ns) const noexcept { return from_ns <= time_ns && time_ns < to_ns; }
};

/// What is asked for, and what came of it.
struct Query {
  std::vector<Series> series;  // ids ascend
  bool every_series = true;
  Range range;
  std::int64_t limit;

  std::int64_t rows = 0;
  bool more = false;          // than the limit
  bool failed = false;        // something asked for is missing in the output
  std::optional<Range> held;  // the first and last time, or bucket, of all series; known once all is read

  /// Counts a row; false when it would be one too many.
  bool admit() noexcept {
    more = rows == limit;
    rows += more ? 0 : 1;
    return !more;
  }
};

/// What is there when the source is made; what is committed later is left to the next query.
class Source {
 public:
  virtual ~Source() = default;
  /// Writes the rows in the range, oldest first. Throws SqliteError; a damaged batch is only reported.
  virtual void read(Query& query, Writer& writer) = 0;
};

/// `step` is raw for samples, or a tier's name: 1s, 1m, 5m or 1h. Of samples, those up to `last_batch`.
std::unique_ptr<Source> make_source(Database& database, const std::string& step,
                                    std::int64_t last_batch = std::numeric_limits<std::int64_t>::max());

}  // namespace ringdown
