// loop.hpp: the persister's one thread: rounds of drain, commit and release, and maintenance between them.
#pragma once

#include <signal.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "drain.hpp"
#include "exposition.hpp"
#include "maintenance.hpp"
#include "own_metrics.hpp"
#include "remote_write_settings.hpp"
#include "service.hpp"
#include "sinks.hpp"
#include "store.hpp"

namespace ringdown {

struct Settings {
  std::vector<std::string> rings;
  std::string database;
  ring::Geometry geometry;
  std::chrono::milliseconds round{100};          // from drain to drain; less when a lane fills quickly
  std::chrono::milliseconds commit_interval{1000};  // at most, while there is something to commit
  std::size_t commit_records = 50'000;           // at most
  int checkpoint_pages = 250;                    // few and often: a checkpoint cannot be cut
  std::uint64_t wal_bytes_max = 64 << 20;        // beyond it the operator is told who keeps it from being emptied
  std::size_t series_max = 1'000'000;            // samples of more are counted as lost
  StoreOptions store;
  bool check_after_unclean = true;               // in a thread of its own
  std::chrono::milliseconds slice{5};            // of maintenance, between drains
  bool until_idle = false;
  double maintenance_share_max = 0.8;            // of the time between two rounds
  std::string log_level = "info";
  std::chrono::seconds own_metrics{10};          // from one row of its own metrics to the next; 0: none
  std::string listen;                            // where they are shown over HTTP; empty: nowhere
  std::vector<RemoteWriteSettings> remote_write = {};  // where samples are sent to as well
};

/// How long a stop may take, drain, fold and checkpoint together.
inline constexpr std::chrono::milliseconds stop_budget{4000};
/// What Loop::run() takes; to be blocked before it.
inline constexpr int loop_signals[] = {SIGTERM, SIGINT, SIGHUP};

class Loop {
 public:
  /// Opens the database and every ring. Throws ring::Error or SqliteError.
  explicit Loop(const Settings& settings);

  enum class End {
    done,     // as it was asked to, or there was nothing left to do
    gone,     // the database was deleted or replaced: another Loop should open what is there now
    damaged,  // the database should be moved aside, and another Loop start with a new one
    reload,   // SIGHUP: run() may be called again, or hand_over() and another Loop go on with other settings
  };
  /// Runs until SIGTERM, SIGINT or SIGHUP, which the caller has blocked, or until there is nothing left to do. What is
  /// not committed at the end is still in the rings. The service manager is told how it is going.
  End run();
  /// Whether a ring that was deleted has writers yet: no other Loop could open it.
  bool is_finishing() const;
  /// Drains once more, commits and notes a clean end, before another Loop goes on where this one ends.
  void hand_over();
  /// The end that SIGTERM makes: within stop_budget, everything is drained, committed and rolled up.
  void stop();

  using Clock = std::chrono::steady_clock;
  /// One round of run(), at this time. @return when the next is due; nothing when there is nothing left to do
  std::optional<Clock::time_point> round(Clock::time_point now);
  End end() const noexcept { return end_; }

 private:
  bool drain();
  void drain_and_commit(Clock::time_point end);
  Clock::time_point next_drain(Clock::time_point now);
  void open_ring(const std::string& ring);
  void follow_rings(Clock::time_point now);
  void commit_if_due(Clock::time_point now, bool all_drained);
  bool commit(Clock::time_point now);
  void leave_database();
  bool maintain(Clock::time_point now, Clock::time_point next, bool everything);
  bool maintain_slice(Clock::time_point now, Budget budget, bool everything);
  bool is_pressed() const;
  /// Trouble is told once per change, and not each time that it is tried again.
  static bool is_news(std::string& told, const std::string& what) { return std::exchange(told, what) != what; }
  void watch_clock();
  void run_sinks(Clock::time_point now);
  void end_series();
  void checkpoint_if_due(Clock::time_point now, Clock::time_point next);
  void checkpoint(Clock::time_point now);
  void watch_wal(Clock::time_point now, int left_pages);
  void look_for_damage();
  void give_up_damaged(const std::string& what);
  void tell(Clock::time_point now);
  void tell_own(Clock::time_point now);
  std::vector<Figure> figures(Clock::time_point now);
  int wait(Clock::time_point until);

  Settings settings_;
  Store store_;
  Catalog catalog_;
  std::vector<std::unique_ptr<Drain>> drains_;   // a ring that was replaced stays until it is finished
  Clock::time_point follow_due_{};
  std::string follow_trouble_;
  Maintenance maintenance_;
  Clock::time_point maintenance_retry_{};
  Sinks sinks_;
  Clock::time_point sinks_retry_{};
  std::optional<std::int64_t> clock_offset_ns_;  // of the wall clock from the time since boot
  std::int64_t horizon_ns_ = 0;  // what is older is committed
  std::int64_t drained_ns_ = 0;  // when the last drain that left nothing began
  Batch batch_;
  Clock::time_point last_drain_;
  Clock::time_point last_commit_;
  Clock::time_point retry_at_{};
  Clock::duration backoff_{};
  std::string trouble_;  // what the last commit failed with, empty when all is well
  std::string checkpoint_trouble_, maintenance_trouble_, sinks_trouble_;
  End end_ = End::done;
  std::unique_ptr<Check> check_;  // after an unclean stop
  std::optional<Clock::time_point> wal_stuck_since_;  // when a reader was first seen to hold it back
  bool wal_told_ = false;
  std::uint64_t committed_ = 0;
  Clock::duration checkpoint_took_{};  // of late: what the next one may take
  Timing draining_, committing_, checkpointing_;
  double high_water_ = 0;          // the fullest lane since it was last told, 0 to 1
  Clock::time_point committed_at_{};  // when a commit, or the look for one, last succeeded
  Clock::time_point own_due_;
  std::string own_trouble_;
  std::optional<OwnMetrics> own_;
  std::unique_ptr<Exposition> exposition_;
  Watchdog watchdog_;
  Clock::time_point told_{};       // when the service manager was told last, and of so many samples
  std::uint64_t told_committed_ = 0;
};

}  // namespace ringdown
