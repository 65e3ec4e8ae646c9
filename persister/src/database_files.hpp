// database_files.hpp: what happens to a database's files around SQLite: the lock, modes, the file system, and where
// damaged ones go.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ringdown {

/// Keeps a second persister off a database: an OFD lock on the file `<database>.lock`, which names its holder.
class DatabaseLock {
 public:
  /// Throws ring::Error(busy), naming the holder.
  explicit DatabaseLock(const std::string& database);
  ~DatabaseLock();
  DatabaseLock(const DatabaseLock&) = delete;
  DatabaseLock& operator=(const DatabaseLock&) = delete;
  /// Whether the lock file was there before: a ring-persister has used this name.
  bool used_before() const noexcept { return used_before_; }
  /// Takes the lock file away again: the database turned out to be somebody else's.
  void remove() const noexcept;

 private:
  std::string path_;
  int descriptor_;
  bool used_before_;
};

/// Throws ring::Error(bad_argument) unless the database's folder is on a file system of this machine's own, of the kinds
/// that are known to lock, map and sync as SQLite's WAL needs it.
void require_local_file_system(const std::string& database);

/// Makes an empty file that the group may read, if there is none. SQLite gives its WAL the same mode.
void create_file(const std::string& database);

/// Where a file is; "." for one without a folder in its name.
std::string folder_of(const std::string& file);

/// Damaged databases that are kept, newest first: at most this many, and all but the newest at most this large.
inline constexpr std::size_t aside_max = 3;
inline constexpr std::uint64_t aside_bytes_max = std::uint64_t{1} << 30;

/// Renames the database, its -wal and its -shm to `<database>.<why>-<UTC time>`, and deletes the oldest damaged ones beyond
/// the limits. Nobody may have it open. @return the new name
std::string move_aside(const std::string& database, const std::string& why = "damaged");

/// Waits until the disk has the entries of the file's folder as they are now.
void sync_folder_of(const std::string& file);

/// Other processes that read the database in a transaction now, as far as /proc/locks shows them.
std::vector<pid_t> readers(const std::string& database);

}  // namespace ringdown
