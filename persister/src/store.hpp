// store.hpp: the database as the persister writes it: one connection, one transaction a batch.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batch.hpp"
#include "database_files.hpp"
#include "rules.hpp"
#include "sqlite.hpp"

namespace ringdown {

enum class Durability {
  normal,  // a commit survives a crash of the persister at once, a power cut after a while
  full,    // it survives a power cut as well: a sync of the WAL a commit
};

std::int64_t realtime_ns();

struct StoreOptions {
  Durability durability = Durability::normal;
  std::chrono::milliseconds durable_within{10'000};  // with `normal`: a commit survives a power cut after this long
  bool any_file_system = false;
  Rules rules = {};                                  // say how each series is rolled up: see the series table
  bool keep_policies = false;                        // of the series that are there, whatever the rules say
  std::int64_t (*wall_ns)() = &realtime_ns;          // what time it is, ns since the epoch: for tests
};

class Store {
 public:
  using Clock = std::chrono::steady_clock;

  /// Opens or creates the database. One that is damaged is moved aside, and a new one created: see moved_aside().
  /// Throws SqliteError, or ring::Error with a remedy.
  explicit Store(const std::string& path, const StoreOptions& options = {});

  /// Stores a batch, whole or not at all. Throws SqliteError; the batch may then be committed again.
  void commit(const Batch& batch, Clock::time_point now = Clock::now()) { commit(batch, now, options_.wall_ns()); }
  /// The same, as if it had been committed at `wall_ns`: what is told of the past. Not before the commits that are there.
  void commit(const Batch& batch, Clock::time_point now, std::int64_t wall_ns);

  /// Syncs the WAL if that is due and no commit has done so. For between commits. Throws SqliteError.
  void sync_if_due(Clock::time_point now);
  /// Every batch with a committed_ns up to this survives a power cut. ns since the epoch, 0: none.
  std::int64_t durable_through_ns();
  /// The last thing at a stop: syncs, and notes that nothing is under way.
  void stop();
  /// Whether the one before ended without stop(): killed, or the power was cut.
  bool was_unclean() const noexcept { return was_unclean_; }
  /// Where a damaged database went that was found at the opening, and what was wrong with it; empty if it was sound.
  const std::string& moved_aside() const noexcept { return moved_aside_; }

  /// The id of a ring's generation; makes a row if it is new.
  std::int64_t ring_id(const std::string& name, const std::string& generation, std::int64_t created_ns);
  std::map<std::uint32_t, CursorRow> cursors(std::int64_t ring);
  std::vector<SeriesRow> series();
  std::int64_t last_producer();
  /// The wall clock was set, by so much. Throws SqliteError.
  void note_clock_step(std::int64_t step_ns);

  Database& database() noexcept { return *database_; }
  /// Whether the database's name and its WAL's are still those of the files that are open here. A commit into a
  /// file that was deleted or replaced would be gone with it.
  bool is_current() const noexcept { return files() == files_; }

 private:
  using Files = std::array<std::pair<dev_t, ino_t>, 2>;  // the database and its WAL
  Files files() const noexcept;

  void open(const std::string& path);
  void migrate(std::int64_t version);
  void apply_rules();
  bool sync_due(Clock::time_point now) const noexcept;
  void note_durable(bool clean);

  StoreOptions options_;
  DatabaseLock lock_;
  std::optional<Database> database_;
  Files files_;
  struct Statements {
    explicit Statements(Database& database);
    Statement series, producer, loss, batch, cursor, durable;
  };
  std::optional<Statements> statements_;
  std::vector<std::byte> blob_;
  std::int64_t last_batch_ = 0;                        // its id; never used again, also once it is deleted
  std::int64_t last_commit_ns_ = 0;                    // committed_ns of the newest batch
  std::optional<Clock::time_point> unsynced_since_;    // when the oldest commit was made that is not synced
  bool was_unclean_ = false;
  std::string moved_aside_;
};

std::string labels_json(const ring::Labels& labels);
const char* kind_name(ring::Kind kind);
const char* loss_name(ring::abi::Loss reason);

/// The definitions in a database from this id on, by any connection to it.
std::vector<SeriesRow> read_series(Database& database, std::int64_t from_id = std::numeric_limits<std::int64_t>::min());

}  // namespace ringdown
