// drain.hpp: turns the records of one ring's lanes into a Batch, and accounts for every loss between them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "batch.hpp"
#include "bus_guard.hpp"
#include "catalog.hpp"
#include "ring/consumer.hpp"
#include "store.hpp"

namespace ringdown {

/// Most loss rows that one lane adds to a batch; further losses are merged into the last of their reason.
inline constexpr std::size_t loss_rows_max = 64;
/// Most records taken from one lane before the next lane's turn.
inline constexpr std::uint64_t turn_records = 4096;
/// More losses than this between two looks at a lane: something else than a producer has written there.
inline constexpr std::uint64_t losses_believable = std::uint64_t{1} << 48;

class Drain {
 public:
  /// Goes on where the database says. Throws ring::Error, for example when another persister drains the ring.
  Drain(const std::string& ring, const ring::Geometry& geometry, Store& store, Catalog& catalog);
  /// The same of a reader that is there already, for example of a copy.
  Drain(ring::Consumer consumer, Store& store, Catalog& catalog);

  /// Adds to `batch` what the lanes hold, up to about `samples_max` samples in it.
  /// @return true when no lane has anything more for now
  bool drain(Batch& batch, std::size_t samples_max);
  /// Adds the cursors that have moved since the last commit. Just before the commit.
  void add_cursors(Batch& batch) const;
  /// Frees in the ring what the last commit stored. Only after it succeeded.
  void release();

  /// The fullest lane, 0 to 1: what is not released yet of its capacity.
  double fullness() const noexcept;
  /// Whether a lane is over half full by now, of those that took records in the last drain.
  bool is_pressed() const noexcept;
  /// What the last drain() took from the lane that had most, as a share of the lane.
  double taken() const noexcept;
  /// Whether the ring was deleted or replaced; it is then drained until finish().
  bool is_current() const noexcept { return consumer_.segment().is_current(); }
  bool has_writers() const noexcept;
  /// Drains what came before the last writer left.
  /// @return whether nobody can write to this ring any more and all of it is released
  bool finish(Batch& batch, std::size_t samples_max);
  const ring::Consumer& consumer() const noexcept { return consumer_; }

  /// Adds the series of lanes that have a writer to `written`, and of those that have lost theirs since the last call, once
  /// all of it is released, to `left`.
  void look_for_writers(std::vector<std::uint32_t>& written, std::vector<std::uint32_t>& left);

  /// Since this was made.
  struct Counts {
    std::uint64_t taken = 0, duplicates = 0;  // samples
    std::array<std::uint64_t, 16> lost{};     // records, by reason
  };
  const Counts& counts() const noexcept { return counts_; }

 private:
  // By reason: `counted` has rows in this database; `told` was announced by records' lost_before. A loss is
  // counted when the first of the two sources shows it: the lane's counter or a record.
  struct Ledger {
    std::array<std::uint64_t, ring::abi::producer_losses> counted{};
    std::array<std::uint64_t, ring::abi::producer_losses> told{};
    // overwrite_oldest: records that were gone before we came, not in a row yet. How many of them were control
    // records is only known once the lane is read to its end.
    std::uint64_t overwritten = 0, overwritten_first = 0, overwritten_last = 0;
    std::int64_t overwritten_producer = 0;  // whose the first of them was
    bool owner_gone = false;                // no epoch has come behind them that names the owner
    std::uint64_t controls = 0;             // control records seen, or known to be among the overwritten
    std::uint64_t last_control = 0;         // the last one seen
  };
  struct Lane {
    CursorRow cursor;
    Ledger ledger;
    ring::EpochReader epochs;
    std::vector<std::uint32_t> series;  // database ids, by id in the lane's arena
    std::uint64_t arena_epoch = 0;      // the arena that `series` is from
    std::uint64_t arena_read = 0;       // bytes
    int arena_changes = 0;              // since the last release
    std::uint64_t controls_word = 0;    // the header's, read before this turn's records
    std::uint64_t uncounted = 0;        // control records seen that it does not count yet
    bool controls_known = true;         // whether ledger.controls has all up to the cursor
    std::uint64_t released = 0;         // last sequence
    std::uint64_t taken = 0;            // records, in the last drain()
    std::size_t loss_rows = 0;          // in the present batch
    std::array<std::size_t, 16> loss_row{};  // by reason: the last one's place in the batch
    bool changed = false;
    bool has_writer = false;   // when it was looked for last, and the sequence that was next then
    std::uint64_t looked_at = 0;
    bool quarantined = false;  // not believed any more, and not read
  };
  struct Sink;

  bool drain_lane(std::uint32_t index, Batch& batch);
  void resume(std::uint32_t index);
  void quarantine(Lane& lane, const std::string& why);
  bool pass_gap(Lane& lane, const ring::LaneView& view, Batch& batch);
  void take_record(Lane& lane, const ring::RecordCopy& record, Batch& batch);
  void take_epoch(Lane& lane, const ring::Epoch& epoch, Batch& batch);
  void take_counters(Lane& lane, const ring::LossCounts& counts, Batch& batch);
  void take_overwritten(Lane& lane, Batch& batch);
  void take_owner(Lane& lane, Batch& batch);
  void enter_arena(Lane& lane, std::uint64_t epoch);
  void read_definitions(Lane& lane, Batch& batch);
  void tell_of_limit(const Lane& lane);
  /// `producer`: whose loss it is, if not the lane's present one's.
  void lose(Lane& lane, Batch& batch, ring::abi::Loss reason, std::uint64_t count, std::uint64_t first_seq,
            std::uint64_t last_seq, std::int64_t time_ns, std::optional<std::int64_t> producer = {});

  ring::Consumer consumer_;
  BusGuard guard_;
  bool truncated_ = false;
  bool limit_told_ = false;
  Catalog& catalog_;
  std::int64_t ring_id_;
  std::vector<Lane> lanes_;
  Counts counts_;
  std::uint64_t taken_ = 0;  // records of the busiest lane in the last drain()
  std::uint32_t turn_ = 0;   // the lane that comes next, also when a full batch ends a round early
};

}  // namespace ringdown
