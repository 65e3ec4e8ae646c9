// raw_totals.hpp: count, extremes, sum and ends of raw samples, by series and by steps of time, mostly without
// unpacking them.
//
// Of a chunk that lies within the range and within one step the row says it all. What crosses an edge is unpacked,
// and so are batches. Rows suffice for first and last too: these are at a chunk's ends, and chunks follow each other
// as they were committed, as for RawReader, so that of samples with the same time the right one is taken.
#pragma once

#include <cstdint>
#include <vector>

#include "raw_reader.hpp"

namespace ringdown {

/// What samples come to. A zero of it is positive whatever theirs were, since SQLite keeps no zero's sign in a row.
struct Total {
  std::int64_t count = 0;
  double min = 0, max = 0, first = 0, last = 0;
  std::int64_t first_ns = 0, last_ns = 0;  // time stamps of first and last
  double plain_sum = 0, errors = 0;        // see sum()

  /// Not finite when it, or that of a chunk, went beyond what a double can hold.
  double sum() const noexcept;
  /// @param later  of the same time as the last here: committed later
  void add(const Total& later) noexcept;
};

struct TotalRow {
  std::int64_t start_ns;  // a step's; the range's own start where that cuts the first one
  std::uint32_t series;
  Total total;
};

inline constexpr std::size_t total_rows_max = 1 << 20;

/// Rows of the steps and series that have samples, by time, then by series, some 230 bytes each while they are made.
/// They are of one state of the database: this is one read transaction, and takes some microseconds for each chunk
/// whose row is enough, and as long as RawReader for the rest.
/// @param step_ns  steps begin at its multiples; 0: the range is one step
/// Throws SqliteError; std::invalid_argument when step_ns is negative; std::length_error beyond total_rows_max.
std::vector<TotalRow> raw_totals(Database& database, const RawReader::Selection& selection, std::int64_t step_ns,
                                 const RawReader::OnDamage& on_damage);

}  // namespace ringdown
