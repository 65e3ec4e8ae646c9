#include "inspect_snapshot.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "inspect_lane.hpp"

namespace inspect {
namespace {

namespace abi = ring::abi;
namespace words = ring::words;

constexpr int tries_max = 100;  // of a lane whose arena is started afresh meanwhile

/// An object like the segment's, with its header and otherwise zeros.
ring::Segment empty_like(const ring::Segment& segment) {
  struct File {
    int descriptor = ::memfd_create("ring-inspect", MFD_CLOEXEC);
    ~File() { ::close(descriptor); }
  } const file;
  const auto bytes = segment.geometry().segment_bytes();
  if (file.descriptor < 0 || ::ftruncate(file.descriptor, static_cast<off_t>(bytes)) != 0 ||
      ::pwrite(file.descriptor, &segment.header(), sizeof(abi::SegmentHeader), 0) != sizeof(abi::SegmentHeader))
    throw ring::system_error("copy ring \"" + segment.ring() + "\" (" + std::to_string(bytes >> 20) + " MiB)", errno);
  return ring::Segment::open_copy("/proc/self/fd/" + std::to_string(file.descriptor), segment.ring());
}

/// Puts the records into `to`'s slots. @return the first that is whole; what is copied before it is not
std::uint64_t copy_records(const ring::LaneView& from, const ring::LaneView& to, bool is_live) {
  const auto last = ring::find_head(from) - 1;
  if (last > ring::sequence_max) return 1;  // not a producer's
  auto first = last + 1;
  ArenaReach reach(from);
  for_each_back(from, last, [&](const ring::RecordCopy& record) {
    if (record.seq != first - 1 || !reach.takes(record)) return false;
    ring::publish(to.slot(record.seq), record.seq, record.time_ns, std::bit_cast<std::uint64_t>(record.value),
                  record.series | std::uint64_t{record.lost_before} << 32);
    first = record.seq;
    return true;
  });
  first = std::clamp(reach.first(), first, last + 1);
  if (is_live && from.mode == abi::Mode::drop_newest) {
    // A stored record's slot may have been written again while it was copied: those up to here, and a few that the
    // producer's stores may be ahead of what we see of it.
    constexpr std::uint64_t ahead = 16;
    words::fence(std::memory_order_acquire);
    const auto tail = words::load(from.header->tail, std::memory_order_acquire);
    const auto head = ring::find_head(from) + ahead;
    if (head > from.capacity) first = std::clamp(std::min(tail, head - from.capacity) + 1, first, last + 1);
  }
  return first;
}

void copy_definitions(const ring::LaneView& from, const ring::LaneView& to) {
  const auto used = words::load(from.header->defs_used, std::memory_order_acquire);  // SYNC definitions
  std::memcpy(to.arena, from.arena, std::min(used, from.arena_bytes));
  words::store(to.header->defs_used, used);
}

void copy_header(const ring::LaneView& from, const ring::LaneView& to) {
  for (std::size_t at = 0; at < sizeof(abi::LaneHeader); at += 8) {
    const auto word = [&](const ring::LaneView& lane) -> std::uint64_t& {
      return *reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(lane.header) + at);
    };
    words::store(word(to), words::load(word(from), std::memory_order_acquire));
  }
}

void clear(const ring::LaneView& lane) {
  std::memset(static_cast<void*>(lane.header), 0, sizeof(abi::LaneHeader));
  std::memset(static_cast<void*>(lane.records), 0, lane.capacity * sizeof(abi::Record));
}

void copy_lane(const ring::LaneView& from, const ring::LaneView& to, bool is_live) {
  for (int tries = 0; tries < tries_max; ++tries) {
    const auto epoch = words::load(from.header->arena_epoch, std::memory_order_acquire);
    const auto claims = words::load(from.header->claims, std::memory_order_acquire);
    if (claims == 0) return;
    copy_header(from, to);  // before the records: losses that these tell of are not counted twice
    const auto first = copy_records(from, to, is_live);
    copy_definitions(from, to);
    words::fence(std::memory_order_acquire);
    if (words::load(from.header->arena_epoch) != epoch || words::load(from.header->claims) != claims) {
      clear(to);
      continue;
    }
    for (auto seq = first; seq-- > 1 && words::load(to.slot(seq).seq) == seq;)  // copied in vain
      words::store(to.slot(seq).seq, 0);
    words::store(to.header->tail, first - 1);
    auto& before = to.slot(first - 1).seq;
    if (words::load(before) == 0) words::store(before, first - 1);  // stored, as a reader expects it
    return;
  }
}

}  // namespace

ring::Segment take_snapshot(const ring::Segment& segment) {
  auto copy = empty_like(segment);
  for (std::uint32_t i = 0; i < segment.geometry().lanes; ++i)
    copy_lane(segment.lane(i), copy.lane(i), !segment.is_copy());
  return copy;
}

}  // namespace inspect
