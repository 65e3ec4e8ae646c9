// consumer.hpp: the reading end of a ring: takes records from every lane, in order, and frees their slots.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <vector>

#include "ring/abi.hpp"
#include "ring/claim.hpp"
#include "ring/lane.hpp"
#include "ring/ownership.hpp"
#include "ring/segment.hpp"

namespace ring {

using LossCounts = std::array<std::uint64_t, abi::producer_losses>;

/// Holds the reader's place of a ring. Whoever keeps the cursors (the next sequence of each lane) decides what
/// has been read; the segment's tails only say what may be overwritten.
class Consumer {
 public:
  /// Opens the ring, creating it if it is not there. Throws Error(busy), naming the holder, when another reader
  /// drains it.
  Consumer(std::string_view ring, const Geometry& geometry) : segment_(Segment::open_or_create(ring, geometry)) {
    if (!lock::try_acquire(segment_.descriptor(), abi::lock_reader)) {
      const auto holder = read_identity(segment_.header().reader);
      throw Error(Failure::busy, "drain ring \"" + segment_.ring() + "\": " + holder.text() +
                                     " drains it already; end that one first");
    }
    write_identity(segment_.header().reader, this_process());
  }

  /// Reads a copy (Segment::open_copy), of which there is no place to hold: what it releases stays in this process.
  explicit Consumer(Segment copy) : segment_(std::move(copy)) {}

  const Segment& segment() const noexcept { return segment_; }
  std::uint32_t lanes() const noexcept { return segment_.geometry().lanes; }
  LaneView lane(std::uint32_t index) const noexcept { return segment_.lane(index); }
  /// Whether anybody has ever claimed the lane; until then its records have no memory.
  bool used(std::uint32_t index) const noexcept {
    return words::load(lane(index).header->claims, std::memory_order_acquire) > 0;
  }
  std::uint64_t tail(std::uint32_t index) const noexcept { return words::load(lane(index).header->tail); }

  /// The lane's loss counters. Read before the records, they cover losses before the first missing record.
  LossCounts losses(std::uint32_t index) const noexcept {
    LossCounts out;
    for (std::size_t r = 0; r < out.size(); ++r)
      out[r] = words::load(lane(index).header->losses[r], std::memory_order_acquire);
    return out;
  }

  /// Takes records from `next` on, at most `records_max`, and moves `next` behind them.
  /// `sink.record(copy)` gets each; `sink.overwritten(first, count)` what came too late (overwrite_oldest).
  /// @return true when the lane has nothing more for now
  template <class Sink>
  bool drain(std::uint32_t index, std::uint64_t& next, std::uint64_t records_max, Sink&& sink) const {
    const auto view = lane(index);
    RecordCopy record;
    for (std::uint64_t taken = 0; taken < records_max; ++taken) {
      switch (read(view, next, record)) {
        case Read::record:
          sink.record(static_cast<const RecordCopy&>(record));
          ++next;
          break;
        case Read::overwritten:
          sink.overwritten(next, record.seq - next);
          next = record.seq;
          break;
        case Read::nothing_yet: return true;
      }
    }
    return false;
  }

  /// Lets the producer overwrite everything up to and including `seq`. Only for what is committed.
  void release(std::uint32_t index, std::uint64_t seq) noexcept {
    const auto view = lane(index);
    const auto before = words::load(view.header->tail);
    // SYNC tail: our copies of the slots are done before the producer may write them again.
    words::store(view.header->tail, seq, std::memory_order_release);
    if (!released_[index]) ++lanes_released_;
    released_[index] = true;
    forget(view, before, seq);
  }

 private:
  /// Of slots that were read, in all lanes together: 8 MiB. Unmapping costs more than reading, so that a few busy
  /// lanes stay mapped.
  static constexpr std::uint64_t mapped_records_max = 1 << 18;
  static constexpr std::uint64_t forget_records_min = 4096;

  /// Takes blocks of slots that were read to their end out of this process' memory, lest a long-lived reader is
  /// charged with the whole ring. They stay in the ring, and are mapped again when they are read again.
  void forget(const LaneView& view, std::uint64_t before, std::uint64_t seq) const noexcept {
    const auto records = std::max(forget_records_min, std::bit_floor(mapped_records_max / lanes_released_));
    if (view.capacity < records) return;
    const auto first = before / records, end = seq / records;
    const auto count = std::min(end - std::min(first, end), view.capacity / records);
    for (auto block = end - count; block < end; ++block)
      ::madvise(&view.slot(block * records), records * sizeof(abi::Record), MADV_DONTNEED);
  }

  Segment segment_;
  std::vector<bool> released_ = std::vector<bool>(segment_.geometry().lanes);
  std::uint64_t lanes_released_ = 0;
};

}  // namespace ring
