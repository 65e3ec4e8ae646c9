// query_summary.hpp: what the samples of a range come to, a row a series.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "query_read.hpp"
#include "rollup.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// Writes a summary of each series that has samples in the range, from samples or from the rows of a tier. Quantiles are within
/// Sketch::relative_error. Throws SqliteError.
/// @param step       raw, 1m, 5m or 1h
/// @param with_tail  of a tier: also samples of which it has no rows yet
void write_summaries(Database& database, const std::string& step, Query& query, Writer& writer, bool with_tail = false);

}  // namespace ringdown
