// import_cover.hpp: whether the tiers have a series at a time already.
#pragma once

#include <cstdint>
#include <string>

#include "fold.hpp"
#include "import_tally.hpp"
#include "sqlite.hpp"
#include "tier_table.hpp"

namespace ringdown {

class ImportCover {
 public:
  explicit ImportCover(Database& database)
      : minute_(database, sql("tier_1m")),
        five_(database, sql("tier_5m")),
        hour_(database, sql("tier_1h")),
        expired_1m_s_(read_progress(database, "tier_1m").expired_s),
        expired_5m_s_(read_progress(database, "tier_5m").expired_s) {}

  /// Whether there is a row with samples, in tier_1m or in what is left of it.
  bool has_minute(std::int64_t bucket_s, std::uint32_t series) {
    return has(minute_, bucket_s, series) || has_wider(old_1m, bucket_s, series);
  }
  /// Whether a row that was made of finer ones, which may be deleted, is all there is of the bucket.
  bool has_wider(Granularity granularity, std::int64_t bucket_s, std::uint32_t series) {
    const auto five_s = bucket_start(bucket_s, 300), hour_s = bucket_start(bucket_s, 3600);
    return (granularity == old_1m && five_s < expired_1m_s_ && has(five_, five_s, series)) ||
           (granularity != old_1h && hour_s < expired_5m_s_ && has(hour_, hour_s, series));
  }

 private:
  static std::string sql(const std::string& tier) {
    return "SELECT count FROM " + tier + " WHERE bucket = ? AND series = ?";
  }
  static bool has(Statement& row, std::int64_t bucket_s, std::uint32_t series) {
    row.bind(1, bucket_s).bind(2, std::int64_t{series});
    const bool found = row.step() && row.integer(0) > 0;  // 0: a value that holds on
    row.reset();
    return found;
  }

  Statement minute_, five_, hour_;
  std::int64_t expired_1m_s_, expired_5m_s_;
};

}  // namespace ringdown
