// import_jobs.hpp: the persister's own rollups, run to their end by an import.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "fold.hpp"
#include "rules.hpp"
#include "series_rules.hpp"

namespace ringdown {

/// How far a pass is, 0 to 1.
using ImportTold = std::function<void(const std::string& pass, double part)>;

class ImportJobs {
 public:
  ImportJobs(Database& database, const Rules& rules, ImportTold told);

  /// Makes tier_1m and tier_1s of every batch, and again what came late.
  void fold();
  /// Makes tier_5m or tier_1h of the tier below it.
  void widen(const std::string& to);
  /// Leaves batches out of tier_1s whose rows would be deleted at once, for their age. Nothing counts as left out
  /// that is younger.
  void skip_1s(std::int64_t now_s);

 private:
  void run_fold(const std::string& tier, std::int64_t interval_s);
  void redo();

  Database& database_;
  Rules rules_;
  SeriesRules series_;
  ImportTold told_;
};

/// The longest age of a tier that any series may have, s; 0: it is off.
std::int64_t longest_age_s(const Rules& rules, Tier tier);

}  // namespace ringdown
