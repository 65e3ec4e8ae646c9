// shim_vfs.hpp: a layer between SQLite and the system's files, in which a test sees every call and may refuse
// it.
//
// It is the default VFS from the first watch() on, for every connection of the process. Nothing is really
// synced: what a sync is worth is the watcher's to say. A busy handler's sleep returns at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace storage {

enum class Call { open, close, read, write, sync, truncate, size, lock, shm_map, shm_lock, remove, access };
inline constexpr std::array call_names{"open", "close", "read",    "write",    "sync",   "truncate",
                                       "size", "lock",  "shm_map", "shm_lock", "remove", "access"};

struct Event {
  Call call;
  const std::string& path;                // empty: a temporary file
  std::int64_t offset = 0;                // of a write; the new size of a truncate
  std::span<const std::byte> bytes = {};  // of a write
  bool creates = false;                   // an open that makes the file
  bool syncs_folder = false;              // a removal that lasts; a sync of a new journal or WAL
};

struct Verdict {
  int code = 0;                // SQLITE_OK: the call is made. Else it is not, and this is its result
  std::size_t bytes_kept = 0;  // of a refused write
};

class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual Verdict before(const Event& event) = 0;
  /// The call was made and succeeded.
  virtual void after(const Event&) {}
};

/// Whom to ask from now on about this thread's calls, or about all; nobody with null. Not thread-safe.
enum class Threads { this_one, all };
void watch(Watcher* watcher, Threads whose = Threads::this_one);

}  // namespace storage
