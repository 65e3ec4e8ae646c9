// lane_follower.hpp: reads what is newly written to one lane, beside the persister and without holding it up.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ring/definition.hpp"
#include "ring/lane.hpp"

namespace inspect {

/// Touches only slots that were written since the last time, and each once; the lane does not know of it. Who is late
/// misses what was written over meanwhile.
class LaneFollower {
 public:
  /// Goes on behind the newest record that is there now.
  explicit LaneFollower(const ring::LaneView& lane) : LaneFollower(lane, ring::find_head(lane)) {}
  /// Goes on with record `next`, or the oldest behind it that is there.
  LaneFollower(const ring::LaneView& lane, std::uint64_t next);

  /// Calls `visit(record)` for each new sample that has a definition, at most `records_max`, oldest first.
  template <class Visit>
  void poll(std::uint64_t records_max, Visit&& visit) {
    for (std::uint64_t taken = 0; taken < records_max;) {
      const auto batch = next_batch();
      if (batch.empty() && !was_late_) return;
      taken += batch.size() + 1;
      for (const auto& record : batch)
        if (has_definition(record)) visit(record);
    }
  }

  const ring::LaneView& lane() const noexcept { return lane_; }
  /// The next sequence; all before it are read or missed.
  std::uint64_t next() const noexcept { return next_; }
  /// Records that were written over before they were read.
  std::uint64_t missed() const noexcept { return missed_; }
  /// By id in the lane's arena: those that were needed so far.
  const std::vector<ring::Definition>& series() const noexcept { return series_; }
  /// How often `series()` was begun anew, as another owner's means others.
  std::uint64_t arenas() const noexcept { return arenas_; }
  /// Reads the definitions that came since.
  void read_definitions();

 private:
  static constexpr std::size_t batch_max = 256;

  /// Records that are whole; none at the lane's end, or when it was late.
  std::span<const ring::RecordCopy> next_batch();
  bool is_near(std::uint64_t seq) const noexcept;
  void go_to(std::uint64_t seq) noexcept;
  bool has_definition(const ring::RecordCopy& record);
  void enter_arena(std::uint64_t epoch);

  ring::LaneView lane_;
  std::uint64_t next_, missed_ = 0;
  bool was_late_ = false;
  std::array<ring::RecordCopy, batch_max> batch_;
  std::uint64_t arena_epoch_, arena_read_ = 0, arenas_ = 0;
  std::vector<ring::Definition> series_;
};

}  // namespace inspect
