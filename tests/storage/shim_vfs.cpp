#include "shim_vfs.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace storage {
namespace {

Watcher* watching = nullptr;
std::optional<std::thread::id> watched_thread;  // none: all
thread_local bool refused = false;              // a call, since the last sleep
sqlite3_vfs* below = nullptr;                   // the system's

Watcher* who_watches() {
  return !watched_thread || *watched_thread == std::this_thread::get_id() ? watching : nullptr;
}

/// What SQLite holds of an open file; the system's own follows it in memory.
struct File {
  sqlite3_file base;
  std::string* path;
  bool new_entry;  // its first sync makes the folder's entry last
  sqlite3_file* lower() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(sizeof(File) % alignof(std::int64_t) == 0);  // what SQLite aligns to

File& self(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

/// Asks the watcher, makes the call, tells the watcher.
template <class Make>
int make(const Event& event, Make&& call) {
  auto* const watcher = who_watches();
  const auto verdict = watcher ? watcher->before(event) : Verdict{};
  if (verdict.code != SQLITE_OK) {
    refused = true;
    return verdict.code;
  }
  const int code = call();
  if (code == SQLITE_OK && watcher) watcher->after(event);
  return code;
}

int close_file(sqlite3_file* file) {
  auto& f = self(file);
  const int code = f.lower()->pMethods->xClose(f.lower());
  if (auto* const watcher = who_watches()) watcher->after({.call = Call::close, .path = *f.path});
  delete f.path;
  return code;
}
int read(sqlite3_file* file, void* data, int amount, sqlite3_int64 offset) {
  auto& f = self(file);
  return make({.call = Call::read, .path = *f.path},
              [&] { return f.lower()->pMethods->xRead(f.lower(), data, amount, offset); });
}
int write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
  auto& f = self(file);
  const Event event{.call = Call::write,
                    .path = *f.path,
                    .offset = offset,
                    .bytes = {static_cast<const std::byte*>(data), static_cast<std::size_t>(amount)}};
  const auto lower = [&](std::size_t size) {
    return f.lower()->pMethods->xWrite(f.lower(), data, static_cast<int>(size), offset);
  };
  auto* const watcher = who_watches();
  const auto verdict = watcher ? watcher->before(event) : Verdict{};
  if (verdict.code != SQLITE_OK) {
    if (verdict.bytes_kept > 0) lower(verdict.bytes_kept);
    return verdict.code;
  }
  const int code = lower(event.bytes.size());
  if (code == SQLITE_OK && watcher) watcher->after(event);
  return code;
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  auto& f = self(file);
  return make({.call = Call::truncate, .path = *f.path, .offset = size},
              [&] { return f.lower()->pMethods->xTruncate(f.lower(), size); });
}
int sync(sqlite3_file* file, int) {
  auto& f = self(file);
  return make({.call = Call::sync, .path = *f.path, .syncs_folder = std::exchange(f.new_entry, false)},
              [] { return SQLITE_OK; });
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto& f = self(file);
  return make({.call = Call::size, .path = *f.path},
              [&] { return f.lower()->pMethods->xFileSize(f.lower(), size); });
}
int lock(sqlite3_file* file, int level) {
  auto& f = self(file);
  return make({.call = Call::lock, .path = *f.path},
              [&] { return f.lower()->pMethods->xLock(f.lower(), level); });
}
int unlock(sqlite3_file* file, int level) {
  return self(file).lower()->pMethods->xUnlock(self(file).lower(), level);
}
int check_reserved(sqlite3_file* file, int* result) {
  return self(file).lower()->pMethods->xCheckReservedLock(self(file).lower(), result);
}
int control(sqlite3_file* file, int operation, void* argument) {
  return self(file).lower()->pMethods->xFileControl(self(file).lower(), operation, argument);
}
int sector_size(sqlite3_file* file) { return self(file).lower()->pMethods->xSectorSize(self(file).lower()); }
int characteristics(sqlite3_file* file) {
  return self(file).lower()->pMethods->xDeviceCharacteristics(self(file).lower());
}
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** at) {
  auto& f = self(file);
  return make({.call = Call::shm_map, .path = *f.path},
              [&] { return f.lower()->pMethods->xShmMap(f.lower(), region, size, extend, at); });
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  auto& f = self(file);
  const auto call = [&] { return f.lower()->pMethods->xShmLock(f.lower(), offset, count, flags); };
  if (flags & SQLITE_SHM_UNLOCK) return call();
  return make({.call = Call::shm_lock, .path = *f.path}, call);
}
void shm_barrier(sqlite3_file* file) { self(file).lower()->pMethods->xShmBarrier(self(file).lower()); }
int shm_unmap(sqlite3_file* file, int remove) {
  return self(file).lower()->pMethods->xShmUnmap(self(file).lower(), remove);
}

// Version 2: no memory-mapped reading, so that every read is seen.
constexpr sqlite3_io_methods methods{
    2,         close_file,     read,    write,       truncate,        sync,    file_size, lock,
    unlock,    check_reserved, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
    shm_unmap, nullptr,        nullptr};

int open_file(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* flags_out) {
  auto& f = self(file);
  f.base.pMethods = nullptr;  // not open
  const std::string path = name ? name : "";
  const bool creates = (flags & SQLITE_OPEN_CREATE) && name && ::access(name, F_OK) != 0;
  const int code = make({.call = Call::open, .path = path, .creates = creates},
                        [&] { return below->xOpen(below, name, f.lower(), flags, flags_out); });
  if (code != SQLITE_OK) return code;
  f.path = new std::string(path);
  constexpr int journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
  f.new_entry = creates && (flags & journals);
  f.base.pMethods = &methods;
  return SQLITE_OK;
}
int remove_file(sqlite3_vfs*, const char* name, int sync_folder) {
  const std::string path = name;
  return make({.call = Call::remove, .path = path, .syncs_folder = sync_folder != 0},
              [&] { return below->xDelete(below, name, 0); });
}
int access_file(sqlite3_vfs*, const char* name, int flags, int* result) {
  const std::string path = name;
  return make({.call = Call::access, .path = path},
              [&] { return below->xAccess(below, name, flags, result); });
}
int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  return below->xFullPathname(below, name, size, out);
}
/// A busy handler (whole milliseconds) and retries after a refusal need not wait; those beside another thread
/// do.
int sleep(sqlite3_vfs*, int microseconds) {
  if (!std::exchange(refused, false) && microseconds % 1000 != 0)
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return microseconds;
}

void install() {
  static sqlite3_vfs vfs;
  if (below) return;
  below = sqlite3_vfs_find(nullptr);
  vfs = *below;  // the rest: randomness, time, dynamic libraries
  vfs.zName = "shim";
  vfs.szOsFile = static_cast<int>(sizeof(File)) + below->szOsFile;
  vfs.xOpen = open_file;
  vfs.xDelete = remove_file;
  vfs.xAccess = access_file;
  vfs.xFullPathname = full_path;
  vfs.xSleep = sleep;
  sqlite3_vfs_register(&vfs, 1);
}

}  // namespace

void watch(Watcher* whom, Threads whose) {
  install();
  watching = whom;
  watched_thread.reset();
  if (whose == Threads::this_one) watched_thread = std::this_thread::get_id();
}

}  // namespace storage
