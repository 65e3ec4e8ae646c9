#include "at_work.hpp"

#include <sqlite3.h>

#include <string_view>

namespace storage {
namespace {

struct {
  sqlite3* writer = nullptr;
  Job job = Job::none;
} now;

/// What only one job says first in its transaction.
constexpr std::pair<std::string_view, Job> tells[] = {
    {"INSERT INTO batches", Job::commit},
    {"INSERT OR IGNORE INTO tier_1s", Job::fold_1s},
    {"SELECT done, replay, target, series, frontier, next_frontier, expired FROM progress WHERE job = 'tier_1m'",
     Job::fold_1m},
    {"SELECT expired FROM progress WHERE job = 'batches'", Job::redo_1m},
    {"SELECT bucket, series FROM dirty", Job::redo_wide},
    {"REPLACE INTO tier_5m", Job::widen_5m},
    {"REPLACE INTO tier_1h", Job::widen_1h},
    {"SELECT id FROM chunks WHERE id >= ? AND id < ?", Job::merge},
    {"INSERT INTO columns", Job::seal},
    {"INSERT INTO windows", Job::seal},
    {"UPDATE sealed", Job::seal},
    {"SELECT id FROM batches WHERE id > ? AND id <= ? AND id NOT IN", Job::sweep},
    {"DELETE FROM windows", Job::delete_raw},
    {"DELETE FROM batches", Job::delete_raw},
    {"DELETE FROM tier_", Job::delete_rows},
    {"PRAGMA incremental_vacuum", Job::vacuum},
};

int happens(unsigned event, void* connection, void* statement, void*) {
  if (event == SQLITE_TRACE_CLOSE) {  // there, the connection is the third
    if (now.writer == statement) now = {};
    return 0;
  }
  const std::string_view sql = sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
  if (sql.starts_with("BEGIN")) now = {static_cast<sqlite3*>(connection)};
  if (now.job != Job::none || !now.writer || sqlite3_get_autocommit(now.writer)) return 0;
  for (const auto& [begins, job] : tells)
    if (sql.starts_with(begins)) now.job = job;
  return 0;
}

int connection_opens(sqlite3* connection, char**, const sqlite3_api_routines*) {
  now = {};
  return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT | SQLITE_TRACE_CLOSE, happens, connection);
}

}  // namespace

void watch_jobs() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(connection_opens)); }

Job at_work(const Event& event) {
  if (now.writer && !sqlite3_get_autocommit(now.writer)) return now.job;
  const bool to_the_file = event.call == Call::write || event.call == Call::sync;
  return to_the_file && event.path.ends_with(".db") ? Job::checkpoint : Job::none;
}

}  // namespace storage
