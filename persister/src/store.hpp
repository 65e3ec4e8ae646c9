// store.hpp: the database as the persister writes it: one connection, one transaction a batch.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batch.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// Keeps a second persister off a database: an OFD lock on the file `<database>.lock`, which names its holder.
class DatabaseLock {
 public:
  /// Throws ring::Error(busy), naming the holder.
  explicit DatabaseLock(const std::string& database);
  ~DatabaseLock();
  DatabaseLock(const DatabaseLock&) = delete;
  DatabaseLock& operator=(const DatabaseLock&) = delete;

 private:
  int descriptor_;
};

class Store {
 public:
  /// Opens or creates the database. Throws SqliteError, or ring::Error with a remedy.
  explicit Store(const std::string& path);

  /// Stores a batch, whole or not at all. Throws SqliteError; the batch may then be committed again.
  void commit(const Batch& batch);

  /// The id of a ring's generation; makes a row if it is new.
  std::int64_t ring_id(const std::string& name, const std::string& generation, std::int64_t created_ns);
  std::map<std::uint32_t, CursorRow> cursors(std::int64_t ring);
  std::vector<SeriesRow> series();
  std::int64_t last_producer();

  Database& database() noexcept { return database_; }
  /// Whether the database's name and its WAL's are still those of the files that are open here. A commit into a
  /// file that was deleted or replaced would be gone with it.
  bool is_current() const noexcept { return files() == files_; }

 private:
  using Files = std::array<std::pair<dev_t, ino_t>, 2>;  // the database and its WAL
  Files files() const noexcept;

  DatabaseLock lock_;
  Database database_;
  Files files_;
  struct Statements {
    explicit Statements(Database& database);
    Statement series, producer, loss, batch, cursor;
  };
  std::optional<Statements> statements_;
  std::vector<std::byte> blob_;
};

std::string labels_json(const ring::Labels& labels);
const char* kind_name(ring::Kind kind);
const char* loss_name(ring::abi::Loss reason);

/// The definitions in a database, by any connection to it.
std::vector<SeriesRow> read_series(Database& database);

}  // namespace ringdown
