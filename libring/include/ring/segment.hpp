// segment.hpp: the shared-memory object of a ring: creating, opening, checking and mapping it.
// The only header that includes Boost.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "ring/abi.hpp"
#include "ring/error.hpp"
#include "ring/lane.hpp"
#include "ring/ownership.hpp"
#include "ring/words.hpp"

namespace ring {

/// What a ring is created with. Whoever comes second adopts what it finds.
struct Geometry {
  std::uint32_t lanes = 64;              // 1 to 1024
  std::uint32_t lane_records = 65536;    // a power of two, 64 to 2^24
  std::uint32_t arena_bytes = 256 << 10;  // a multiple of 4096, up to 64 MiB
  abi::Mode mode = abi::Mode::drop_newest;
  bool operator==(const Geometry&) const = default;

  std::uint64_t lane_bytes() const noexcept {
    return abi::page_bytes + arena_bytes + std::uint64_t{lane_records} * sizeof(abi::Record);
  }
  std::uint64_t segment_bytes() const noexcept { return abi::page_bytes + lanes * lane_bytes(); }
};

struct Generation {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Generation&) const = default;
  std::string hex() const {
    std::string out;
    for (const auto word : {high, low})
      for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
    return out;
  }
};

/// The object's name: ring "plant" is /dev/shm/ringdown-plant. Throws Error(bad_argument).
inline std::string object_name(std::string_view ring) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (ring.empty() || ring.size() > 200 || !std::all_of(ring.begin(), ring.end(), plain))
    throw Error(Failure::bad_argument, "ring name \"" + std::string(ring.substr(0, 80)) +
                                           "\": expected 1 to 200 of the characters a-z A-Z 0-9 _ - .");
  return "ringdown-" + std::string(ring);
}

inline void check(const Geometry& g) {
  const auto refuse = [](const std::string& what, std::uint64_t found, const std::string& expected) {
    throw Error(Failure::bad_argument,
                "ring geometry: " + what + " " + std::to_string(found) + "; expected " + expected);
  };
  if (g.lanes < 1 || g.lanes > 1024) refuse("lanes", g.lanes, "1 to 1024");
  if (g.lane_records < 64 || g.lane_records > 1u << 24 || !std::has_single_bit(g.lane_records))
    refuse("lane_records", g.lane_records, "a power of two, 64 to 16777216");
  if (g.arena_bytes < abi::page_bytes || g.arena_bytes > 64u << 20 || g.arena_bytes % abi::page_bytes)
    refuse("arena_bytes", g.arena_bytes, "a multiple of 4096, up to 67108864");
  if (g.mode > abi::Mode::overwrite_oldest)
    refuse("mode", static_cast<std::uint32_t>(g.mode), "0 drop-newest or 1 overwrite-oldest");
}

/// A mapped ring. Geometry and generation are copied once and checked; nothing is read from the header again.
/// The lane that begins there.
inline LaneView lane_view(std::byte* at, const Geometry& geometry) noexcept {
  LaneView view;
  view.header = reinterpret_cast<abi::LaneHeader*>(at);
  view.arena = at + abi::page_bytes;
  view.records = reinterpret_cast<abi::Record*>(view.arena + geometry.arena_bytes);
  view.arena_bytes = geometry.arena_bytes;
  view.capacity = geometry.lane_records;
  view.mode = geometry.mode;
  return view;
}

class Segment {
 public:
  /// The ring, created with `wanted` if it does not exist. Blocks at most 2 s, on another creator.
  static Segment open_or_create(std::string_view ring, const Geometry& wanted) {
    check(wanted);
    return Segment(ring, &wanted, boost::interprocess::read_write);
  }
  /// The existing ring, for writing. Throws Error(no_ring) if there is none.
  static Segment open(std::string_view ring) { return Segment(ring, nullptr, boost::interprocess::read_write); }
  /// The existing ring, mapped read-only: touches nothing, needs no write permission.
  static Segment inspect(std::string_view ring) {
    return Segment(ring, nullptr, boost::interprocess::read_only);
  }
  /// A copy of a ring's object in a regular file. What is written to it stays in this process; nobody holds locks of it.
  /// @param ring  which one it is of; by default the file's name, without "ringdown-"
  static Segment open_copy(const std::string& path, std::string_view ring = {}) { return Segment(CopyAt{path, ring}); }
  /// Removes the name; processes that have it mapped keep it. @return whether there was one
  static bool remove(std::string_view ring) noexcept {
    return boost::interprocess::shared_memory_object::remove(object_name(ring).c_str());
  }

  const std::string& ring() const noexcept { return ring_; }
  const Geometry& geometry() const noexcept { return geometry_; }
  const Generation& generation() const noexcept { return generation_; }
  std::int64_t created_ns() const noexcept { return created_ns_; }
  bool is_copy() const noexcept { return is_copy_; }
  /// Of a copy that was cut off: its last so many bytes are not in the file, and read as zeros.
  std::uint64_t missing_bytes() const noexcept { return missing_bytes_; }
  abi::SegmentHeader& header() const noexcept { return *reinterpret_cast<abi::SegmentHeader*>(base()); }
  /// The open file description that holds this process' locks; -1 in a forked child, and of a copy.
  int descriptor() const noexcept { return object_.get_mapping_handle().handle; }

  LaneView lane(std::uint32_t index) const noexcept {
    return lane_view(base() + lane_offset(index), geometry_);
  }

  /// Reserves a lane's memory and faults it in, so that a push never waits for a page and a full /dev/shm is
  /// an error here and not a SIGBUS there. Throws Error(no_memory).
  void reserve_lane(std::uint32_t index) const {
    reserve(lane_offset(index), geometry_.lane_bytes(), "reserve lane " + std::to_string(index));
    std::byte* const at = base() + lane_offset(index);
#ifdef MADV_POPULATE_WRITE
    if (::madvise(at, geometry_.lane_bytes(), MADV_POPULATE_WRITE) == 0) return;
#endif
    for (std::uint64_t i = 0; i < geometry_.lane_bytes(); i += abi::page_bytes)  // before Linux 5.14
      std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at + i)).fetch_add(0);
  }

  /// Whether the ring's name still means this object: false once it was deleted or replaced. One system call.
  bool is_current() const noexcept {
    struct stat named{};
    return ::stat(path_.c_str(), &named) == 0 && named.st_ino == inode_ && named.st_dev == device_;
  }

  /// For the child of a fork: gives up the inherited description, which else keeps the parent's locks alive.
  void close_descriptor() noexcept { object_ = boost::interprocess::shared_memory_object(); }

 private:
  std::byte* base() const noexcept { return static_cast<std::byte*>(region_.get_address()); }
  std::uint64_t lane_offset(std::uint32_t index) const noexcept {
    return abi::page_bytes + index * geometry_.lane_bytes();
  }
  std::string what(const std::string& step) const { return step + " of ring \"" + ring_ + "\""; }

  Segment(std::string_view ring, const Geometry* wanted, boost::interprocess::mode_t access)
      : ring_(ring), path_("/dev/shm/" + object_name(ring)) {
    namespace bip = boost::interprocess;
    const auto name = object_name(ring);
    try {
      bip::permissions group_too;
      group_too.set_permissions(0660);
      object_ = wanted ? bip::shared_memory_object(bip::open_or_create, name.c_str(), access, group_too)
                       : bip::shared_memory_object(bip::open_only, name.c_str(), access);
    } catch (const bip::interprocess_exception& e) {
      throw system_error("open ring \"" + ring_ + "\" (/dev/shm/" + name + ")", e.get_native_error());
    }
    if (wanted && !is_complete()) create(*wanted);
    adopt(object_, access);
    lock_apart(name, access);
  }

  struct CopyAt {
    const std::string& path;
    std::string_view ring;
  };
  explicit Segment(CopyAt at) : ring_(at.ring.empty() ? ring_of(at.path) : at.ring), path_(at.path), is_copy_(true) {
    namespace bip = boost::interprocess;
    const auto refuse = [&](const std::string& why) {
      return Error(Failure::no_ring, "open " + path_ + ": " + why + "; expected a copy of /dev/shm/ringdown-NAME");
    };
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0) throw refuse(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) throw refuse("it is no regular file");
    try {
      adopt(bip::file_mapping(path_.c_str(), bip::read_only), bip::copy_on_write);
    } catch (const bip::interprocess_exception& e) {
      throw refuse(std::strerror(e.get_native_error()));
    }
  }

  /// The ring that a copy is of: its file still has the object's name, or else any other.
  static std::string ring_of(const std::string& path) {
    const auto name = path.substr(path.rfind('/') + 1);
    constexpr std::string_view prefix = "ringdown-";
    return name.starts_with(prefix) && name.size() > prefix.size() ? name.substr(prefix.size()) : name;
  }

  /// A mapping keeps its file description, and with it the description's locks, alive in every forked child.
  /// So the locks get a description of their own, which close_descriptor() can give up.
  void lock_apart(const std::string& name, boost::interprocess::mode_t access) {
    struct stat mapped{}, opened{};
    ::fstat(descriptor(), &mapped);
    boost::interprocess::shared_memory_object again;
    try {
      again = {boost::interprocess::open_only, name.c_str(), access};
    } catch (const boost::interprocess::interprocess_exception& e) {
      throw system_error(what("open the locks"), e.get_native_error());
    }
    if (::fstat(again.get_mapping_handle().handle, &opened) != 0 || mapped.st_ino != opened.st_ino)
      throw Error(Failure::busy, what("open") + ": it was replaced at the same moment; try again");
    inode_ = opened.st_ino;
    device_ = opened.st_dev;
    object_.swap(again);
  }

  std::uint64_t object_bytes(int descriptor) const {
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) throw system_error(what("stat the object"), errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  /// Whether somebody has finished creating it. A foreign object counts: adopt() says what is wrong with it.
  bool is_complete() const {
    std::uint64_t magic = 0;
    return ::pread(descriptor(), &magic, sizeof magic, 0) == sizeof magic && magic != 0;
  }

  void reserve(std::uint64_t offset, std::uint64_t bytes, const std::string& step) const {
    int failed = EINTR;
    while (failed == EINTR)
      failed = ::posix_fallocate(descriptor(), static_cast<off_t>(offset), static_cast<off_t>(bytes));
    if (failed) throw system_error(what(step + " (" + std::to_string(bytes >> 10) + " KiB)"), failed);
  }

  /// Lays out the object under the creation lock. A creator that died half-way left magic at zero, so the next
  /// one does it again.
  void create(const Geometry& g) {
    constexpr std::int64_t patience_ns = 2'000'000'000;
    const auto give_up = clock_ns(CLOCK_MONOTONIC) + patience_ns;
    while (!lock::try_acquire(descriptor(), abi::lock_creation)) {
      if (clock_ns(CLOCK_MONOTONIC) > give_up)
        throw Error(Failure::busy, what("create") + ": another process has held its creation lock for 2 s; "
                                                    "end it and try again");
      const timespec pause{0, 1'000'000};
      ::nanosleep(&pause, nullptr);
    }
    struct Unlock {
      int descriptor;
      ~Unlock() { lock::release(descriptor, abi::lock_creation); }
    } unlock{descriptor()};
    if (is_complete()) return;
    if (::ftruncate(descriptor(), static_cast<off_t>(g.segment_bytes())) != 0)
      throw system_error(what("set the size"), errno);
    reserve(0, abi::page_bytes, "reserve the header");
    for (std::uint32_t i = 0; i < g.lanes; ++i)  // every reader looks at every lane's first page
      reserve(abi::page_bytes + i * g.lane_bytes(), abi::page_bytes, "reserve lane headers");
    map(object_, boost::interprocess::read_write, abi::page_bytes);
    auto& h = header();
    Generation id;
    if (::getrandom(&id, sizeof id, 0) != sizeof id) throw system_error(what("draw the generation"), errno);
    words::store(h.version_major, abi::version_major);
    words::store(h.version_minor, abi::version_minor);
    words::store(h.generation[0], id.high);
    words::store(h.generation[1], id.low);
    words::store(h.lanes, g.lanes);
    words::store(h.lane_records, g.lane_records);
    words::store(h.arena_bytes, g.arena_bytes);
    words::store(h.mode, static_cast<std::uint32_t>(g.mode));
    words::store(h.lane_bytes, g.lane_bytes());
    words::store(h.segment_bytes, g.segment_bytes());
    words::store(h.created_ns, clock_ns(CLOCK_REALTIME));
    words::store(h.record_bytes, static_cast<std::uint32_t>(sizeof(abi::Record)));
    words::store(h.checksum, checksum(h));
    words::store(h.magic, abi::magic, std::memory_order_release);  // SYNC header: complete before it is valid
  }

  static std::uint32_t checksum(const abi::SegmentHeader& h) noexcept {
    std::byte copy[offsetof(abi::SegmentHeader, checksum)];
    std::memcpy(copy, &h, sizeof copy);
    return abi::fnv1a(copy + sizeof h.magic, sizeof copy - sizeof h.magic);
  }

  template <class Object>
  void map(const Object& object, boost::interprocess::mode_t access, std::uint64_t bytes) {
    try {
      region_ = boost::interprocess::mapped_region(object, access, 0, bytes);
    } catch (const boost::interprocess::interprocess_exception& e) {
      throw system_error(what("map " + std::to_string(bytes >> 20) + " MiB"), e.get_native_error());
    }
  }

  Error foreign(const std::string& why) const {
    return Error(Failure::foreign,
                 "open ring \"" + ring_ + "\": " + why +
                     (is_copy_ ? "; expected a copy of /dev/shm/ringdown-NAME (ring-inspect " + path_ + " --check)"
                               : "; move " + path_ + " away and start again"));
  }

  /// The pages behind the end of a copy that was cut off: else a touch of them would be SIGBUS.
  void fill_with_zeros(std::uint64_t from) {
    const auto whole_pages = (from + abi::page_bytes - 1) / abi::page_bytes * abi::page_bytes;
    const auto bytes = geometry_.segment_bytes() - whole_pages;
    if (bytes > 0 && ::mmap(base() + whole_pages, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
      throw system_error(what("map what is missing"), errno);
  }

  /// Copies the header, believes nothing in it, and maps what it describes.
  template <class Object>
  void adopt(const Object& object, boost::interprocess::mode_t access) {
    const auto bytes = object_bytes(object.get_mapping_handle().handle);
    if (bytes < abi::page_bytes)
      throw foreign("the object has " + std::to_string(bytes) + " bytes, a ring at least " +
                    std::to_string(abi::page_bytes) + " (its creator may still be at work)");
    map(object, access, abi::page_bytes);
    abi::SegmentHeader h{};
    const auto magic = words::load(header().magic, std::memory_order_acquire);  // SYNC header
    std::memcpy(static_cast<void*>(&h), &header(), offsetof(abi::SegmentHeader, pad));  // what never changes
    if (magic != abi::magic)
      throw foreign(magic ? "it does not begin with RINGDOWN, so it is no ring" : "nobody has finished creating it");
    if (h.version_major != abi::version_major)
      throw Error(Failure::bad_version, "open ring \"" + ring_ + "\": ABI version " +
                                            std::to_string(h.version_major) + ", this program speaks " +
                                            std::to_string(abi::version_major) + "; upgrade the older of the two");
    if (h.checksum != checksum(h)) throw foreign("the header's checksum is wrong");
    geometry_ = {h.lanes, h.lane_records, h.arena_bytes, abi::Mode{h.mode}};
    try {
      check(geometry_);
    } catch (const Error& e) {
      throw foreign(e.what());
    }
    if (h.record_bytes != sizeof(abi::Record) || h.lane_bytes != geometry_.lane_bytes() ||
        h.segment_bytes != geometry_.segment_bytes())
      throw foreign("the header's sizes contradict each other");
    if (bytes < geometry_.segment_bytes() && !is_copy_)
      throw foreign("truncated: " + std::to_string(bytes) + " of " + std::to_string(geometry_.segment_bytes()) +
                    " bytes");
    generation_ = {h.generation[0], h.generation[1]};
    created_ns_ = h.created_ns;
    map(object, access, geometry_.segment_bytes());
    if (bytes >= geometry_.segment_bytes()) return;
    missing_bytes_ = geometry_.segment_bytes() - bytes;
    fill_with_zeros(bytes);
  }

  std::string ring_;
  std::string path_;
  ino_t inode_ = 0;
  dev_t device_ = 0;
  boost::interprocess::shared_memory_object object_;
  boost::interprocess::mapped_region region_;
  Geometry geometry_;
  Generation generation_;
  std::int64_t created_ns_ = 0;
  bool is_copy_ = false;
  std::uint64_t missing_bytes_ = 0;
};

}  // namespace ring
