// consumer.hpp: the reading end of a ring: takes records from every lane, in order, and frees their slots.
#pragma once

#include <array>
#include <string>

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
  void release(std::uint32_t index, std::uint64_t seq) const noexcept {
    const auto view = lane(index);
    const auto before = words::load(view.header->tail);
    // SYNC tail: our copies of the slots are done before the producer may write them again.
    words::store(view.header->tail, seq, std::memory_order_release);
    forget(view, before / forget_records, seq / forget_records);
  }

 private:
  static constexpr std::uint64_t forget_records = 8192;  // 256 KiB

  /// Takes blocks of slots that were read to their end out of this process' memory, lest a long-lived reader is
  /// charged with the whole ring. They stay in the ring, and are mapped again when they are read again.
  static void forget(const LaneView& view, std::uint64_t first, std::uint64_t end) noexcept {
    if (view.capacity < forget_records) return;
    const auto count = std::min(end - std::min(first, end), view.capacity / forget_records);
    for (auto block = end - count; block < end; ++block)
      ::madvise(&view.slot(block * forget_records), forget_records * sizeof(abi::Record), MADV_DONTNEED);
  }

  Segment segment_;
};

}  // namespace ring
