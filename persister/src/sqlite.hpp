// sqlite.hpp: SQLite as C++ values; sqlite.cpp is the only file that calls it, but for the loadable extension, which
// has a host's SQLite to talk to (persister/sqlite) and has sqlite.cpp compiled for that once more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;
struct sqlite3_value;

namespace ringdown {

class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
  int code() const noexcept { return code_; }  // extended result code
  bool is_busy() const noexcept;
  /// The file is no database, or a damaged one.
  bool is_damage() const noexcept;

 private:
  int code_;
};

class Database;

/// A prepared statement. Values handed to bind() must live until the next reset().
class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::span<const std::byte> blob);
  Statement& bind_null(int index);
  /// Copies it.
  Statement& bind(int index, const sqlite3_value& value);
  /// @return true with a row, false at the end
  bool step();
  /// Runs it to the end and makes it ready for the next bind.
  void run();
  void reset() noexcept;

  std::int64_t integer(int column) const noexcept;
  double real(int column) const noexcept;
  bool is_null(int column) const noexcept;
  std::string text(int column) const;
  /// Valid until the next step or reset, or until the column is read as another type.
  std::string_view text_view(int column) const noexcept;
  enum class Type { integer = 1, real, text, blob, null };
  /// What the value is stored as; before it is read as anything else.
  Type type(int column) const noexcept;
  /// Valid until the next step or reset.
  std::span<const std::byte> blob(int column) const noexcept;
  /// As it is, for an extension to SQLite. Valid until the next step or reset.
  sqlite3_value* value(int column) const noexcept;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Access { read_only, read_write_create };
  Database(const std::string& path, Access access);
  /// Somebody else's connection, while a statement of theirs reads: that statement's read transaction is used,
  /// nothing is set, and the connection is not closed. "FROM table" means a table of `schema`: main, or the name
  /// under which a database is attached. Virtual tables are refused, since this may serve one.
  Database(sqlite3* borrowed, const std::string& schema);

  void execute(const std::string& sql);
  /// Prepared once for this connection's life. The caller resets it, and does not use it twice at a time.
  Statement& prepared(const std::string& sql);
  std::int64_t query_integer(const std::string& sql);
  std::int64_t pragma(const std::string& name);
  std::int64_t changes() const noexcept;
  /// Whether all statements until its end see one state of the database. Of a borrowed connection: always.
  bool in_transaction() const noexcept;
  /// Moves what it can of the WAL into the file. @return pages left in the WAL that are not in the file yet
  int checkpoint_passive();
  /// Waits for readers up to the busy timeout and empties the WAL. @return false when one was in the way
  bool checkpoint_truncate();
  /// Pages in the WAL after the last commit.
  int wal_pages() const noexcept { return wal_pages_; }
  /// Statements that are running end with an error once `flag` is true; it must live as long as this.
  void cancel_when(const std::atomic<bool>& flag) noexcept;
  const std::string& path() const noexcept { return path_; }
  /// For what SQLite does not notice: throws a SqliteError that is_damage().
  [[noreturn]] void fail_damaged(const std::string& what) const;

 private:
  friend class Statement;
  friend class PageCopy;
  [[noreturn]] void fail(int code, const std::string& step) const;
  std::string in_schema(std::string_view sql) const;
  struct Close {
    Close() noexcept : borrowed(false) {}
    explicit Close(bool is_borrowed) noexcept : borrowed(is_borrowed) {}
    bool borrowed;
    void operator()(sqlite3* handle) const noexcept;
  };
  std::string path_;
  std::string schema_ = {};  // of a borrowed connection: quoted, with its dot
  int wal_pages_ = 0;
  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, Statement> prepared_;
};

/// One state of the database for all statements of the block, and one lock; none of its own within a transaction. Only for
/// reading.
class Snapshot {
 public:
  explicit Snapshot(Database& database);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Database& database_;
  bool begun_;
};

/// Makes `to`, an empty database that nobody else has open, what `from` is within its Snapshot, page by page. Without one
/// every commit of another connection would begin the copy anew.
class PageCopy {
 public:
  PageCopy(Database& from, Database& to);
  /// Copies so many pages. @return whether there are more
  bool step(int pages);
  /// After a step: all there are, and those not copied yet.
  int pages() const noexcept;
  int left() const noexcept;

 private:
  struct Finish {
    void operator()(sqlite3_backup* backup) const noexcept;
  };
  std::string what_;
  std::unique_ptr<sqlite3_backup, Finish> backup_;
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back unless commit() was reached.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
};

}  // namespace ringdown
