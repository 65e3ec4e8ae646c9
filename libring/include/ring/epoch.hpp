// epoch.hpp: the seven control records with which a new owner of a lane announces itself in the stream.
//   part  time_ns            value (as bits)
//   0     claim time         arena epoch; the top bit is set when this claim started the arena afresh
//   1     process start      pid | PID namespace << 32
//   2     name, bytes 0-7    name, bytes 8-15
//   3-6   losses[0, 2, 4, 6]  losses[1, 3, 5, 7]     the lane's counters at the claim
// A killed claimer leaves a part of them; the next one writes all seven again.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "ring/abi.hpp"
#include "ring/lane.hpp"
#include "ring/ownership.hpp"

namespace ring {

struct Epoch {
  Holder holder;
  std::uint64_t arena_epoch = 0;
  bool fresh_arena = false;
  std::array<std::uint64_t, abi::producer_losses> losses{};
  std::uint64_t seq = 0;  // of its first record
};

/// One part's two payload words.
struct EpochPart {
  std::int64_t time_ns;
  std::uint64_t value;
};

inline EpochPart epoch_part(const Epoch& e, std::uint32_t part) noexcept {
  std::uint64_t name[2];
  std::memcpy(name, e.holder.name_bytes.data(), sizeof name);
  switch (part) {
    case 0: return {e.holder.since_ns, e.arena_epoch | (e.fresh_arena ? abi::epoch_fresh_arena : 0)};
    case 1: return {e.holder.process_start_ns, e.holder.pid | e.holder.pid_namespace << 32};
    case 2: return {static_cast<std::int64_t>(name[0]), name[1]};
    default:
      return {static_cast<std::int64_t>(e.losses[(2 * part - 6) % abi::producer_losses]),
              e.losses[(2 * part - 5) % abi::producer_losses]};
  }
}

/// Puts the parts together again.
class EpochReader {
 public:
  /// Takes one control record. @return true when it completes an epoch, which is then epoch()
  bool take(const RecordCopy& record) noexcept {
    const auto part = record.series - abi::control_epoch;
    const bool follows = part == parts_ && record.seq == epoch_.seq + part;  // else some are missing between
    if (part >= abi::epoch_records || (part != 0 && !follows)) {
      parts_ = 0;
      return false;
    }
    if (part == 0) epoch_ = {}, epoch_.seq = record.seq;
    const auto time = static_cast<std::uint64_t>(record.time_ns);
    const auto value = std::bit_cast<std::uint64_t>(record.value);
    auto& holder = epoch_.holder;
    switch (part) {
      case 0:
        holder.since_ns = record.time_ns;
        epoch_.arena_epoch = value & ~abi::epoch_fresh_arena;
        epoch_.fresh_arena = (value & abi::epoch_fresh_arena) != 0;
        break;
      case 1:
        holder.process_start_ns = record.time_ns;
        holder.pid = static_cast<std::uint32_t>(value);
        holder.pid_namespace = value >> 32;
        break;
      case 2:
        std::memcpy(holder.name_bytes.data(), &time, 8);
        std::memcpy(holder.name_bytes.data() + 8, &value, 8);
        clean_name(holder);
        break;
      default:
        epoch_.losses[2 * part - 6] = time;
        epoch_.losses[2 * part - 5] = value;
    }
    parts_ = (part + 1) % abi::epoch_records;
    return parts_ == 0;
  }
  const Epoch& epoch() const noexcept { return epoch_; }

 private:
  Epoch epoch_;
  std::uint32_t parts_ = 0;
};

}  // namespace ring
