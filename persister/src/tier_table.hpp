// tier_table.hpp: reads and writes the rows of one tier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rollup.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// Tiers from this width on have what a kind of series has for itself; shorter ones are never rolled up.
inline constexpr std::int64_t detail_width_s = 60;

class TierTable {
 public:
  /// `name`: tier_1s, tier_1m, tier_5m or tier_1h.
  TierTable(Database& database, const std::string& name);

  const std::string& name() const noexcept { return name_; }
  std::int64_t width_s() const noexcept { return width_s_; }
  std::int64_t width_ns() const noexcept { return width_s_ * 1'000'000'000; }
  bool has_detail() const noexcept { return width_s_ >= detail_width_s; }

  /// @param bucket_s  the bucket's start, s since the epoch
  /// @param interval_ns  expected from sample to sample, 0 if not known
  /// @return false when there is a row already, which is left as it is
  bool insert(std::int64_t bucket_s, std::uint32_t series, ring::Kind kind, const Rollup& row, std::int64_t interval_ns);
  void replace(std::int64_t bucket_s, std::uint32_t series, ring::Kind kind, const Rollup& row, std::int64_t interval_ns);
  void erase(std::int64_t bucket_s, std::uint32_t series);
  /// Throws a SqliteError that is_damage() when the row cannot be read.
  std::optional<Rollup> find(std::int64_t bucket_s, std::uint32_t series);
  /// The first bucket in [from_s, to_s) that has a row of any series.
  std::optional<std::int64_t> next_bucket(std::int64_t from_s, std::int64_t to_s);

 private:
  void write(Statement& statement, std::int64_t bucket_s, std::uint32_t series, ring::Kind kind, const Rollup& row,
             std::int64_t interval_ns);

  Database& database_;
  std::string name_;
  std::int64_t width_s_;
  Statement insert_, replace_, erase_, find_, next_;
};

/// The start of the bucket of `width` that holds `time`; both in the same unit. No bucket begins before the earliest
/// time there is.
std::int64_t bucket_start(std::int64_t time, std::int64_t width) noexcept;

}  // namespace ringdown
