// claim.hpp: taking a lane of a ring, and its definition arena.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ring/abi.hpp"
#include "ring/definition.hpp"
#include "ring/epoch.hpp"
#include "ring/lane.hpp"
#include "ring/ownership.hpp"
#include "ring/segment.hpp"

namespace ring {

/// A lane held by this process' lock, ready for a Writer.
struct Claim {
  std::uint32_t lane = 0;
  std::uint64_t next = 1;               // first sequence of the new owner
  Epoch epoch;                          // what the new owner announces
  DefinitionNumbers ids;                // of the arena as found
  std::uint32_t next_id = 0;            // of the arena's next definition
};

namespace detail {

/// The arena's definitions; throws Error(foreign) if it cannot be believed.
inline std::vector<Definition> read_arena(const LaneView& lane) {
  const auto used = words::load(lane.header->defs_used, std::memory_order_acquire);  // SYNC definitions
  if (used > lane.arena_bytes)
    throw Error(Failure::foreign, "arena: " + std::to_string(used) + " of " + std::to_string(lane.arena_bytes) +
                                      " bytes used");
  const std::vector<std::byte> bytes(lane.arena, lane.arena + used);
  std::vector<Definition> all;
  for (std::size_t at = 0, consumed = 0; at < used; at += consumed)
    all.push_back(decode(std::span(bytes).subspan(at), consumed));
  return all;
}

/// How willingly a free lane is taken; a lower rank first.
inline int rank(const LaneView& lane, const Holder& me) {
  if (words::load(lane.header->claims) == 0) return 2;
  const auto tail = words::load(lane.header->tail);
  const auto waits = [&](std::uint64_t seq) { return words::load(lane.slot(seq).seq) == seq; };
  if (waits(tail + lane.capacity / 2)) return 4;  // the dead owner's records leave little room
  if (read_identity(lane.header->owner).name_bytes == me.name_bytes) return 0;  // our definitions are there
  return waits(tail + 1) ? 3 : 1;
}

/// Makes a locked lane ours; nothing if what it holds cannot be believed.
inline std::optional<Claim> take(const Segment& segment, std::uint32_t index, const Holder& me) {
  const auto lane = segment.lane(index);
  auto& header = *lane.header;
  segment.reserve_lane(index);
  const auto tail = words::load(header.tail, std::memory_order_acquire);  // SYNC tail
  if (tail > sequence_max) return {};
  Claim claim;
  claim.lane = index;
  claim.next = find_head(lane);
  if (claim.next > sequence_max) return {};

  const auto last = claim.next - 1;
  RecordCopy newest;
  const auto controls = words::load(header.controls);
  if (last > 0 && read(lane, last, newest) == Read::record && newest.is_control() &&
      abi::is_uncounted(controls, last))  // its owner was killed before it could count it
    words::store(header.controls, abi::count_control(controls, last), std::memory_order_release);

  const auto used = words::load(header.defs_used);
  const bool same_name = read_identity(header.owner).name_bytes == me.name_bytes;
  const bool stored = claim.next == tail + 1;
  // Once all is stored nobody reads the old definitions any more: another owner starts the arena afresh.
  if (used > 0 && stored && (!same_name || used > lane.arena_bytes / 4 * 3)) {
    // The number first: whoever finds the arena empty and writes to it does so under the new number.
    words::store(header.arena_epoch, words::load(header.arena_epoch) + 1);
    words::store(header.defs_used, 0, std::memory_order_release);
    claim.epoch.fresh_arena = true;
  }
  try {
    for (auto& definition : read_arena(lane)) claim.ids.try_emplace(std::move(definition), claim.next_id++);
  } catch (const Error&) {
    return {};
  }
  claim.epoch.holder = me;
  claim.epoch.arena_epoch = words::load(header.arena_epoch);
  write_identity(header.owner, me);
  words::store(header.claims, words::load(header.claims) + 1, std::memory_order_release);
  return claim;
}

}  // namespace detail

/// Claims a lane for `me`. Throws Error(no_free_lane) or Error(no_memory).
inline Claim claim_lane(const Segment& segment, const Holder& me) {
  const auto lanes = segment.geometry().lanes;
  std::vector<std::pair<int, std::uint32_t>> order;
  for (std::uint32_t i = 0; i < lanes; ++i)
    if (!lock::is_held(segment.descriptor(), i)) order.emplace_back(detail::rank(segment.lane(i), me), i);
  std::sort(order.begin(), order.end());
  std::size_t damaged = 0;
  for (const auto& [rank, index] : order) {
    if (!lock::try_acquire(segment.descriptor(), index)) continue;
    try {
      if (auto claim = detail::take(segment, index, me)) return *std::move(claim);
    } catch (...) {
      lock::release(segment.descriptor(), index);
      throw;
    }
    lock::release(segment.descriptor(), index);
    ++damaged;
  }
  throw Error(Failure::no_free_lane,
              "claim a lane of ring \"" + segment.ring() + "\": " + std::to_string(lanes - damaged) + " of " +
                  std::to_string(lanes) + " lanes are taken" +
                  (damaged ? " and " + std::to_string(damaged) + " are damaged" : "") +
                  "; see ring-inspect " + segment.ring() + ", end a producer or create the ring with more lanes");
}

/// Appends a definition to an owned lane's arena. @return false when it does not fit
inline bool append_definition(const LaneView& lane, const Definition& definition) {
  const auto bytes = encode(definition);
  const auto used = words::load(lane.header->defs_used);
  if (used + bytes.size() > lane.arena_bytes) return false;
  std::memcpy(lane.arena + used, bytes.data(), bytes.size());
  // SYNC definitions: the definition's bytes are there before the length that admits them.
  words::store(lane.header->defs_used, used + bytes.size(), std::memory_order_release);
  return true;
}

}  // namespace ring
