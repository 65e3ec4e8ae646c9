// lane.hpp: a single-producer, single-consumer queue of records in shared memory.
// Invariants: slot n % records holds record n exactly when its seq is n; sequences never restart; the reader
// takes n, n+1, n+2, ... A producer killed at any instruction leaves its half-written slot unreadable.
// (The queue without a shared head index is described by D. Vyukov and in FastForward, PPoPP 2008.)
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "ring/abi.hpp"
#include "ring/words.hpp"

namespace ring {

/// Sequences and tails beyond it are no record's: the lane was written by something else.
inline constexpr std::uint64_t sequence_max = std::uint64_t{1} << 62;

/// Where one lane lies in this process. Geometry comes from the checked copy, never from the lane itself.
struct LaneView {
  abi::LaneHeader* header = nullptr;
  std::byte* arena = nullptr;
  abi::Record* records = nullptr;
  std::uint64_t arena_bytes = 0;
  std::uint64_t capacity = 0;  // a power of two
  abi::Mode mode = abi::Mode::drop_newest;

  abi::Record& slot(std::uint64_t seq) const noexcept { return records[seq & (capacity - 1)]; }
};

/// A record as the reader copied it: private memory, safe to check.
struct RecordCopy {
  std::int64_t time_ns = 0;
  double value = 0;
  std::uint32_t series = 0;
  std::uint32_t lost_before = 0;
  std::uint64_t seq = 0;

  bool is_control() const noexcept { return series >= abi::control_first; }
  std::uint32_t lost_count() const noexcept { return lost_before & abi::lost_count_max; }
  abi::Loss lost_reason() const noexcept { return abi::Loss{lost_before >> abi::lost_reason_shift}; }
};

/// Publishes record `seq`. The caller owns the lane and has made sure that the slot is free.
inline void publish(abi::Record& slot, std::uint64_t seq, std::int64_t time_ns, std::uint64_t value,
                    std::uint64_t series_and_lost) noexcept {
  words::store(slot.time_ns, time_ns);
  words::store(slot.value, value);
  words::store(slot.series, series_and_lost);
  // SYNC record: the slot's words reach the reader before the sequence that admits them.
  words::store(slot.seq, seq, std::memory_order_release);
}

/// As publish, over a record that the reader may be copying (overwrite_oldest).
inline void publish_over(abi::Record& slot, std::uint64_t seq, std::int64_t time_ns, std::uint64_t value,
                         std::uint64_t series_and_lost) noexcept {
  words::store(slot.seq, 0);
  // SYNC overwrite: the reader that sees any new word sees that the old sequence is gone.
  words::fence(std::memory_order_release);
  publish(slot, seq, time_ns, value, series_and_lost);
}

enum class Read { record, nothing_yet, overwritten };

/// Whether a slot whose turn is `next` may hold `seq` of a later lap. Only true when overwriting; else, and for a
/// sequence that belongs into another slot, something else than a producer has written there.
inline bool is_later_lap(const LaneView& lane, std::uint64_t next, std::uint64_t seq) noexcept {
  return lane.mode == abi::Mode::overwrite_oldest && seq > next && seq <= sequence_max &&
         (seq - next) % lane.capacity == 0;
}

/// Looks at record `next`. On `record`, `out` holds it. On `overwritten`, record `next` is gone for ever and
/// out.seq is the oldest sequence that may still be there.
inline Read read(const LaneView& lane, std::uint64_t next, RecordCopy& out) noexcept {
  const abi::Record& slot = lane.slot(next);
  const auto seq = words::load(slot.seq, std::memory_order_acquire);  // SYNC record
  if (seq == next) {
    out.time_ns = words::load(slot.time_ns);
    out.value = std::bit_cast<double>(words::load(slot.value));
    const auto series = words::load(slot.series);
    out.series = static_cast<std::uint32_t>(series);
    out.lost_before = static_cast<std::uint32_t>(series >> 32);
    out.seq = next;
    if (lane.mode == abi::Mode::drop_newest) return Read::record;
    words::fence(std::memory_order_acquire);  // SYNC overwrite
    if (words::load(slot.seq) == next) return Read::record;
    out.seq = next + 1;
    return Read::overwritten;
  }
  if (lane.mode == abi::Mode::drop_newest) return Read::nothing_yet;
  if (is_later_lap(lane, next, seq)) {  // the writer has reached seq: `capacity` records up to it may be left
    out.seq = seq - lane.capacity + 1;
    return Read::overwritten;
  }
  // A zero is a record being written: `next` itself, or the one a lap later, in which case `next + 1` is there.
  if (seq == 0 && words::load(lane.slot(next + 1).seq, std::memory_order_acquire) == next + 1) {
    out.seq = next + 1;
    return Read::overwritten;
  }
  return Read::nothing_yet;
}

/// One past the newest record, found by looking at the slots: where the next owner of the lane goes on.
/// O(capacity); on a lane that is being written it may be old by the time it returns.
inline std::uint64_t find_head(const LaneView& lane) noexcept {
  if (lane.mode == abi::Mode::drop_newest) {
    const auto first = words::load(lane.header->tail, std::memory_order_acquire) + 1;
    auto next = first;
    while (next - first < lane.capacity && words::load(lane.slot(next).seq) == next) ++next;
    return next;
  }
  std::uint64_t newest = 0;
  for (std::uint64_t i = 0; i < lane.capacity; ++i) newest = std::max(newest, words::load(lane.records[i].seq));
  return newest + 1;
}

}  // namespace ring
