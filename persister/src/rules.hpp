// rules.hpp: what is kept of which series, how long: the tiers' ages, and the rules that differ from them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ring/definition.hpp"

namespace ringdown {

/// What an array by tier is indexed with.
enum Tier : std::size_t { tier_raw, tier_1s, tier_1m, tier_5m, tier_1h, tier_count };
inline constexpr std::array<const char*, tier_count> tier_names{"raw", "1s", "1m", "5m", "1h"};

inline constexpr std::int64_t forever_s = std::numeric_limits<std::int64_t>::max();
using Ages = std::array<std::int64_t, tier_count>;  // s; 0: the tier is off

/// The shortest ages: a tier must be there for as long as the next one is made from it, and made again for
/// late samples.
inline constexpr Ages age_s_min{10 * 60, 1, 3600, 6 * 3600, 1};

struct Tiers {
  Ages age_s{7 * 86400, 15 * 60, 30 * 86400, 180 * 86400, forever_s};
  std::uint64_t size_bytes_max = 0;  // of the database file; 0: as large as it gets
  bool operator==(const Tiers&) const = default;
};

/// A part of the configuration that is for some series only.
struct Rule {
  std::string name = "*";  // a glob
  ring::Labels labels;     // a series needs every one of them; the values are globs
  std::optional<ring::Kind> aggregation;
  bool keep = true;
  bool tier_1s = true;
  bool on_change = false;
  std::int64_t interval_ns = 0;
  double resolution = 0;
  std::array<std::optional<std::int64_t>, tier_count> age_s;  // where it differs from the tiers'
  unsigned line = 0;                                          // of the configuration file

  bool matches(const ring::Definition& series) const noexcept;
  bool matches_all() const noexcept { return name == "*" && labels.empty(); }
  bool operator==(const Rule&) const = default;
};

/// How one series is stored and rolled up.
struct Policy {
  ring::Kind aggregation = ring::Kind::gauge;
  bool keep = true;              // else its raw samples are dropped once they are rolled up
  bool tier_1s = true;           // else it has no rows in the 1s tier
  bool on_change = false;        // its last value holds until the next sample; never a counter's
  std::int64_t interval_ns = 0;  // expected between two samples; 0: not known
  double resolution = 0;         // sealed values are rounded to multiples of it; 0: they are kept as pushed
  Ages age_s{};                  // 0: not kept: the tier is off, or for raw keep is false, for 1s tier_1s is
};

class Rules {
 public:
  Rules() = default;
  Rules(const Tiers& tiers, std::vector<Rule> rules) : tiers_(tiers), rules_(std::move(rules)) {}

  Policy of(const ring::Definition& series) const noexcept;
  /// The first rule that matches it; null when none does.
  const Rule* match(const ring::Definition& series) const noexcept;

  const Tiers& tiers() const noexcept { return tiers_; }
  const std::vector<Rule>& rules() const noexcept { return rules_; }

 private:
  Tiers tiers_;
  std::vector<Rule> rules_;
};

/// Whether the whole text is what the pattern describes: * stands for any characters or none, ? for exactly
/// one. Takes time proportional to their lengths' product at most.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

}  // namespace ringdown
