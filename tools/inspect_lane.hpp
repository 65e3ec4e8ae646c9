// inspect_lane.hpp: what a lane tells to one who only looks at it: its header, and a walk back through its records.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ring/definition.hpp"
#include "ring/epoch.hpp"
#include "ring/lane.hpp"
#include "ring/segment.hpp"

namespace inspect {

struct LaneReport {
  std::uint32_t index = 0;
  std::optional<bool> alive;  // not known of a copy
  ring::Holder owner;
  std::uint64_t claims = 0, written = 0, stored = 0;
  std::map<std::string, std::uint64_t> lost;
  double rate_hz = 0;
  std::vector<ring::Definition> series;
  std::vector<std::optional<double>> last;  // newest value, by series
  std::vector<ring::Epoch> epochs;          // claims whose records are still there, newest first
  std::string trouble;                      // why the series could not be read

  std::uint64_t waiting() const { return written - std::min(written, stored); }
};

struct RecordReport {
  std::uint32_t lane = 0;
  ring::RecordCopy record;
};

/// The oldest record that may be whole when `newest` is the newest. Drop-newest: the slot of the one that comes next
/// may be half written, and what it held was stored.
inline std::uint64_t oldest_record(const ring::LaneView& lane, std::uint64_t newest) {
  if (newest < lane.capacity) return 1;
  const auto oldest = newest - lane.capacity + 1;
  const bool is_free = lane.mode == ring::abi::Mode::drop_newest && oldest <= ring::words::load(lane.header->tail);
  return oldest + is_free;
}

/// The lane's records up to `newest`, newest first, until `visit` returns false or they have been overwritten.
template <class Visit>
void for_each_back(const ring::LaneView& lane, std::uint64_t newest, Visit&& visit) {
  const auto oldest = oldest_record(lane, newest);
  ring::RecordCopy record;
  for (auto seq = newest; seq >= oldest; --seq)
    if (ring::read(lane, seq, record) == ring::Read::record && !visit(record)) return;
}

/// Going back through a lane's records: which of them mean the definitions that are in its arena.
class ArenaReach {
 public:
  explicit ArenaReach(const ring::LaneView& lane) : arena_epoch_(ring::words::load(lane.header->arena_epoch)) {}
  /// Takes the next older record. @return false when neither it nor any before it means them
  bool takes(const ring::RecordCopy& record) {
    if (ended_) return false;
    if (record.series != ring::abi::control_epoch) return true;
    const auto word = std::bit_cast<std::uint64_t>(record.value);
    const bool is_ours = (word & ~ring::abi::epoch_fresh_arena) == arena_epoch_;
    if (is_ours) confirmed_ = record.seq;
    ended_ = !is_ours || (word & ring::abi::epoch_fresh_arena);
    return is_ours;
  }
  /// The first record that means them, of those taken: a claimer that was killed between starting the arena afresh
  /// and saying so is only noticed at the epoch before it.
  std::uint64_t first() const noexcept { return ended_ ? confirmed_ : 0; }

 private:
  std::uint64_t arena_epoch_;
  std::uint64_t confirmed_ = ~std::uint64_t{0};
  bool ended_ = false;
};

/// What is there of one lane; claims is 0 when nobody has used it.
LaneReport report(const ring::Segment& segment, std::uint32_t index);
/// Of every lane that was ever used.
std::vector<LaneReport> report_lanes(const ring::Segment& segment);

/// The newest `count` samples of all lanes, oldest first.
std::vector<RecordReport> last_records(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                                       std::size_t count);

}  // namespace inspect
