// tiers.hpp: a database with tiers, and a naive model of what they have to hold, for property tests.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "fold.hpp"
#include "redo.hpp"
#include "retention.hpp"
#include "sealing.hpp"
#include "store.hpp"
#include "support.hpp"
#include "widen.hpp"

namespace tiers {

inline constexpr std::int64_t second_ns = 1'000'000'000;

/// The wall clock of the stores below, and of those in children of this process.
inline std::int64_t& wall_ns() {
  static auto& now = support::shared<std::int64_t>() = 1'700'000'000 * second_ns;
  return now;
}

struct Series {
  ringdown::SeriesRule rule;
  std::vector<ringdown::Point> points;  // in the order pushed
  bool keep = true;
};

/// Rules that say of every series how it is rolled up.
std::vector<ringdown::Rule> rules_of(const std::vector<Series>& series);

/// The jobs that make the tiers, on a store of its own.
class World {
 public:
  /// @param rules  by default every series is kept for ever and rolled up as `series` says
  explicit World(std::vector<Series> series, std::optional<ringdown::Rules> rules = {});
  /// The same world over a copy of its database as it is now. The original may be open nowhere.
  World(const World& other, const std::filesystem::path& folder);
  ~World();
  /// One batch. Keeps its samples for the model.
  void commit(const std::vector<ringdown::Sample>& samples);
  /// Samples for the model that another process commits.
  void expect(const std::vector<ringdown::Sample>& samples) { log_.insert(log_.end(), samples.begin(), samples.end()); }
  std::size_t expected() const noexcept { return log_.size(); }
  /// In the order committed.
  const std::vector<ringdown::Sample>& samples() const noexcept { return log_; }
  void expect_no_more_than(std::size_t samples) { log_.resize(samples); }
  void expect_as(const World& other) { log_ = other.log_; }
  /// Samples that the database has ever stored.
  std::size_t stored() { return static_cast<std::size_t>(query("SELECT coalesce(sum(stored), 0) FROM cursors")); }
  /// One slice of a job. @return whether there is more to do
  bool slice(std::size_t job, std::int64_t horizon_ns, bool everything, std::int64_t steps);
  /// All jobs but retention until there is no more to do.
  void work(std::int64_t horizon_ns);
  /// @return whether it deleted or moved anything
  bool retain(std::int64_t now_ns);
  /// One slice of it.
  bool retain_slice(std::int64_t now_ns, std::int64_t steps);
  /// As a clean stop does.
  void finish();
  /// As long after the last sample as makes those that came early rows like others.
  void settle();
  /// As after kill -9.
  void restart();
  /// Closes the database.
  void end();
  /// Compares every tier with the model; fails the test case where they differ. Of what retention may have deleted
  /// nothing is expected, and once it has begun to delete, no growth and no time in states: see Redo.
  void check();
  const std::filesystem::path& folder() const noexcept { return folder_; }
  bool is_open() const noexcept { return jobs_.has_value(); }
  ringdown::Database& database() { return store_->database(); }
  std::int64_t query(const std::string& sql) { return database().query_integer(sql); }
  static constexpr std::size_t jobs = 6;

 private:
  struct Jobs {
    Jobs(ringdown::Database& db, const ringdown::Rules& rules)
        : series(db), to_1s(db, series, "tier_1s", 5), to_1m(db, series, "tier_1m", 60),
          to_5m(db, series, "tier_1m", "tier_5m"), to_1h(db, series, "tier_5m", "tier_1h"),
          redo(db, series, to_1m, to_5m, to_1h), sealing(db, series, rules, {.window = 80, .held = 40}), retention(db, rules) {}
    ringdown::SeriesRules series;
    ringdown::Fold to_1s, to_1m;
    ringdown::Widen to_5m, to_1h;
    ringdown::Redo redo;
    ringdown::Sealing sealing;
    ringdown::Retention retention;
  };
  void check_tier(const std::string& name, std::int64_t width_s);
  std::int64_t kept_from_s(const std::string& tier, std::int64_t width_s);

  std::filesystem::path folder_ = support::unique_folder();
  std::optional<ringdown::Store> store_;
  std::optional<Jobs> jobs_;
  std::vector<Series> series_;         // by id - 1
  std::vector<ringdown::Sample> log_;  // in the order committed
  std::optional<ringdown::Rules> rules_;
  ringdown::Store::Clock::time_point steady_{};  // a few seconds go by from commit to commit
};

}  // namespace tiers
