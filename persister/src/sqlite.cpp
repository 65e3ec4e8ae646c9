#include "sqlite.hpp"

#ifdef RINGDOWN_SQLITE_EXTENSION  // calls go through the pointers that the host gave, wherever its SQLite is
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#include <cstring>
#include <limits>

namespace ringdown {

bool SqliteError::is_busy() const noexcept {
  return (code_ & 0xff) == SQLITE_BUSY || (code_ & 0xff) == SQLITE_LOCKED;
}
bool SqliteError::is_damage() const noexcept {
  return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }

Statement::Statement(Database& database, std::string_view sql) : database_(&database) {
  sqlite3_stmt* raw = nullptr;
  const bool borrowed = !database.schema_.empty();
  const auto text = borrowed ? database.in_schema(sql) : std::string(sql);
  const unsigned flags = SQLITE_PREPARE_PERSISTENT | (borrowed ? SQLITE_PREPARE_NO_VTAB : 0u);
  const int code = sqlite3_prepare_v3(database.handle_.get(), text.data(), static_cast<int>(text.size()), flags, &raw,
                                      nullptr);
  statement_.reset(raw);
  if (code != SQLITE_OK) database.fail(code, "prepare " + std::string(sql));
}

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}
Statement& Statement::bind(int index, double value) {
  sqlite3_bind_double(statement_.get(), index, value);
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.data() ? text.data() : "", text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}
Statement& Statement::bind(int index, std::span<const std::byte> blob) {
  sqlite3_bind_blob64(statement_.get(), index, blob.data() ? static_cast<const void*>(blob.data()) : "",
                      blob.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_.get(), index);
  return *this;
}
Statement& Statement::bind(int index, const sqlite3_value& value) {
  sqlite3_bind_value(statement_.get(), index, &value);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const std::string sql = sqlite3_sql(statement_.get());
  reset();
  database_->fail(code, sql.substr(0, sql.find_first_of("(\n")));
}
void Statement::run() {
  while (step()) {
  }
  reset();
}
void Statement::reset() noexcept { sqlite3_reset(statement_.get()); }

std::int64_t Statement::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_.get(), column);
}
double Statement::real(int column) const noexcept { return sqlite3_column_double(statement_.get(), column); }
bool Statement::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}
std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)))
              : std::string();
}
std::string_view Statement::text_view(int column) const noexcept {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return {data ? data : "", data ? static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)) : 0};
}
Statement::Type Statement::type(int column) const noexcept {
  static_assert(SQLITE_INTEGER == static_cast<int>(Type::integer) && SQLITE_FLOAT == static_cast<int>(Type::real) &&
                SQLITE_TEXT == static_cast<int>(Type::text) && SQLITE_BLOB == static_cast<int>(Type::blob) &&
                SQLITE_NULL == static_cast<int>(Type::null));
  return static_cast<Type>(sqlite3_column_type(statement_.get(), column));
}
std::span<const std::byte> Statement::blob(int column) const noexcept {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}
sqlite3_value* Statement::value(int column) const noexcept { return sqlite3_column_value(statement_.get(), column); }

void Database::Close::operator()(sqlite3* handle) const noexcept {
  if (!borrowed) sqlite3_close_v2(handle);
}

Database::Database(const std::string& path, Access access) : path_(path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | (access == Access::read_only
                                               ? SQLITE_OPEN_READONLY
                                               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (const int error = raw ? sqlite3_system_errno(raw) : 0; code == SQLITE_CANTOPEN && error != 0)
    throw SqliteError(code, "database " + path_ + ": open: " + std::strerror(error) +
                                "; check its name and folder, and who may use them");
  if (code != SQLITE_OK) fail(code, "open");
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 2000);
  // Takes the place of SQLite's own autocheckpoint, which is such a hook as well: PRAGMA wal_autocheckpoint, even
  // with 0, would remove this one.
  sqlite3_wal_hook(
      raw,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

Database::Database(sqlite3* borrowed, const std::string& schema) : handle_(borrowed, Close(true)) {
  const auto* file = sqlite3_db_filename(borrowed, schema.c_str());
  path_ = file && *file ? file : schema;
  schema_ = '"';
  for (const char c : schema) schema_.append(c == '"' ? 2 : 1, c);
  schema_ += "\".";
}

/// Otherwise a temporary table, or one of another database, could stand in for ours. No reader writes JOIN.
std::string Database::in_schema(std::string_view sql) const {
  constexpr std::string_view from = "FROM ";
  std::string out;
  for (;;) {
    const auto at = sql.find(from);
    if (at == sql.npos) return out.append(sql);
    out.append(sql.substr(0, at + from.size()));
    sql.remove_prefix(at + from.size());
    if (!sql.starts_with('(')) out += schema_;
  }
}

void Database::fail(int code, const std::string& step) const {
  std::string text = "database " + path_ + ": " + step + ": " +
                     (handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code));
  if (handle_) code = sqlite3_extended_errcode(handle_.get());
  throw SqliteError(code, text);
}

void Database::fail_damaged(const std::string& what) const {
  throw SqliteError(SQLITE_CORRUPT, "database " + path_ + ": damaged: " + what);
}

void Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql.substr(0, sql.find_first_of("(\n")));
}
Statement& Database::prepared(const std::string& sql) {
  const auto known = prepared_.find(sql);
  return known != prepared_.end() ? known->second : prepared_.emplace(sql, Statement(*this, sql)).first->second;
}
std::int64_t Database::query_integer(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}
std::int64_t Database::pragma(const std::string& name) { return query_integer("PRAGMA " + schema_ + name); }
std::int64_t Database::changes() const noexcept { return sqlite3_changes64(handle_.get()); }
bool Database::in_transaction() const noexcept {
  return !schema_.empty() || !sqlite3_get_autocommit(handle_.get());
}

void Database::cancel_when(const std::atomic<bool>& flag) noexcept {
  constexpr int instructions = 1000;
  sqlite3_progress_handler(
      handle_.get(), instructions,
      [](void* which) { return static_cast<const std::atomic<bool>*>(which)->load() ? 1 : 0; },
      const_cast<std::atomic<bool>*>(&flag));
}

int Database::checkpoint_passive() {
  int in_wal = 0, moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &moved);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) fail(code, "checkpoint");
  if (in_wal == moved) wal_pages_ = 0;  // the next commit starts the WAL again
  return in_wal - moved;
}
bool Database::checkpoint_truncate() {
  const int code =
      sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) fail(code, "checkpoint");
  if (code == SQLITE_OK) wal_pages_ = 0;
  return code == SQLITE_OK;
}

Snapshot::Snapshot(Database& database) : database_(database), begun_(!database.in_transaction()) {
  if (begun_) database_.prepared("BEGIN").run();
}

Snapshot::~Snapshot() {
  if (begun_ && database_.in_transaction()) try {
      database_.prepared("ROLLBACK").run();
    } catch (const SqliteError&) {  // an error has ended it already
    }
}

void PageCopy::Finish::operator()(sqlite3_backup* backup) const noexcept { sqlite3_backup_finish(backup); }

PageCopy::PageCopy(Database& from, Database& to)
    : what_("copy database " + from.path() + " to " + to.path()),
      backup_(sqlite3_backup_init(to.handle_.get(), "main", from.handle_.get(), "main")) {
  if (!backup_) to.fail(sqlite3_errcode(to.handle_.get()), "begin the copy of " + from.path());
}
bool PageCopy::step(int pages) {
  const int code = sqlite3_backup_step(backup_.get(), pages);
  if (code != SQLITE_OK && code != SQLITE_DONE) throw SqliteError(code, what_ + ": " + sqlite3_errstr(code));
  return code == SQLITE_OK;
}
int PageCopy::pages() const noexcept { return sqlite3_backup_pagecount(backup_.get()); }
int PageCopy::left() const noexcept { return sqlite3_backup_remaining(backup_.get()); }

Transaction::Transaction(Database& database) : database_(database) { database_.prepared("BEGIN IMMEDIATE").run(); }
Transaction::~Transaction() {
  if (!database_.in_transaction()) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const SqliteError&) {  // some errors have rolled it back already; there is nothing left to do
  }
}
void Transaction::commit() { database_.prepared("COMMIT").run(); }

}  // namespace ringdown
