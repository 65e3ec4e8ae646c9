// catalog.hpp: which series the database knows, and under which id. Ids are given here, so that a batch can be
// put together without asking the database; they reach it with the first batch that uses them.
#pragma once

#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch.hpp"

namespace ringdown {

class Catalog {
 public:
  /// Takes up to `series_max` series.
  Catalog(const std::vector<SeriesRow>& known, std::int64_t last_producer, std::size_t series_max = 1'000'000)
      : last_producer_(last_producer), series_max_(series_max) {
    for (const auto& row : known) {
      ids_.emplace(key(row.definition), row.id);
      last_series_ = std::max(last_series_, row.id);
    }
    last_time_ns_.resize(last_series_ + 1, never);
  }

  /// The id of a series; a new one is added to `batch`. 0 when it would be one too many.
  std::uint32_t series_id(const ring::Definition& definition, Batch& batch) {
    auto name = key(definition);
    if (const auto at = ids_.find(name); at != ids_.end()) return at->second;
    if (ids_.size() >= series_max_) return 0;
    ids_.emplace(std::move(name), ++last_series_);
    last_time_ns_.push_back(never);
    batch.series.push_back({last_series_, definition});
    return last_series_;
  }
  std::int64_t new_producer_id() noexcept { return ++last_producer_; }

  /// Whether the sample before this one in the series had the same time stamp.
  bool is_duplicate(std::uint32_t series, std::int64_t time_ns) noexcept {
    return std::exchange(last_time_ns_[series], time_ns) == time_ns;
  }
  std::size_t size() const noexcept { return ids_.size(); }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
  static std::string key(const ring::Definition& definition) {
    const auto bytes = ring::encode(definition);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<std::int64_t> last_time_ns_;
  std::uint32_t last_series_ = 0;
  std::int64_t last_producer_;
  std::size_t series_max_;
};

}  // namespace ringdown
