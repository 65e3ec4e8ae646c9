// series_rules.hpp: how each series of a database is rolled up, as its row says.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ring/definition.hpp"
#include "sqlite.hpp"

namespace ringdown {

struct SeriesRule {
  ring::Kind aggregation = ring::Kind::gauge;
  bool tier_1s = true;
  bool carries = false;          // its last value holds in buckets without samples
  std::int64_t hold_ns = 0;      // how long a sample is what comes before the next one
  std::int64_t interval_ns = 0;  // expected from sample to sample; 0: not known
  std::int64_t raw_from_ns = 0;  // raw samples before it may have been dropped
  double resolution = 0;         // sealed values are multiples of it; 0: as pushed

  /// Whether a row depends on the order of samples and on what was before them.
  bool ordered() const noexcept { return aggregation != ring::Kind::gauge || carries; }
  /// Whether raw samples go once every tier has them.
  bool is_dropped() const noexcept { return raw_from_ns == dropped_ns; }
  static constexpr std::int64_t dropped_ns = std::numeric_limits<std::int64_t>::max();
};

/// A state, or what is written on change, is believed for so long.
inline constexpr std::int64_t hold_state_ns = 300'000'000'000;
inline constexpr std::int64_t hold_ordered_ns = 86'400'000'000'000;  // counters, and all that is written on change

class SeriesRules {
 public:
  explicit SeriesRules(Database& database) : database_(database) {}
  /// O(1); a series that came since the last call is read.
  const SeriesRule& of(std::uint32_t series) {
    if (series >= rules_.size()) read();
    return series < rules_.size() ? rules_[series] : unknown_;
  }
  /// Whether there is such a row.
  bool has(std::int64_t series) {
    if (series >= static_cast<std::int64_t>(rules_.size())) read();
    return series >= 1 && series < static_cast<std::int64_t>(rules_.size());
  }
  bool any_dropped() {
    read();
    return any_dropped_;
  }
  /// One past the highest id.
  std::uint32_t end() {
    read();
    return static_cast<std::uint32_t>(rules_.size());
  }

 private:
  void read() {
    auto& rows = database_.prepared("SELECT id, aggregation, on_change, tier_1s, interval_ns, raw_from_ns, resolution "
                                     "FROM series WHERE id >= ? ORDER BY id");
    rows.bind(1, static_cast<std::int64_t>(rules_.size()));
    constexpr std::int64_t id_max = 1 << 24;
    while (rows.step()) {
      const auto id = rows.integer(0);
      if (id < 0 || id > id_max) rows.reset(), database_.fail_damaged("series " + std::to_string(id));
      rules_.resize(static_cast<std::size_t>(id) + 1);
      auto& rule = rules_.back();
      const auto aggregation = rows.text(1);
      const bool on_change = rows.integer(2) != 0;
      rule.aggregation = aggregation == "counter" ? ring::Kind::counter
                         : aggregation == "state" ? ring::Kind::state
                                                  : ring::Kind::gauge;
      rule.carries = on_change || rule.aggregation == ring::Kind::state;
      rule.hold_ns = rule.aggregation == ring::Kind::state && !on_change ? hold_state_ns : hold_ordered_ns;
      rule.tier_1s = rows.integer(3) != 0;
      rule.interval_ns = rows.integer(4);
      rule.raw_from_ns = rows.integer(5);
      rule.resolution = rows.real(6);
      any_dropped_ |= rule.is_dropped();
    }
    rows.reset();
  }

  Database& database_;
  std::vector<SeriesRule> rules_;  // by id
  SeriesRule unknown_;
  bool any_dropped_ = false;
};

}  // namespace ringdown
