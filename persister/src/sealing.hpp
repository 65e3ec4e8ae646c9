// sealing.hpp: everything that is done to pack raw samples: sealing, merging, and sweeping up what they replace.
#pragma once

#include "merge.hpp"
#include "seal.hpp"
#include "sweep.hpp"

namespace ringdown {

class Sealing {
 public:
  Sealing(Database& database, SeriesRules& rules, const Rules& configured, SealLimits limits = {})
      : seal_(database, rules, configured, limits), merge_(database), sweep_(database) {}

  /// One slice: one window at a time, and what it replaces is swept up before the next.
  /// @return whether there is more to do now
  bool run(std::int64_t wall_ns, Budget& budget) try {
    const bool is_making = seal_.is_making() || merge_.is_making();
    if (!is_making && sweep_.run(budget)) return true;
    const auto ended = seal_.ended() + merge_.ended();
    const bool more = (!merge_.is_making() && seal_.run(wall_ns, budget)) || merge_.run(budget);
    if (seal_.ended() + merge_.ended() > ended) sweep_.begin();
    return more;
  } catch (...) {
    sweep_.begin();
    throw;
  }
  /// A window was deleted.
  void sweep_soon() noexcept { sweep_.begin(); }
  /// Whether what was deleted has become free pages.
  bool is_swept() const noexcept { return sweep_.is_done(); }

 private:
  Seal seal_;
  Merge merge_;
  Sweep sweep_;
};

}  // namespace ringdown
