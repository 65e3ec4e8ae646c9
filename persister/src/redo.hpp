// redo.hpp: makes buckets again whose samples came late: tier_1m's from the raw samples, then tier_5m's and tier_1h's from
// the tier below. Each is one transaction that also takes its mark out of `dirty`, so it can be killed anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "budget.hpp"
#include "fold.hpp"
#include "raw_reader.hpp"
#include "widen.hpp"

namespace ringdown {

class Redo {
 public:
  Redo(Database& database, SeriesRules& rules, Fold& fold, Widen& to_5m, Widen& to_1h);

  /// One slice. @return whether there is more to do now
  bool run(Budget& budget);

 private:
  bool redo_minute(Budget& budget);
  bool redo_wide(const std::string& tier, Widen& widen, std::int64_t width_s, Budget& budget);
  bool choose_minute();
  void write_minute();
  bool write_series(std::uint32_t series, bool and_next);
  void fix_next(std::uint32_t series, Point last);
  std::optional<Point> last_before(std::int64_t bucket_s, std::uint32_t series, std::int64_t hold_ns);
  void replace(std::int64_t bucket_s, std::uint32_t series, const Rollup& row);
  void mark(const std::string& tier, std::int64_t bucket_s, std::uint32_t series);
  void count(const char* kind, std::int64_t buckets);
  bool expired(const std::string& job, std::int64_t bucket_s);

  Database& database_;
  Fold& fold_;
  Widen& to_5m_;
  Widen& to_1h_;
  TierTable tier_;
  SeriesRules& rules_;
  Statement oldest_, series_of_, unmark_, mark_, latest_, latest_row_, last_of_, anomaly_;

  // The minute that is being made again.
  std::optional<std::int64_t> minute_s_;
  std::int64_t done_ = 0;                                 // of the fold when it was begun
  std::map<std::uint32_t, std::vector<Point>> points_;  // by series, in time order
  std::map<std::uint32_t, bool> and_next_;
  std::optional<RawReader> reader_;
};

}  // namespace ringdown
