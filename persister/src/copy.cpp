#include "copy.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ring/error.hpp"
#include "schema.hpp"

namespace ringdown {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int slices_unsynced = 32;

double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

/// SQLite has it beside the file itself, also when the name is a link.
std::uint64_t wal_bytes(const std::string& database) {
  std::error_code none;
  const auto bytes = fs::file_size(fs::canonical(database, none).string() + "-wal", none);
  return none ? 0 : bytes;
}

class PageLoop {
 public:
  PageLoop(const std::string& from, const PartialFile& to, const CopyOptions& options, const Told& told)
      : from_(from), to_(to), options_(options), told_(told), began_(Clock::now()), wal_before_(wal_bytes(from)) {}

  void run(PageCopy& copy, std::uint64_t page_bytes, Copied& out) {
    for (int slices = 1; copy.step(options_.slice_pages); ++slices) {
      const auto pages = copy.pages(), done = pages - copy.left();
      told_("copy", static_cast<double>(done) / pages);
      watch_wal(static_cast<double>(done) / pages, out);
      if (slices % slices_unsynced == 0) to_.begin_sync();
      pace(static_cast<std::uint64_t>(done) * page_bytes);
    }
    out.bytes = static_cast<std::uint64_t>(copy.pages()) * page_bytes;
    out.copy_s = seconds_since(began_);
  }

 private:
  void watch_wal(double part, Copied& out) const {
    const auto now = wal_bytes(from_);
    out.wal_bytes = std::max(out.wal_bytes, now - std::min(now, wal_before_));
    if (out.wal_bytes <= options_.wal_bytes_max) return;
    throw ring::Error(
        ring::Failure::busy,
        fmt::format("copy database {} to {}: given up at {:.0f} % after {:.1f} s: its WAL, which cannot be emptied meanwhile, "
                    "has grown by {} KiB, expected {} at most (--wal-mib). Copy to a faster disk and from there on, or "
                    "when less is written",
                    from_, to_.path(), part * 100, seconds_since(began_), out.wal_bytes >> 10,
                    options_.wal_bytes_max >> 10));
  }

  void pace(std::uint64_t bytes) const {
    if (options_.bytes_per_second == 0) return;
    const auto due_s = static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second);
    std::this_thread::sleep_until(began_ +
                                  std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due_s)));
  }

  const std::string& from_;
  const PartialFile& to_;
  const CopyOptions& options_;
  const Told& told_;
  Clock::time_point began_;
  std::uint64_t wal_before_;
};

void copy_pages(const std::string& from, const PartialFile& to, const CopyOptions& options, const Told& told,
                Copied& out) {
  Database source(from, Database::Access::read_only);
  Database target(to.path(), Database::Access::read_write_create);
  // The file counts once it is whole and synced under its own name.
  target.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  const Snapshot snapshot(source);
  require_ours(source, Older::taken);
  out.committed_ns = source.query_integer(
      "SELECT max(through_ns, coalesce((SELECT committed_ns FROM batches ORDER BY id DESC LIMIT 1), 0)) FROM durability");
  const auto page_bytes = static_cast<std::uint64_t>(source.pragma("page_size"));
  to.require_room(static_cast<std::uint64_t>(source.pragma("page_count")) * page_bytes);
  PageCopy copy(source, target);
  PageLoop(from, to, options, told).run(copy, page_bytes, out);
}

/// A database that needs no other file beside it, and whose readers leave none.
void leave_wal_mode(const PartialFile& to) {
  Database target(to.path(), Database::Access::read_write_create);
  target.execute("PRAGMA locking_mode = EXCLUSIVE");  // no shared memory, which a network's file system may not have
  target.execute("PRAGMA journal_mode = DELETE");
}

void check(const PartialFile& to, const CopyOptions& options, const Told& told, Copied& out) {
  const auto began = Clock::now();
  Database copy(to.path(), Database::Access::read_only);
  require_ours(copy, Older::taken);
  told("quick_check", 0);
  Statement quick(copy, "PRAGMA quick_check(1)");
  if (const auto found = quick.step() ? quick.text(0) : "nothing"; found != "ok")
    copy.fail_damaged("quick_check found: " + found + "; expected ok. See to the disk (dmesg), and check the source");
  quick.reset();
  out.is_verified = options.verify && copy.pragma("user_version") == schema::version;
  if (out.is_verified) out.verified = verify(copy, told);
  out.check_s = seconds_since(began);
}

}  // namespace

Copied copy_database(const std::string& from, const PartialFile& to, const CopyOptions& options, const Told& told) {
  Copied out;
  copy_pages(from, to, options, told, out);
  leave_wal_mode(to);
  to.sync();
  check(to, options, told, out);
  return out;
}

bool is_sound(const Copied& copied, const std::string& from) {
  const auto findings = copied.verified.findings();
  if (findings == 0) return true;
  fmt::print(stderr, "{}{}: the copy of it has {} findings, expected none; it is not used. See whether the database has them "
                     "(ring-persister verify --db {}); --no-verify takes it as it is\n",
             verified_text(copied.verified), from, findings, from);
  return false;
}

std::string copied_text(const Copied& copied) {
  auto text = fmt::format("{} MiB copied in {:.1f} s (WAL {} MiB longer), {} in {:.1f} s", copied.bytes >> 20, copied.copy_s,
                          copied.wal_bytes >> 20, copied.is_verified ? "verified" : "quick_check ok", copied.check_s);
  if (copied.committed_ns > 0)
    text += fmt::format(", commits up to {:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(copied.committed_ns / 1'000'000'000));
  return text;
}

std::int64_t application_of(const std::string& file) {
  // https://www.sqlite.org/fileformat2.html: "SQLite format 3\0" at 0, the application id at 68, big-endian
  unsigned char header[72] = {};
  std::ifstream in(file, std::ios::binary);
  if (!fs::is_regular_file(file) || !in)
    throw ring::Error(ring::Failure::bad_argument, file + ": it cannot be read, or is no regular file; check the name");
  in.read(reinterpret_cast<char*>(header), sizeof header);
  if (in.gcount() == 0) return 0;
  if (in.gcount() < static_cast<std::streamsize>(sizeof header) || std::memcmp(header, "SQLite format 3", 16) != 0) return -1;
  std::int64_t id = 0;
  for (std::size_t i = 68; i < 72; ++i) id = id << 8 | header[i];
  return id;
}

}  // namespace ringdown
