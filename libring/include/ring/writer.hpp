// writer.hpp: the producer's side of a lane: push, and the counting of what could not be pushed.
// All its state is private memory that a forked child reads as zeros (MADV_WIPEONFORK), and zeros mean
// "no lane": the child cannot write to its parent's lane.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "ring/abi.hpp"
#include "ring/epoch.hpp"
#include "ring/lane.hpp"
#include "ring/words.hpp"

namespace ring {

/// A series of one producer, from Producer::gauge and its kin. One that was not is counted as a loss.
struct Series {
  std::uint16_t index = abi::series_max;
  bool operator==(const Series&) const = default;
};

/// The writing end of a lane. Valid as zeros. One thread at a time; re-entry from a signal handler is refused
/// and counted.
class Writer {
  // The slots' cache lines were last read by the persister's core: each is asked back this far ahead, about a
  // cycle. (Behind a lane's last slots that names the next lane or nothing, once a lap: no harm.)
  static constexpr std::uint64_t prefetch_records = 32;

 public:
  /// A writer without a lane. @return nullptr when there is no memory for it
  static Writer* create() noexcept {
    void* at = ::mmap(nullptr, sizeof(Writer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    ::madvise(at, sizeof(Writer), MADV_WIPEONFORK);
    return static_cast<Writer*>(at);
  }
  /// A writer that never has a lane, for pushes into a producer that is gone. Shared by all threads.
  static Writer* none() noexcept {
    static Writer* const never_freed = create();
    return never_freed;
  }
  static void destroy(Writer* writer) noexcept { ::munmap(static_cast<void*>(writer), sizeof(Writer)); }

  /// Publishes one sample. Wait-free: no allocation, lock, system call or exception.
  bool push(Series series, double value, std::int64_t time_ns) noexcept {
    const std::uint64_t limit = enter();
    const std::uint64_t n = next_.load(std::memory_order_relaxed);
    const std::uint32_t id = ids_[series.index];
    if ((n >= limit) | (id == 0) | !is_finite(value)) [[unlikely]]
      return push_past(limit, id, value, time_ns);
    write(n, id, value, time_ns);
    leave(n + 1, limit);
    return true;
  }

  /// Publishes one sample per series under one time stamp. @return how many were accepted
  std::size_t push_many(std::int64_t time_ns, std::span<const Series> series,
                        std::span<const double> values) noexcept {
    const std::size_t count = std::min(series.size(), values.size());
    std::uint64_t limit = enter();
    std::uint64_t n = next_.load(std::memory_order_relaxed);
    if (limit <= n || limit - n < count) [[unlikely]] {
      if (!may_go_on(limit, count)) return 0;
      limit = refresh();
      n = next_.load(std::memory_order_relaxed);
    }
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t id = ids_[series[i].index];
      if ((n >= limit) | (id == 0) | !is_finite(values[i])) [[unlikely]] {
        count_loss(reason(id, values[i]));
        continue;
      }
      write(n++, id, values[i], time_ns);
      ++accepted;
    }
    leave(n, limit);
    return accepted;
  }

  // Set-up, outside the loop.

  bool attached() const noexcept { return header_ != nullptr; }
  std::uint64_t next() const noexcept { return next_.load(std::memory_order_relaxed); }
  /// Samples refused for want of a lane since the last attach.
  std::uint64_t detached() const noexcept { return detached_.load(std::memory_order_relaxed); }
  /// What this writer has counted in its lane, by reason.
  std::uint64_t lost(abi::Loss reason) const noexcept {
    const auto r = static_cast<std::size_t>(reason);
    return header_ ? words::load(header_->losses[r]) - at_claim_[r] : 0;
  }

  /// Takes over a lane whose lock the caller holds, going on at sequence `next`. The epoch is written now or,
  /// when the lane is full, before the first sample.
  void attach(const LaneView& lane, std::uint64_t next, const Epoch& epoch) noexcept {
    lane_ = lane;
    next_.store(next, std::memory_order_relaxed);
    epoch_ = epoch;
    epoch_due_ = true;
    std::fill(std::begin(reentrant_), std::end(reentrant_), 0u);
    for (std::size_t r = 0; r < abi::producer_losses; ++r) {
      epoch_.losses[r] = words::load(lane.header->losses[r]);
      folded_[r] = at_claim_[r] = epoch_.losses[r];
    }
    header_ = lane.header;
    if (const auto count = detached_.exchange(0)) count_loss(abi::Loss::detached, count);
    limit_.store(refresh(), std::memory_order_relaxed);
  }
  /// Forgets the lane; every push is refused from here on.
  void detach() noexcept {
    limit_.store(0, std::memory_order_relaxed);
    header_ = nullptr;
    std::fill(std::begin(ids_), std::end(ids_), 0u);
  }
  /// Lets samples of `series` through, as `id` of the lane's arena.
  void map(Series series, std::uint32_t id) noexcept { ids_[series.index] = id + 1; }
  bool maps(Series series) const noexcept { return ids_[series.index] != 0; }

 private:
  Writer() = delete;

  static bool is_finite(double value) noexcept {
    constexpr std::uint64_t exponent = 0x7ff0'0000'0000'0000;
    return (std::bit_cast<std::uint64_t>(value) & exponent) != exponent;
  }

  // While a push is under way limit_ is 0, so that one from a signal handler takes the slow path. Nothing is
  // read from this object before that store.
  std::uint64_t enter() noexcept {
    const auto limit = limit_.load(std::memory_order_relaxed);
    limit_.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return limit;
  }
  void leave(std::uint64_t next, std::uint64_t limit) noexcept {
    next_.store(next, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    limit_.store(limit, std::memory_order_relaxed);
  }

  void write(std::uint64_t n, std::uint32_t id, double value, std::int64_t time_ns) noexcept {
    const std::uint64_t lost = pending_.load(std::memory_order_relaxed) ? take_pending() : 0;
    put(n, time_ns, std::bit_cast<std::uint64_t>(value), (id - 1) | lost << 32);
  }
  void put(std::uint64_t n, std::int64_t time_ns, std::uint64_t value, std::uint64_t series) noexcept {
    auto& slot = lane_.slot(n);
    words::prefetch_for_write(&slot + prefetch_records);
    if (lane_.mode == abi::Mode::drop_newest)
      publish(slot, n, time_ns, value, series);
    else
      publish_over(slot, n, time_ns, value, series);
  }

  static abi::Loss reason(std::uint32_t id, double value) noexcept {
    return id == 0 ? abi::Loss::unknown_series
                   : is_finite(value) ? abi::Loss::lane_full : abi::Loss::non_finite;
  }

  /// Whether this call owns the writer; else it has counted `count` losses.
  bool may_go_on(std::uint64_t limit, std::uint64_t count) noexcept {
    if (!header_) {
      detached_.store(detached_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
      return false;
    }
    if (limit != 0) return true;
    // Handlers can nest: each depth has a counter of its own, so that none loses a count to another.
    const auto depth = depth_;
    depth_ = depth + 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    reentrant_[std::min<std::size_t>(depth, std::size(reentrant_) - 1)] += count;
    std::uint64_t sum = 0;
    for (const auto n : reentrant_) sum += n;
    constexpr auto r = static_cast<std::size_t>(abi::Loss::reentrant);
    words::store(header_->losses[r], at_claim_[r] + sum);
    pending_.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    depth_ = depth;
    return false;
  }

  /// Refuses quickly where refusals come in rows: without a lane, and when a full lane is still full.
  [[gnu::noinline]] bool push_past(std::uint64_t limit, std::uint32_t id, double value,
                                   std::int64_t time_ns) noexcept {
    if (!header_) {
      detached_.store(detached_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
    const auto n = next_.load(std::memory_order_relaxed);
    const bool beyond = (limit != 0) & (n >= limit) & (id != 0) & is_finite(value);
    if (!beyond || words::load(header_->tail) + lane_.capacity >= n) return push_slowly(limit, id, value, time_ns);
    count_loss(abi::Loss::lane_full);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    limit_.store(limit, std::memory_order_relaxed);
    return false;
  }

  [[gnu::noinline, gnu::cold]] bool push_slowly(std::uint64_t limit, std::uint32_t id, double value,
                                                std::int64_t time_ns) noexcept {
    if (!may_go_on(limit, 1)) return false;
    auto n = next_.load(std::memory_order_relaxed);
    if (id == 0 || !is_finite(value)) {
      count_loss(reason(id, value));
      leave(n, limit);
      return false;
    }
    limit = refresh();
    n = next_.load(std::memory_order_relaxed);
    const bool room = n < limit;
    if (room)
      write(n, id, value, time_ns);
    else
      count_loss(abi::Loss::lane_full);
    leave(n + room, limit);
    return room;
  }

  /// The first sequence that may not be written yet. Reads the reader's tail; never 0 with a lane.
  std::uint64_t refresh() noexcept {
    const auto n = next_.load(std::memory_order_relaxed);
    std::uint64_t limit = ~std::uint64_t{0};
    if (lane_.mode == abi::Mode::drop_newest) {
      // SYNC tail: what the reader did with a slot comes before our writing it again.
      const auto tail = words::load(lane_.header->tail, std::memory_order_acquire);
      limit = std::max(tail + lane_.capacity + 1, n);
      if (tail >= n) limit = n + lane_.capacity;  // cannot be: a reader never passes us
    }
    if (!epoch_due_) return limit;
    if (limit - n < abi::epoch_records) return n;
    for (std::uint32_t part = 0; part < abi::epoch_records; ++part) {
      const auto payload = epoch_part(epoch_, part);
      put(n + part, payload.time_ns, payload.value, abi::control_epoch + part);
      words::store(header_->controls, abi::count_control(words::load(header_->controls), n + part),
                   std::memory_order_release);
    }
    epoch_due_ = false;
    next_.store(n + abi::epoch_records, std::memory_order_relaxed);
    return limit;
  }

  void count_loss(abi::Loss reason, std::uint64_t count = 1) noexcept {
    auto& word = header_->losses[static_cast<std::size_t>(reason)];
    words::store(word, words::load(word) + count);
    pending_.store(true, std::memory_order_relaxed);
  }

  /// The next record's lost_before: one reason at a time.
  [[gnu::noinline, gnu::cold]] std::uint32_t take_pending() noexcept {
    pending_.store(false, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    std::uint32_t taken = 0;
    for (std::size_t r = 0; r < abi::producer_losses; ++r) {
      const auto waiting = words::load(header_->losses[r]) - folded_[r];
      if (waiting == 0) continue;
      if (taken != 0) {
        pending_.store(true, std::memory_order_relaxed);
        break;
      }
      const auto part = std::min<std::uint64_t>(waiting, abi::lost_count_max);
      folded_[r] += part;
      if (part < waiting) pending_.store(true, std::memory_order_relaxed);
      taken = static_cast<std::uint32_t>(r << abi::lost_reason_shift | part);
    }
    return taken;
  }

  std::atomic<std::uint64_t> limit_;  // sequences below it may be written; 0 during a push and without a lane
  std::atomic<std::uint64_t> next_;
  LaneView lane_;
  std::atomic<bool> pending_;  // there are losses that no record tells yet
  bool epoch_due_;
  std::uint32_t depth_;
  abi::LaneHeader* header_;  // null: no lane
  std::atomic<std::uint64_t> detached_;
  std::uint64_t reentrant_[4];
  std::uint64_t folded_[abi::producer_losses];    // told in the stream
  std::uint64_t at_claim_[abi::producer_losses];  // counted before this owner
  Epoch epoch_;
  std::uint32_t ids_[abi::series_max + 1];  // by Series::index: id in the lane's arena + 1, 0 if undefined
};

}  // namespace ring
