// widen.hpp: makes the rows of tier_5m from tier_1m's, and of tier_1h from tier_5m's.
// A bucket is made when the tier below is past its end, series by series; the tier's progress row moves in the
// transaction that writes, so that the job can be left or killed between any two.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "budget.hpp"
#include "fold.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"

namespace ringdown {

class Widen {
 public:
  Widen(Database& database, SeriesRules& rules, const std::string& from, const std::string& to);

  /// One slice. @param everything  also makes the bucket that is not over yet
  /// @return whether there is more to do now
  bool run(bool everything, Budget& budget);
  /// Makes one row, again if need be. In the caller's transaction.
  void make(std::int64_t bucket_s, std::uint32_t series);

  const std::string& name() const noexcept { return to_.name(); }

 private:
  bool next_bucket(bool everything);
  std::optional<std::uint32_t> next_series(std::int64_t from_series);

  Database& database_;
  TierTable from_, to_;
  SeriesRules& rules_;
  Statement first_bucket_, first_series_, dirty_;
  Progress progress_;
};

}  // namespace ringdown
