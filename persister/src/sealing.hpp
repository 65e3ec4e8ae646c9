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
    if (!is_making && !sweep_.is_done()) {
      if (sweep_.run(budget)) return true;
      if (sweep_.freed_pages() > 0) swept_ns_ = wall_ns;
    }
    const auto ended = seal_.ended() + merge_.ended();
    const bool more = (!merge_.is_making() && seal_.run(wall_ns, budget)) || merge_.run(budget);
    if (seal_.ended() + merge_.ended() > ended) sweep_.begin();
    return more;
  } catch (...) {
    sweep_.begin();
    throw;
  }
  void hold_from(std::int64_t batch) noexcept { seal_.hold_from(batch); }
  /// A window was deleted.
  void sweep_soon() noexcept { sweep_.begin(); }
  /// Whether what was deleted has become free pages.
  bool is_swept() const noexcept { return sweep_.is_done(); }

  /// Pages that the last windows' batches have left to the next ones: they will be used in the next minutes.
  std::int64_t spare_pages(std::int64_t wall_ns) const noexcept {
    constexpr std::int64_t ns = 2 * Seal::window_s * 1'000'000'000;
    return wall_ns - swept_ns_ < ns && wall_ns >= swept_ns_ ? sweep_.freed_pages() : 0;
  }

 private:
  Seal seal_;
  Merge merge_;
  Sweep sweep_;
  std::int64_t swept_ns_ = 0;  // when a sweep freed pages last
};

}  // namespace ringdown
