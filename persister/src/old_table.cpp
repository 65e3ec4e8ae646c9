#include "old_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "copy.hpp"
#include "ring/error.hpp"
#include "schema.hpp"

namespace ringdown {
namespace {

namespace fs = std::filesystem;
using Type = Statement::Type;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t earliest_s = 946'684'800;  // 2000-01-01
constexpr std::int64_t ahead_s = 60;              // of now, a time stamp may be
constexpr const char* rolled_up = "('1m', '5m', '1h')";

std::string canonical(const std::string& file) {
  std::error_code none;
  const auto path = fs::canonical(file, none);
  if (none)
    throw ring::Error(ring::Failure::bad_argument, "import " + file + ": " + none.message() + "; check the name");
  return path.string();
}

std::uint64_t fnv1a(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return (hash ^ text.size()) * 0x100000001b3;
}

}  // namespace

OldTable::OldTable(const std::string& file) : path_(canonical(file)), database_(path_, Database::Access::read_only) {
  if (application_of(path_) == schema::application_id)
    throw ring::Error(ring::Failure::bad_argument, "import " + path_ +
                                                       ": it is a database of ring-persister already; expected "
                                                       "one with a table metrics in the old shape");
  snapshot_.emplace(database_);
  check_shape();
  last_id_ = database_.query_integer("SELECT max(rowid) FROM metrics");
  if (database_.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'") > 0)
    last_id_ = std::max(last_id_, database_.query_integer("SELECT seq FROM sqlite_sequence WHERE name = 'metrics'"));
}

void OldTable::check_shape() {
  std::set<std::string> columns;
  Statement each(database_, "SELECT name FROM pragma_table_info('metrics')");
  while (each.step()) columns.insert(each.text(0));
  const bool is_table =
      database_.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'metrics' AND type = 'table'") > 0;
  std::string missing;
  for (const auto* name : {"timestamp", "wan_name", "metric_name", "value"})
    if (!columns.contains(name)) missing += std::string(missing.empty() ? "" : ", ") + name;
  if (!is_table || !missing.empty())
    throw ring::Error(
        ring::Failure::bad_argument,
        fmt::format("import {}: {}; expected a table metrics with timestamp, wan_name, metric_name and value", path_,
                    is_table ? "its table metrics lacks " + missing : "there is no table metrics"));
  granularity_ = columns.contains("granularity") ? "granularity" : "'raw'";
  columns_ = std::string("rowid, timestamp, wan_name, metric_name, value, ") +
             (columns.contains("labels") ? "labels, " : "NULL, ") + granularity_;
  // Without it each granularity costs a scan of the whole table.
  Statement index(database_,
                  "SELECT i.name FROM pragma_index_list('metrics') AS i, pragma_index_info(i.name) AS c "
                  "WHERE c.seqno = 0 AND c.name = 'granularity' AND i.partial = 0 LIMIT 1");
  if (!index.step()) return;
  index_ = " INDEXED BY \"";
  for (const char c : index.text(0)) index_.append(c == '"' ? 2 : 1, c);
  index_ += '"';
}

OldTable::Counts OldTable::count(const Limits& after, const Limits& older_than_s) {
  Statement each(
      database_,
      fmt::format(
          "SELECT g, count(*), total(typeof(timestamp) IN ('integer', 'real') AND timestamp < CASE g WHEN '1m' "
          "THEN ?6 WHEN '5m' THEN ?7 WHEN '1h' THEN ?8 ELSE ?5 END) FROM (SELECT rowid AS id, timestamp, {} AS g "
          "FROM metrics) WHERE id <= ?9 AND id > CASE g WHEN '1m' THEN ?2 WHEN '5m' THEN ?3 WHEN '1h' THEN ?4 "
          "ELSE ?1 END GROUP BY g",
          granularity_));
  for (int i = 0; i < static_cast<int>(granularity_count); ++i) {
    each.bind(1 + i, after[static_cast<std::size_t>(i)]);
    each.bind(5 + i, older_than_s[static_cast<std::size_t>(i)]);
  }
  each.bind(9, last_id_);
  Counts out;
  while (each.step()) {
    const auto name = each.type(0) == Type::text ? each.text_view(0) : "";
    const auto known = std::find(granularity_names.begin(), granularity_names.end(), name);
    const auto at =
        known == granularity_names.end() ? 0 : static_cast<std::size_t>(known - granularity_names.begin());
    out.rows[at] += each.integer(1);
    out.older[at] += each.integer(2);
  }
  return out;
}

void OldTable::read(Granularity granularity, std::int64_t after, std::int64_t now_s) {
  now_s_ = now_s;
  is_raw_ = granularity == old_raw;
  if (is_raw_)
    rows_.emplace(database_,
                  fmt::format("SELECT {} FROM metrics WHERE rowid > ? AND rowid <= ? AND ({} IN {}) IS NOT TRUE "
                              "ORDER BY rowid",
                              columns_, granularity_, rolled_up));
  else
    rows_.emplace(database_,
                  fmt::format("SELECT {} FROM metrics{} WHERE rowid > ? AND rowid <= ? AND {} = '{}' ORDER BY rowid",
                              columns_, index_, granularity_, granularity_names[granularity]));
  rows_->bind(1, after).bind(2, last_id_);
}

bool OldTable::next(Row& row) {
  auto& at = *rows_;
  row = {};
  if (!at.step()) {
    at.reset();
    return false;
  }
  row.id = at.integer(0);
  const auto value_type = at.type(4);
  if (is_raw_ && (at.type(6) != Type::text || at.text_view(6) != "raw")) {
    row.doubt = Doubt::granularity;
  } else if (const auto time_ns = read_time_ns(row)) {
    row.time_ns = *time_ns;
    row.value = at.real(4);
    if ((value_type != Type::integer && value_type != Type::real) || !std::isfinite(row.value))
      row.doubt = Doubt::value;
    else if (at.type(2) != Type::text || at.type(3) != Type::text)
      row.doubt = Doubt::name;
    else if (at.type(5) != Type::null && at.type(5) != Type::text)
      row.doubt = Doubt::labels;
  }
  if (row.doubt) return true;
  row.wan = at.text_view(2);
  row.metric = at.text_view(3);
  if (at.type(5) == Type::text) row.labels = at.text_view(5);
  return true;
}

/// Nothing, and why, when it is no time that a row can have.
std::optional<std::int64_t> OldTable::read_time_ns(Row& row) const {
  const auto type = rows_->type(1);
  double fraction = 0;
  std::int64_t s = 0;
  if (type == Type::integer) {
    s = rows_->integer(1);
  } else if (const auto real = rows_->real(1); type == Type::real && std::abs(real) < 1e15) {
    s = static_cast<std::int64_t>(std::floor(real));
    fraction = real - std::floor(real);
    row.is_whole_second = fraction == 0;
  } else {
    row.doubt = Doubt::time;
    return {};
  }
  if (s < earliest_s || s > now_s_ + ahead_s) {
    row.doubt = s < earliest_s ? Doubt::early : Doubt::future;
    return {};
  }
  return s * second_ns + static_cast<std::int64_t>(fraction * second_ns);
}

OldTable::Anchor OldTable::anchor(std::int64_t id) {
  Statement row(database_,
                "SELECT rowid, timestamp, wan_name, metric_name, value FROM metrics WHERE rowid <= ? ORDER BY rowid "
                "DESC LIMIT 1");
  row.bind(1, id);
  if (!row.step()) return {0, 0};
  const auto found = row.integer(0);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (int column = 1; column <= 4; ++column) hash = fnv1a(hash, row.text_view(column));
  return {found, hash};
}

}  // namespace ringdown
