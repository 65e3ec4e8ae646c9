// trim.hpp: takes the raw samples of series that are not kept (keep = false) out of the batches, once every tier has them
// and late ones have had their time. A batch is written again without them, or deleted when nothing is left of it; what is
// done moves in the same transaction, so the job can be killed anywhere.
#pragma once

#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "budget.hpp"
#include "rules.hpp"
#include "series_rules.hpp"
#include "sqlite.hpp"

namespace ringdown {

class Trim {
 public:
  /// How long after its commit a batch is whole, s: until then the rows of late samples are made again from it.
  static constexpr std::int64_t settle_s = 600;

  Trim(Database& database, SeriesRules& rules, const Rules& configured);

  /// One slice. @param wall_ns  what time it is, ns since the epoch. @return whether there is more to do now
  bool run(std::int64_t wall_ns, Budget& budget);

 private:
  void trim(std::int64_t batch, std::span<const std::byte> blob);

  Database& database_;
  SeriesRules& rules_;
  bool has_1s_;  // else that tier is off, and not waited for
  Statement next_, replace_, erase_;
  BatchView view_;
  std::vector<Sample> kept_;
  std::vector<std::byte> blob_;
};

}  // namespace ringdown
