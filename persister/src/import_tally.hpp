// import_tally.hpp: what has become of the rows of an old table: each is stored, covered by finer rows, or ambiguous.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace ringdown {

/// Of a row of the old table; also the lane of a file's cursor that tells how far its rows are imported.
enum Granularity : std::uint32_t { old_raw, old_1m, old_5m, old_1h, granularity_count };
inline constexpr std::array<const char*, granularity_count> granularity_names{"raw", "1m", "5m", "1h"};
inline constexpr std::array<std::int64_t, granularity_count> granularity_s{1, 60, 300, 3600};

/// Why a row is ambiguous. It is not stored, but listed and counted. The names are in databases: see doubt_names.
enum class Doubt : std::uint32_t {
  granularity,
  time,
  early,
  future,
  value,
  name,
  labels,
  series_limit,
  overlap,
  bucket,
  open_bucket,
  tier_off,
  duplicate
};
inline constexpr std::size_t doubt_count = 13;
inline constexpr std::array<const char*, doubt_count> doubt_names{
    "granularity",  "time",    "early",  "future",      "value",    "name",     "labels",
    "series_limit", "overlap", "bucket", "open_bucket", "tier_off", "duplicate"};
inline constexpr std::array<const char*, doubt_count> doubt_texts{
    "granularity is not raw, 1m, 5m or 1h",
    "timestamp is no number of seconds",
    "timestamp is before 2000: a clock that was not set",
    "timestamp is over a minute ahead of now",
    "value is no finite number",
    "wan_name or metric_name is no name that a series may have",
    "labels are no JSON object of texts, numbers and truth values, or contradict wan_name",
    "one series more than --series-max",
    "the database has samples of the series in this minute already",
    "timestamp is not the start of a bucket of its granularity",
    "the bucket is not over yet",
    "the tier is off in the configuration",
    "the bucket has an imported row already"};

struct Tally {
  std::int64_t stored = 0;
  std::int64_t covered = 0;  // by rows of the same series and time: made of finer ones, or wider and all that is left
  std::array<std::int64_t, doubt_count> doubts{};

  std::int64_t ambiguous() const noexcept { return std::accumulate(doubts.begin(), doubts.end(), std::int64_t{0}); }
  std::int64_t rows() const noexcept { return stored + covered + ambiguous(); }
};
using Tallies = std::array<Tally, granularity_count>;

struct DoubtfulRow {
  std::int64_t id;
  Doubt why;
};

}  // namespace ringdown
