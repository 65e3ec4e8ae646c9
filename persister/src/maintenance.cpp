#include "maintenance.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace ringdown {
namespace {

using std::chrono::seconds;

constexpr std::int64_t tier_1s_interval_s = 5;  // from writing to writing
constexpr seconds expire_interval{10}, seal_interval{10};
constexpr std::chrono::hours optimize_interval{24};
constexpr double share_calm = 0.25;
constexpr seconds behind{10};                   // a job that has not come to its end for so long needs more time
constexpr seconds share_interval{1};            // from one change of the share to the next

}  // namespace

const char* Maintenance::name(Job job) noexcept {
  constexpr const char* names[] = {"tier_1m", "late samples", "tier_5m", "tier_1h", "tier_1s", "sealing", "retention",
                                   "statistics"};
  return names[job];
}

/// The job that has longest had something left to do.
std::array<Maintenance::Work, Maintenance::job_count>::const_iterator Maintenance::most_behind() const {
  return std::min_element(work_.begin(), work_.end(), [](const Work& a, const Work& b) { return a.idle < b.idle; });
}

Maintenance::Maintenance(Database& database, const Rules& rules, double share_max)
    : database_(database),
      age_s_(rules.tiers().age_s),
      share_max_(share_max),
      share_(std::min(share_calm, share_max)),
      series_(database),
      to_1s_(database, series_, "tier_1s", tier_1s_interval_s),
      to_1m_(database, series_, "tier_1m", 60),
      to_5m_(database, series_, "tier_1m", "tier_5m"),
      to_1h_(database, series_, "tier_5m", "tier_1h"),
      redo_(database, series_, to_1m_, to_5m_, to_1h_),
      sealing_(database, series_, rules),
      retention_(database, rules),
      optimize_due_(Clock::now() + optimize_interval) {
  work_.fill({.idle = Clock::now()});
}

bool Maintenance::run(std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now, const Budget& budget) {
  for (std::size_t tried = 0; tried < job_count; ++tried) {
    const auto job = static_cast<Job>(std::exchange(turn_, (turn_ + 1) % job_count));
    auto own = budget;  // looking for work costs no steps
    if (!is_idle(job, horizon_ns, now) && timed_run(job, horizon_ns, wall_ns, now, own)) {
      ++slices_;
      return true;
    }
    work_[job].idle = now;
    idle_after_[job] = slices_;
    idle_horizon_ns_[job] = horizon_ns;
  }
  return false;
}

/// Whether nothing has happened that could give the job something to do. (Asking it costs a handful of queries.)
bool Maintenance::is_idle(Job job, std::int64_t horizon_ns, Clock::time_point now) const {
  if (job == expire) return now < expire_due_;
  if (job == seal) return now < seal_due_;
  if (horizon_ns == Fold::everything) return false;
  return idle_after_[job] == slices_ && (idle_horizon_ns_[job] == horizon_ns || (job != to_1m && job != to_1s));
}

bool Maintenance::timed_run(Job job, std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now,
                            Budget& budget) {
  const auto from = Clock::now();
  const bool more = run(job, horizon_ns, wall_ns, now, budget);
  const auto took = Clock::now() - from;
  auto& work = work_[job];
  work.slices += more;
  work.busy += took;
  work.longest = std::max(work.longest, took);
  return more;
}

bool Maintenance::run(Job job, std::int64_t horizon_ns, std::int64_t wall_ns, Clock::time_point now, Budget& budget) {
  const bool everything = horizon_ns == Fold::everything;
  switch (job) {
    case to_1m: return to_1m_.run(horizon_ns, budget);
    case redo: return redo_.run(budget);
    case to_5m: return age_s_[tier_5m] > 0 && to_5m_.run(everything, budget);
    case to_1h: return age_s_[tier_1h] > 0 && to_1h_.run(everything, budget);
    case to_1s: return age_s_[tier_1s] > 0 && to_1s_.run(horizon_ns, budget);
    case seal:
      if (sealing_.run(wall_ns, budget)) return true;
      seal_due_ = now + seal_interval;
      return false;
    case expire:
      if (retention_.run(wall_ns, sealing_.is_swept(), sealing_.spare_pages(wall_ns), budget)) {
        if (retention_.left_chunks()) sealing_.sweep_soon();
        return true;
      }
      expire_due_ = now + expire_interval;
      return false;
    case optimize: return run_optimize(now);
    case job_count: break;
  }
  return false;
}

/// The planner's statistics, for people's own queries; of at most a few hundred rows an index.
bool Maintenance::run_optimize(Clock::time_point now) {
  if (now < optimize_due_) return false;
  optimize_due_ = now + optimize_interval;
  database_.execute("PRAGMA analysis_limit = 300; PRAGMA optimize");
  return false;
}

Maintenance::Clock::duration Maintenance::lateness(Clock::time_point now) const {
  return std::max(now - most_behind()->idle, Clock::duration::zero());
}

double Maintenance::share(Clock::time_point now) {
  if (now < share_due_) return share_;
  share_due_ = now + share_interval;
  const auto late = lateness(now);
  const auto before = share_;
  if (late >= behind)
    share_ = std::min(share_ * 2, share_max_);
  else if (late < behind / 2)
    share_ = std::min(share_calm, share_max_);
  if (share_ > before)
    spdlog::warn("maintenance ({}) has been behind for {} s: it takes {:.0f} % of the time between drains now, at most "
                 "{:.0f} % (maintenance_share_max)", name(static_cast<Job>(most_behind() - work_.begin())),
                 std::chrono::duration_cast<seconds>(late).count(), share_ * 100, share_max_ * 100);
  else if (share_ < before)
    spdlog::info("maintenance has caught up; it takes {:.0f} % of the time between drains again", share_ * 100);
  return share_;
}

}  // namespace ringdown
