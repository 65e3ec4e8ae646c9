// loop.hpp: the persister's one thread: rounds of drain, commit and release, and folds between them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drain.hpp"
#include "fold.hpp"
#include "store.hpp"

namespace ringdown {

struct Settings {
  std::vector<std::string> rings;
  std::string database;
  ring::Geometry geometry;
  std::chrono::milliseconds round{100};          // from drain to drain
  std::chrono::milliseconds commit_interval{1000};  // at most, while there is something to commit
  std::size_t commit_records = 50'000;           // at most
  int checkpoint_pages = 250;                    // few and often: a checkpoint cannot be cut
  bool until_idle = false;
};

/// How long a stop may take, drain, fold and checkpoint together.
inline constexpr std::chrono::milliseconds stop_budget{4000};

class Loop {
 public:
  /// Opens the database and every ring. Throws ring::Error or SqliteError.
  explicit Loop(const Settings& settings);

  /// Runs until SIGTERM or SIGINT, which the caller has blocked, or until there is nothing left to do.
  /// @return false when another Loop should start: see database_gone()
  bool run();

  using Clock = std::chrono::steady_clock;
  /// One round of run(), at this time. @return when the next is due; nothing when there is nothing left to do
  std::optional<Clock::time_point> round(Clock::time_point now);
  /// The database was deleted or replaced. What is not committed is still in the rings, for another Loop that opens
  /// what is there now.
  bool database_gone() const noexcept { return database_gone_; }

 private:
  bool drain();
  void open_ring(const std::string& ring);
  void follow_rings(Clock::time_point now);
  void commit_if_due(Clock::time_point now, bool all_drained);
  bool commit(Clock::time_point now);
  void leave_database();
  bool fold_slice(Clock::time_point now, bool everything);
  void checkpoint_if_due();
  void stop();
  bool wait(Clock::time_point until);

  Settings settings_;
  Store store_;
  Catalog catalog_;
  std::vector<std::unique_ptr<Drain>> drains_;   // a ring that was replaced stays until it is finished
  Clock::time_point follow_due_{};
  std::string follow_trouble_;
  struct Job {
    std::unique_ptr<Fold> fold;
    Clock::duration interval;
    Clock::time_point due;
  };
  std::vector<Job> jobs_;
  Batch batch_;
  Clock::time_point last_commit_;
  Clock::time_point retry_at_{};
  Clock::duration backoff_{};
  std::string trouble_;  // what the last commit failed with, empty when all is well
  bool database_gone_ = false;
  std::uint64_t committed_ = 0;
};

}  // namespace ringdown
