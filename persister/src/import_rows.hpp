// import_rows.hpp: rows of an old table that were averaged to 1m, 5m or 1h become rows of that tier.
//
// Such a row tells one number, and it says nothing of how many samples that came from. So it is stored as one sample
// with that value, at the end of its bucket: count 1, and sum, min, max, first and last the value. How a counter grew
// and how long a state lasted is not known, and NULL. A row is stored when the tier has none of that bucket and
// series; one that was made of finer rows is better, and covers it.
//
// What the tier below has of that time is gone, or never was: `expired` says so, and for raw samples the series'
// raw_from_ns. The frontiers move to where the rows end.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "import_cover.hpp"
#include "import_raw.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"
#include "widen.hpp"

namespace ringdown {

class ImportRows {
 public:
  /// @param granularity  old_1m, old_5m or old_1h, in this order, each when the tier is made of what is below it
  /// @param committing   called before each commit
  ImportRows(Store& store, OldSeries& series, Granularity granularity, bool tier_is_on,
             std::function<void()> committing);

  void run(ImportFile& file, std::int64_t now_s);

 private:
  struct Pending {
    std::int64_t bucket_s;
    std::uint32_t series;
    double value;
    std::int64_t id;
  };

  void take(ImportFile& file, const ImportFile::Row& row);
  void commit(ImportFile& file, std::int64_t through_id);
  bool store(ImportFile& file, const Pending& row);
  void note_stored(const Pending& row);
  void make_wider();
  void move_progress();
  void write_cursor(const CursorRow& row);

  Store& store_;
  Database& database_;
  OldSeries& series_;
  Granularity granularity_;
  std::int64_t width_s_, now_s_ = 0;
  bool tier_is_on_;
  std::function<void()> committing_;
  SeriesRules rules_;
  TierTable tier_;
  ImportCover cover_;
  Widen to_5m_, to_1h_;
  std::vector<Pending> pending_;
  std::map<std::uint32_t, std::int64_t> raw_from_s_;                // by series, of the rows that are stored
  std::set<std::pair<std::int64_t, std::uint32_t>> fives_, hours_;  // made before, and to be made again
  std::int64_t frontier_5m_s_ = 0, frontier_1h_s_ = 0;
  std::int64_t end_s_ = 0;                                          // of the latest bucket that is stored
};

}  // namespace ringdown
