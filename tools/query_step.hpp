// query_step.hpp: chooses what answers a question best: samples, or the rollups of a tier.
#pragma once

#include <cstdint>
#include <string>

#include "query_read.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// Coverage first, then density: of those that reach back to the range's start, or as far as any does, the finest that has at
/// most `rows_max` rows a series in the range; if each has more, the coarsest.
/// @return raw, 1m, 5m or 1h
std::string choose_step(Database& database, const Range& range, std::int64_t rows_max);

}  // namespace ringdown
