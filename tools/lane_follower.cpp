#include "lane_follower.hpp"

#include <algorithm>
#include <cmath>

namespace inspect {

namespace abi = ring::abi;
namespace words = ring::words;

LaneFollower::LaneFollower(const ring::LaneView& lane, std::uint64_t next)
    : lane_(lane), next_(next), arena_epoch_(words::load(lane.header->arena_epoch)) {
  read_definitions();
}

std::span<const ring::RecordCopy> LaneFollower::next_batch() {
  was_late_ = false;
  std::size_t count = 0;
  const auto first = next_;
  auto found = ring::Read::record;
  while (count < batch_max && (found = ring::read(lane_, first + count, batch_[count])) == ring::Read::record)
    ++count;
  const auto gone = batch_[0].seq;  // of overwritten ones: up to here
  words::fence(std::memory_order_acquire);
  const auto tail = words::load(lane_.header->tail, std::memory_order_acquire);
  if (lane_.mode == abi::Mode::overwrite_oldest) {
    // Half a lap is far enough from the writer.
    if (count == 0 && found == ring::Read::overwritten) go_to(std::max(gone + lane_.capacity / 2, tail + 1));
  } else if (first <= tail && (count == 0 ? words::load(lane_.slot(first).seq) != first : is_near(first))) {
    go_to(tail + 1);  // what is not stored yet is not written over
  }
  if (was_late_) return {};
  next_ += count;
  return {batch_.data(), count};
}

/// Whether the writer may have begun to write over record `seq`: a drop-newest producer does not mark a slot before.
/// Its stores may be a few records ahead of those that we see.
bool LaneFollower::is_near(std::uint64_t seq) const noexcept {
  constexpr std::uint64_t ahead = 16;
  const auto close = seq + lane_.capacity - ahead;
  return words::load(lane_.slot(close).seq) >= close;
}

void LaneFollower::go_to(std::uint64_t seq) noexcept {
  if (seq <= next_ || seq > ring::sequence_max) return;
  missed_ += seq - next_;
  next_ = seq;
  was_late_ = true;
  enter_arena(words::load(lane_.header->arena_epoch));  // the epoch that tells of it may be among them
}

bool LaneFollower::has_definition(const ring::RecordCopy& record) {
  if (record.series == abi::control_epoch)
    enter_arena(std::bit_cast<std::uint64_t>(record.value) & ~abi::epoch_fresh_arena);
  if (record.is_control()) return false;
  if (record.series >= series_.size()) read_definitions();
  return record.series < series_.size() && std::isfinite(record.value);
}

void LaneFollower::enter_arena(std::uint64_t epoch) {
  if (epoch == arena_epoch_) return;
  arena_epoch_ = epoch;
  arena_read_ = 0;
  series_.clear();
  ++arenas_;
}

void LaneFollower::read_definitions() {
  const auto used = words::load(lane_.header->defs_used, std::memory_order_acquire);  // SYNC definitions
  if (used > lane_.arena_bytes || used <= arena_read_ || words::load(lane_.header->arena_epoch) != arena_epoch_)
    return;
  const std::vector<std::byte> bytes(lane_.arena + arena_read_, lane_.arena + used);
  std::size_t at = 0, consumed = 0;
  try {
    for (; at < bytes.size(); at += consumed) series_.push_back(ring::decode(std::span(bytes).subspan(at), consumed));
  } catch (const ring::Error&) {  // nothing behind it can be believed
    at = bytes.size();
  }
  arena_read_ += at;
}

}  // namespace inspect
