// old_series.hpp: which series a row of an old table belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "batch.hpp"
#include "import_tally.hpp"

namespace ringdown {

/// Of what kind new series are whose names match. The old table does not tell.
struct KindRule {
  std::string glob;
  ring::Kind kind;
  std::vector<std::string> states = {};
};
/// NAME-GLOB=gauge, =counter, =state or =state:NAME,NAME... Throws std::invalid_argument.
KindRule parse_kind_rule(const std::string& text);

class OldSeries {
 public:
  /// A row's series is the one of `known` that has its name and labels, the newest if there are several.
  OldSeries(const std::vector<SeriesRow>& known, std::vector<KindRule> kinds, std::size_t series_max);

  struct Found {
    std::uint32_t id;  // 0: none, and `why` says so
    Doubt why;
  };
  /// @param labels  nothing when they are NULL
  Found find(std::string_view wan, std::string_view metric, std::optional<std::string_view> labels);
  /// Series that are new since the last call, to be stored before anything of theirs is, or with it.
  std::vector<SeriesRow> take_new() { return std::exchange(new_, {}); }
  /// One past the highest id.
  std::uint32_t end() const noexcept { return last_ + 1; }

 private:
  Found make(std::string_view wan, std::string_view metric, std::optional<std::string_view> labels);
  ring::Definition with_kind(ring::Definition definition) const;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, Found, Hash, std::equal_to<>> rows_;  // by what a row says
  std::unordered_map<std::string, std::uint32_t> ids_;                  // by name and labels
  std::vector<SeriesRow> new_;
  std::vector<KindRule> kinds_;
  std::size_t series_max_;
  std::uint32_t last_ = 0;
  std::string key_;
};

}  // namespace ringdown
