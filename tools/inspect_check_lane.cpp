#include "inspect_check_lane.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "inspect_lane.hpp"

namespace inspect {
namespace {

namespace abi = ring::abi;
namespace words = ring::words;
using abi::Mode;

constexpr std::size_t faults_of_a_lane_max = 20;
constexpr std::uint64_t losses_believable = std::uint64_t{1} << 48;
constexpr std::uint64_t reasons_known = 5;  // of a producer's
constexpr int afresh_max = 100;  // times a lane is looked at again, whose arena was started afresh meanwhile

class LaneCheck {
 public:
  LaneCheck(const ring::LaneView& view, std::uint32_t index, std::uint64_t offset)
      : view_(view), index_(index), offset_(offset), h_(*view.header) {}

  void run() {
    if (words::load(h_.claims, std::memory_order_acquire) == 0) return check_unused();
    is_used_ = true;
    // Before the records: what each of them counts is there before it is counted.
    arena_epoch_ = words::load(h_.arena_epoch);
    const auto controls = words::load(h_.controls, std::memory_order_acquire);
    const auto tail = words::load(h_.tail, std::memory_order_acquire);
    check_losses();
    scan_slots();
    check_tail(tail);
    check_controls(controls);
    check_gaps();
    check_arena();
    check_records();
  }

  void add_to(CheckReport& report) {
    const auto kept = std::min(faults_.size(), faults_of_a_lane_max);
    report.faults.insert(report.faults.end(), faults_.begin(), faults_.begin() + static_cast<std::ptrdiff_t>(kept));
    report.more_faults += faults_.size() - kept;
    report.used += is_used_;
    report.definitions += definitions_;
    report.records += records_;
  }

 private:
  void fault(std::uint64_t offset, const std::string& what, std::string found, std::string expected) {
    faults_.push_back(
        {offset_ + offset, fmt::format("lane {}, {}", index_, what), std::move(found), std::move(expected)});
  }
  void fault(std::uint64_t offset, const std::string& what, std::uint64_t found, std::string expected) {
    fault(offset, what, std::to_string(found), std::move(expected));
  }
  std::uint64_t offset_of(std::uint64_t seq) const noexcept {
    return abi::page_bytes + view_.arena_bytes + (seq & (view_.capacity - 1)) * sizeof(abi::Record);
  }
  void slot_fault(std::uint64_t seq, std::uint64_t found, std::string expected) {
    fault(offset_of(seq) + offsetof(abi::Record, seq), fmt::format("slot {}, seq", seq & (view_.capacity - 1)),
          std::to_string(found), std::move(expected));
  }

  void check_unused() {
    const auto zero = [&](const char* what, const std::uint64_t& word, std::uint64_t offset) {
      // Claims first: a claim may come meanwhile.
      const auto found = words::load(word);
      if (found != 0 && words::load(h_.claims, std::memory_order_acquire) == 0)
        fault(offset, what, found, "0, as nobody ever claimed the lane");
    };
    zero("tail", h_.tail, offsetof(abi::LaneHeader, tail));
    zero("defs_used", h_.defs_used, offsetof(abi::LaneHeader, defs_used));
    zero("controls", h_.controls, offsetof(abi::LaneHeader, controls));
    for (std::size_t r = 0; r < abi::producer_losses; ++r) zero("losses", h_.losses[r], 8 * r);
  }

  void check_losses() {
    for (std::size_t r = 0; r < abi::producer_losses; ++r) {
      const auto count = words::load(h_.losses[r]);
      if (r >= reasons_known ? count != 0 : count > losses_believable)
        fault(
            8 * r, fmt::format("losses of reason {}", r), count,
            r >= reasons_known ? "0, as no producer has this reason" : fmt::format("at most {}", losses_believable));
    }
  }

  /// Whether a record in its own slot has one of those before it, as every producer's has.
  bool has_company(std::uint64_t seq) const {
    constexpr std::uint64_t looked_at = 8;
    const auto first = seq > looked_at ? seq - looked_at : 1;
    for (auto n = first; n < seq; ++n)
      if (const auto there = words::load(view_.slot(n).seq); there >= n && is_in_place(n, there)) return true;
    return seq == 1;
  }
  bool is_in_place(std::uint64_t slot, std::uint64_t seq) const noexcept {
    return seq <= ring::sequence_max && ((seq ^ slot) & (view_.capacity - 1)) == 0;
  }

  /// Each slot's sequence by itself; finds the newest one that can be believed.
  void scan_slots() {
    for (std::uint64_t i = 0; i < view_.capacity; ++i) {
      const auto seq = words::load(view_.records[i].seq, std::memory_order_acquire);  // SYNC record
      if (seq == 0) continue;
      // After the sequence: no producer is further ahead of the tail than the lane is long.
      const auto tail = words::load(h_.tail, std::memory_order_acquire);
      if (!is_in_place(i, seq))
        slot_fault(i, seq,
                   fmt::format("{} more than a multiple of {}, up to {}", i, view_.capacity, ring::sequence_max));
      else if (view_.mode == Mode::drop_newest && tail <= ring::sequence_max && seq > tail + view_.capacity)
        slot_fault(i, seq, fmt::format("at most {}, a lane's length behind the tail", tail + view_.capacity));
      else if (seq > newest_ && !has_company(seq))
        slot_fault(i, seq, "one that has those before it in their slots");
      else
        newest_ = std::max(newest_, seq);
    }
    records_ = std::min(newest_, view_.capacity);
  }

  void check_tail(std::uint64_t tail) {
    if (tail > newest_)
      fault(offsetof(abi::LaneHeader, tail), "tail", tail, fmt::format("at most {}, the newest record", newest_));
  }

  void check_controls(std::uint64_t controls) {
    constexpr auto seq_max = (std::uint64_t{1} << (64 - abi::control_count_bits)) - 1;
    const auto last = controls >> abi::control_count_bits;
    if (newest_ <= seq_max && last > newest_)
      fault(offsetof(abi::LaneHeader, controls), "controls' last", last,
            fmt::format("at most {}, the newest record", newest_));
  }

  /// Every record up to the newest one was published before it: its slot has it, or a later lap's.
  void check_gaps() {
    const auto first = newest_ > view_.capacity ? newest_ - view_.capacity + 1 : 1;
    for (auto n = first; n <= newest_; ++n) {
      const auto seq = words::load(view_.slot(n).seq, std::memory_order_acquire);
      if (seq >= n || (seq != 0 && !is_in_place(n, seq))) continue;  // the latter is told already
      const auto before = words::load(view_.slot(n - 1).seq, std::memory_order_acquire);
      const bool being_written = view_.mode == Mode::overwrite_oldest && seq == 0 && before >= n - 1 + view_.capacity;
      if (!being_written)
        slot_fault(n, seq, fmt::format("{}, as record {} is there", n, newest_));
    }
  }

  void check_arena() {
    const auto used = words::load(h_.defs_used, std::memory_order_acquire);  // SYNC definitions
    is_arena_known_ = used <= view_.arena_bytes && used % 8 == 0;
    if (!is_arena_known_)
      return fault(offsetof(abi::LaneHeader, defs_used), "defs_used", used,
                   fmt::format("a multiple of 8, up to {}", view_.arena_bytes));
    const std::vector<std::byte> bytes(view_.arena, view_.arena + used);
    std::size_t consumed = 0;
    for (std::size_t at = 0; at < used; at += consumed) {
      const auto rest = std::span(bytes).subspan(at);
      try {
        ring::decode(rest, consumed);
      } catch (const ring::Error& e) {
        fault(abi::page_bytes + at, fmt::format("definition {}", definitions_), e.what(),
              "one as encoded by a producer");
        std::uint32_t length = 0;
        if (rest.size() >= sizeof length) std::memcpy(&length, rest.data(), sizeof length);
        const bool leads_on = length >= sizeof(abi::DefinitionHeader) && length % 8 == 0 &&
                              length <= std::min(abi::definition_bytes_max, rest.size());
        if (!leads_on) {
          is_arena_known_ = false;
          return;
        }
        consumed = length;
      }
      ++definitions_;
    }
    if (definitions_ > abi::series_max)
      fault(offsetof(abi::LaneHeader, defs_used), "definitions", definitions_,
            fmt::format("at most {}", abi::series_max));
  }

  std::optional<Fault> fault_of(const ring::RecordCopy& record) {
    const auto make = [&](std::uint64_t at, const char* what, std::string found, std::string expected) {
      return Fault{offset_ + offset_of(record.seq) + at,
                   fmt::format("lane {}, record {}, {}", index_, record.seq, what), std::move(found),
                   std::move(expected)};
    };
    if (record.lost_count() > 0 && static_cast<std::uint32_t>(record.lost_reason()) >= abi::producer_losses)
      return make(20, "lost_before", fmt::format("reason {}", static_cast<std::uint32_t>(record.lost_reason())),
                  "a reason below 8");
    if (record.is_control()) return epoch_fault(record, make);
    if (is_arena_known_ && record.series >= definitions_)
      return make(16, "series", std::to_string(record.series),
                  fmt::format("below {}, the number of definitions", definitions_));
    if (!std::isfinite(record.value)) return make(8, "value", fmt::format("{}", record.value), "a finite number");
    return {};
  }

  /// Of an epoch's parts: the arena's number, which is the header's until all is stored, and counters that only grow.
  std::optional<Fault> epoch_fault(const ring::RecordCopy& record, auto&& make) {
    const auto part = record.series - abi::control_epoch;
    const auto value = std::bit_cast<std::uint64_t>(record.value);
    if (part == 0 && (value & ~abi::epoch_fresh_arena) != arena_epoch_)
      return make(8, "epoch's arena", std::to_string(value & ~abi::epoch_fresh_arena),
                  fmt::format("{}, the lane's arena_epoch", arena_epoch_));
    if (part < 3 || part >= abi::epoch_records) return {};
    const std::uint64_t losses[] = {static_cast<std::uint64_t>(record.time_ns), value};
    for (std::uint32_t i = 0; i < 2; ++i) {
      const auto reason = 2 * part - 6 + i;
      if (const auto counted = words::load(h_.losses[reason]); losses[i] > counted)
        return make(8 * i, "epoch's losses", std::to_string(losses[i]),
                    fmt::format("at most {}, the lane's losses of reason {}", counted, reason));
    }
    return {};
  }

  /// The records that are not stored. Those that are may mean an arena before this one, and are written over at any
  /// moment.
  void check_records() {
    for_each_back(view_, newest_, [&](const ring::RecordCopy& record) {
      auto found = fault_of(record);
      if (record.seq <= words::load(h_.tail, std::memory_order_acquire)) return false;
      if (found) faults_.push_back(*std::move(found));
      return true;
    });
  }

  const ring::LaneView& view_;
  std::uint32_t index_;
  std::uint64_t offset_;
  bool is_used_ = false, is_arena_known_ = true;
  const abi::LaneHeader& h_;
  std::uint64_t arena_epoch_ = 0, newest_ = 0, definitions_ = 0, records_ = 0;
  std::vector<Fault> faults_;
};

}  // namespace

void check_lane(CheckReport& report, const ring::LaneView& view, std::uint32_t index, std::uint64_t offset,
                bool is_live) {
  for (int again = 0;; ++again) {
    const auto epoch = words::load(view.header->arena_epoch);
    LaneCheck lane(view, index, offset);
    lane.run();
    if (!is_live || again == afresh_max || words::load(view.header->arena_epoch) == epoch) return lane.add_to(report);
  }
}

}  // namespace inspect
