// abi.hpp: every byte of a ring's shared-memory object, as libring/ABI.md describes them.
// Only fixed-width words live here: no lock, pointer, bool or string. All integers are little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ring::abi {

static_assert(std::endian::native == std::endian::little, "the segment is little-endian");

inline constexpr std::uint64_t magic = 0x4e574f44474e4952;  // the bytes "RINGDOWN"
inline constexpr std::uint32_t version_major = 1;            // another major: do not touch the object
inline constexpr std::uint32_t version_minor = 0;            // a higher minor only adds
inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t isolation_bytes = 128;  // words with different writers never share this much

/// What a full lane does; fixed when the ring is created.
enum class Mode : std::uint32_t { drop_newest = 0, overwrite_oldest = 1 };

/// Why a sample was lost. The first eight are counted by the producer, in LaneHeader::losses and in the
/// reason bits of Record::lost_before; the others are found by the reader.
enum class Loss : std::uint32_t {
  lane_full = 0,       // the reader is behind by a whole lane
  non_finite = 1,      // NaN or infinity
  unknown_series = 2,  // a handle that define() did not give
  reentrant = 3,       // pushed from a signal handler that interrupted a push
  detached = 4,        // no lane: an inert producer, or a forked child before its own claim
  overwritten = 8,     // overwrite_oldest: the reader came too late
  corrupt = 9,         // a record that cannot be believed
  skipped = 10,        // released to another database before this one could read it
  series_limit = 11,   // of a series beyond those that the persister takes
};
inline constexpr std::size_t producer_losses = 8;

/// Who holds a lane or the reader's place. `version` is odd while the words below it change.
struct Identity {
  std::uint64_t version;
  std::uint32_t pid;           // in the holder's own PID namespace
  std::uint32_t reserved;
  std::uint64_t pid_namespace;  // inode of /proc/self/ns/pid, 0 if unknown
  std::int64_t process_start_ns;  // CLOCK_REALTIME
  std::int64_t since_ns;          // CLOCK_REALTIME of the claim
  std::uint64_t name[2];          // 16 bytes, NUL padded: the producer's name, by default its command name
  std::uint64_t spare;
};
static_assert(sizeof(Identity) == 64);

/// Page 0 of the object. `magic` is stored last, with release; the words up to `checksum` never change.
struct SegmentHeader {
  std::uint64_t magic;
  std::uint32_t version_major;
  std::uint32_t version_minor;
  std::uint64_t generation[2];  // random: a ring created again is another ring
  std::uint32_t lanes;
  std::uint32_t lane_records;  // a power of two
  std::uint32_t arena_bytes;   // a multiple of page_bytes
  std::uint32_t mode;          // Mode
  std::uint64_t lane_bytes;    // distance between lanes
  std::uint64_t segment_bytes;
  std::int64_t created_ns;
  std::uint32_t record_bytes;
  std::uint32_t checksum;  // FNV-1a of the bytes before it
  std::byte pad[isolation_bytes - 80];
  Identity reader;  // the persister, for as long as it holds lock_reader
};
static_assert(offsetof(SegmentHeader, generation) == 16);
static_assert(offsetof(SegmentHeader, lanes) == 32);
static_assert(offsetof(SegmentHeader, lane_bytes) == 48);
static_assert(offsetof(SegmentHeader, created_ns) == 64);
static_assert(offsetof(SegmentHeader, checksum) == 76);
static_assert(offsetof(SegmentHeader, reader) == isolation_bytes);
static_assert(sizeof(SegmentHeader) <= page_bytes);

/// The first page of a lane. An all-zero page is a lane that nobody has used.
struct LaneHeader {
  std::uint64_t losses[producer_losses];  // ever counted in this lane, by reason; written by the producer
  std::byte pad0[isolation_bytes - 8 * producer_losses];
  std::uint64_t tail;  // the last sequence that is stored and may be overwritten; written by the reader
  std::byte pad1[isolation_bytes - 8];
  Identity owner;            // written at claim
  std::uint64_t claims;      // how many claims this lane has seen
  std::uint64_t arena_epoch;  // how often the arena was started afresh
  std::uint64_t defs_used;    // bytes of the arena that hold definitions; published with release
  std::uint64_t controls;     // control records ever published, and the last one's seq: count_control
  std::byte pad2[isolation_bytes - 96];
};
static_assert(offsetof(LaneHeader, tail) == 128);
static_assert(offsetof(LaneHeader, owner) == 256);
static_assert(offsetof(LaneHeader, claims) == 320);
static_assert(offsetof(LaneHeader, arena_epoch) == 328);
static_assert(offsetof(LaneHeader, defs_used) == 336);
static_assert(offsetof(LaneHeader, controls) == 344);
static_assert(sizeof(LaneHeader) == 384);

/// One slot. Slot i of a lane holds the records whose `seq % lane_records == i`; sequences start at 1 and
/// never restart. A slot holds record n exactly when its `seq` is n.
struct alignas(32) Record {
  std::int64_t time_ns;
  std::uint64_t value;   // the bits of a double
  std::uint64_t series;  // low half: series (index in the lane's arena) or Control; high half: lost_before
  std::uint64_t seq;     // stored last, with release
};
static_assert(sizeof(Record) == 32 && offsetof(Record, seq) == 24);

/// lost_before: reason in the top 4 bits, count below. More losses than one record can tell, or of another
/// reason, go on in the next record.
inline constexpr unsigned lost_reason_shift = 28;
inline constexpr std::uint32_t lost_count_max = (1u << lost_reason_shift) - 1;

/// `series` values from here on are control records, which carry no sample.
inline constexpr std::uint32_t control_first = 0xffff0000;
/// A claim writes control_epoch + 0 ... + 6, in this order, before any sample of the new owner (epoch.hpp).
inline constexpr std::uint32_t control_epoch = control_first;
inline constexpr std::uint32_t epoch_records = 7;
/// LaneHeader::controls after control record `seq`, from its value before: the number of control records in the
/// low 24 bits, the low 40 bits of the last one's sequence above. One word, so that all can tell whether its
/// writer was killed between publishing a control record and counting it. Both parts wrap around.
inline constexpr unsigned control_count_bits = 24;
constexpr std::uint64_t count_control(std::uint64_t controls, std::uint64_t seq) noexcept {
  constexpr auto count_max = (std::uint64_t{1} << control_count_bits) - 1;
  return ((controls + 1) & count_max) | seq << control_count_bits;
}
/// Whether control record `seq` comes behind the last one that `controls` counts.
constexpr bool is_uncounted(std::uint64_t controls, std::uint64_t seq) noexcept {
  const auto last = controls >> control_count_bits << control_count_bits;
  return static_cast<std::int64_t>((seq << control_count_bits) - last) > 0;
}
/// In part 0's arena epoch: this claim started the arena afresh, so older records mean other definitions.
inline constexpr std::uint64_t epoch_fresh_arena = std::uint64_t{1} << 63;
/// Most series that one producer may define, and most that one arena may hold.
inline constexpr std::uint32_t series_max = 65535;

/// A definition in a lane's arena; the strings follow it, each as u16 length and bytes.
struct DefinitionHeader {
  std::uint32_t bytes;     // of the whole definition, a multiple of 8
  std::uint32_t checksum;  // FNV-1a of the bytes after this field
  std::uint16_t kind;      // Kind
  std::uint16_t labels;
  std::uint16_t states;
  std::uint16_t reserved;
};
static_assert(sizeof(DefinitionHeader) == 16);
inline constexpr std::size_t definition_bytes_max = 8192;

/// Bytes of the object that are locked (F_OFD_SETLK, F_WRLCK) to hold something. Lane i is byte i.
inline constexpr std::int64_t lock_creation = 0x4000'0000'0000'0000;
inline constexpr std::int64_t lock_reader = lock_creation + 1;

constexpr std::uint32_t fnv1a(const std::byte* data, std::size_t size) noexcept {
  std::uint32_t hash = 2166136261u;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ std::to_integer<std::uint32_t>(data[i])) * 16777619u;
  return hash;
}

}  // namespace ring::abi
