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
#include "store.hpp"
#include "support.hpp"
#include "widen.hpp"

namespace tiers {

inline constexpr std::int64_t second_ns = 1'000'000'000;

/// The wall clock of the stores below.
inline std::int64_t& wall_ns() {
  static std::int64_t now = 1'700'000'000 * second_ns;
  return now;
}

struct Series {
  ringdown::SeriesRule rule;
  std::vector<ringdown::Point> points;  // in the order pushed
};

/// The jobs that make the tiers, on a store of its own.
class World {
 public:
  /// @param rules  by default every series is kept for ever and rolled up as `series` says
  explicit World(std::vector<Series> series, std::optional<ringdown::Rules> rules = {});
  ~World();
  /// One batch. Keeps its samples for the model.
  void commit(const std::vector<ringdown::Sample>& samples);
  /// One slice of a job. @return whether there is more to do
  bool slice(std::size_t job, std::int64_t horizon_ns, bool everything, std::int64_t steps);
  /// All jobs but retention until there is no more to do.
  void work(std::int64_t horizon_ns);
  /// @return whether it deleted or moved anything
  bool retain(std::int64_t now_ns);
  /// As a clean stop does.
  void finish();
  /// As after kill -9.
  void restart();
  /// Compares every tier with the model; fails the test case where they differ.
  void check();
  ringdown::Database& database() { return store_->database(); }
  std::int64_t query(const std::string& sql) { return database().query_integer(sql); }
  static constexpr std::size_t jobs = 5;

 private:
  struct Jobs {
    Jobs(ringdown::Database& db, const ringdown::Rules& rules)
        : series(db), to_1s(db, series, "tier_1s", 5), to_1m(db, series, "tier_1m", 60),
          to_5m(db, series, "tier_1m", "tier_5m"), to_1h(db, series, "tier_5m", "tier_1h"),
          redo(db, series, to_1m, to_5m, to_1h), retention(db, rules) {}
    ringdown::SeriesRules series;
    ringdown::Fold to_1s, to_1m;
    ringdown::Widen to_5m, to_1h;
    ringdown::Redo redo;
    ringdown::Retention retention;
  };
  void check_tier(const std::string& name, std::int64_t width_s);

  std::filesystem::path folder_ = support::unique_folder();
  std::optional<ringdown::Store> store_;
  std::optional<Jobs> jobs_;
  std::vector<Series> series_;  // by id - 1
  std::optional<ringdown::Rules> rules_;
  std::uint64_t stored_ = 0;
};

}  // namespace tiers
