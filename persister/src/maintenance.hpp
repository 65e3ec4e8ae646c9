// maintenance.hpp: everything that is done to stored samples between two drains, a slice at a time: rollups, what came
// late, sealing, retention, the planner's statistics.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "budget.hpp"
#include "fold.hpp"
#include "redo.hpp"
#include "retention.hpp"
#include "rules.hpp"
#include "sealing.hpp"
#include "series_rules.hpp"
#include "widen.hpp"

namespace ringdown {

class Maintenance {
 public:
  using Clock = Budget::Clock;

  /// @param share_max  of the time between two drains, that all slices may take
  Maintenance(Database& database, const Rules& rules, double share_max);

  /// One slice: of the next job that has something to do, in turn.
  /// @param horizon_ns  samples up to it are committed: see Fold::run. `Fold::everything`: what is open is written too
  /// @param wall_ns     what time it is, ns since the epoch
  /// @return whether there may be more to do now
  bool run(std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now, const Budget& budget);

  /// What is neither sealed nor deleted.
  void hold(const Hold& hold) noexcept {
    sealing_.hold_from(hold.batch);
    retention_.hold(hold);
  }
  /// Of the time between two drains, what the slices should take. It grows while a job does not come to its end, which
  /// is told.
  double share(Clock::time_point now);
  /// How long ago the job that is most behind had nothing left to do.
  Clock::duration lateness(Clock::time_point now) const;

  enum Job : std::size_t { to_1m, redo, to_5m, to_1h, to_1s, seal, expire, optimize, job_count };
  static const char* name(Job job) noexcept;
  /// What a job has done since the start.
  struct Work {
    std::uint64_t slices = 0;           // that did not end its work
    Clock::duration busy{}, longest{};  // of all slices, of one
    Clock::time_point idle{};           // when it had nothing left to do
  };
  const std::array<Work, job_count>& work() const noexcept { return work_; }

 private:
  bool is_idle(Job job, std::int64_t horizon_ns, Clock::time_point now) const;
  bool timed_run(Job job, std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now, Budget& budget);
  bool run(Job job, std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now, Budget& budget);
  std::array<Work, job_count>::const_iterator most_behind() const;
  bool run_optimize(Clock::time_point now);

  Database& database_;
  std::array<std::int64_t, tier_count> age_s_;
  double share_max_, share_;
  SeriesRules series_;
  Fold to_1s_, to_1m_;
  Widen to_5m_, to_1h_;
  Redo redo_;
  Sealing sealing_;
  Retention retention_;
  std::size_t turn_ = 0;  // the job that comes next
  std::array<Work, job_count> work_;
  std::uint64_t slices_ = 1;                          // in which a job has done something
  std::array<std::uint64_t, job_count> idle_after_{};  // slices_ and the horizon when each had nothing left to do
  std::array<std::int64_t, job_count> idle_horizon_ns_{};
  Clock::time_point seal_due_{}, expire_due_{}, optimize_due_, share_due_{};
};

}  // namespace ringdown
