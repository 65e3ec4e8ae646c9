// fold.hpp: rolls committed batches up into the tiers, each sample once.
// A tier's progress row names the last batch folded into it and moves in the transaction that writes the rows,
// so the job can be left or killed anywhere. A bucket that spans several folds is merged, not replaced.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "sqlite.hpp"

namespace ringdown {

/// A series' samples in one bucket. `first` and `last` are by time stamp; of samples with the same one, the
/// first pushed is first and the last pushed is last. Both count.
struct Rollup {
  std::int64_t count = 0;
  double sum = 0, min = 0, max = 0, first = 0, last = 0;
  std::int64_t first_ns = 0, last_ns = 0;

  void add(std::int64_t time_ns, double value) noexcept;
};

class Fold {
 public:
  /// `name` is the table's, `width_s` its buckets' width in seconds.
  Fold(Database& database, const std::string& name, std::int64_t width_s);

  /// Folds whole batches, at least one and until about `samples_max` samples are done, in one transaction.
  /// @return samples folded; 0 when the tier has everything
  std::int64_t run(std::int64_t samples_max);
  const std::string& name() const noexcept { return name_; }

 private:
  struct Key {
    std::int64_t bucket;
    std::uint32_t series;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept {
      return (static_cast<std::size_t>(key.bucket) * 0x9e3779b97f4a7c15u) ^ (std::size_t{key.series} << 20);
    }
  };
  void add(std::span<const std::byte> blob);
  void write_rows();

  Database& database_;
  std::string name_;
  std::int64_t width_ns_;
  Statement progress_, batches_, upsert_, advance_, damaged_;
  std::unordered_map<Key, Rollup, Hash> rollups_;
};

}  // namespace ringdown
