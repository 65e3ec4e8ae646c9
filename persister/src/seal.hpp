// seal.hpp: packs raw samples by series: a window of batches becomes chunks once every rollup is made of them and late
// samples have had their time. Samples that are not kept (keep = false) are left out. How a window comes into sight, and
// why this may be killed anywhere: window.hpp.
//
// Memory: SealLimits::held samples at a time. A window with more is read several times, for some of its series each time.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "batch.hpp"
#include "budget.hpp"
#include "rules.hpp"
#include "series_rules.hpp"
#include "sqlite.hpp"
#include "window.hpp"

namespace ringdown {

struct SealLimits {
  std::int64_t window = 1 << 22;  // samples; a batch with more is a window by itself
  std::int64_t held = 1 << 20;    // samples in memory, 16 bytes each; a series with more is held alone
};

class Seal {
 public:
  /// Batches are sealed by the quarter of an hour in which they were committed, or earlier by their samples.
  static constexpr std::int64_t window_s = 900;
  /// How long after its commit a batch is left as it is, s: until then the rows of late samples are made again with the
  /// samples that are not kept.
  static constexpr std::int64_t settle_s = 600;

  Seal(Database& database, SeriesRules& rules, const Rules& configured, SealLimits limits = {});

  /// One slice. @param wall_ns  what time it is, ns since the epoch. @return whether there is more to do now
  bool run(std::int64_t wall_ns, Budget& budget);
  /// Batches from this one on stay.
  void hold_from(std::int64_t batch) noexcept { hold_from_ = batch; }
  bool is_making() const noexcept { return is_making_; }
  /// Windows that were finished or given up.
  std::int64_t ended() const noexcept { return ended_; }

 private:
  enum class Chosen { window, not_yet, nothing };
  Chosen choose(std::int64_t wall_ns, Budget& budget);
  void begin();
  void begin_pass(std::uint32_t from);
  bool read(Budget& budget);
  void take();
  void write(Budget& budget);
  void write_series(std::uint32_t series);
  void finish();

  Database& database_;
  SeriesRules& rules_;
  SealLimits limits_;
  bool has_1s_;  // else that tier is off, and not waited for
  std::int64_t hold_from_ = std::numeric_limits<std::int64_t>::max();

  // The batches of the next window, as far as they have been looked at.
  std::int64_t first_ = 0, last_ = 0, samples_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;  // committed

  bool is_making_ = false, is_read_ = false;
  std::int64_t ended_ = 0;
  WindowWriter early_, window_, late_;
  std::uint32_t from_ = 0, end_ = 0, next_ = 0;  // series of this pass; the next one to be written
  std::int64_t read_to_ = 0;                     // batch
  std::vector<std::vector<Point>> points_;       // by series
  std::vector<std::uint32_t> counts_;            // by series, of the last window: this one will have about so many
  std::int64_t held_ = 0;
  std::vector<std::pair<std::int64_t, std::string>> damaged_;  // batches, and why
  BatchView view_;
};

}  // namespace ringdown
