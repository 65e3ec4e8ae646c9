#include "selection.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ringdown::extension {
namespace {

constexpr auto ns_min = std::numeric_limits<std::int64_t>::min(), ns_max = std::numeric_limits<std::int64_t>::max();
constexpr long double second_ns = 1e9L;

/// Whole numbers, both ends included.
struct Interval {
  std::int64_t from = ns_min, last = ns_max;
  bool none = false;

  void at_least(std::int64_t value) noexcept { from = std::max(from, value); }
  void at_most(std::int64_t value) noexcept { last = std::min(last, value); }
};

bool is_lower(char operation) noexcept { return operation == '>' || operation == '}'; }
bool is_upper(char operation) noexcept { return operation == '<' || operation == '{'; }

void narrow(Interval& interval, char operation, std::int64_t value) noexcept {
  if ((operation == '>' && value == ns_max) || (operation == '<' && value == ns_min)) {
    interval.none = true;
    return;
  }
  if (!is_upper(operation)) interval.at_least(value + (operation == '>'));
  if (!is_lower(operation)) interval.at_most(value - (operation == '<'));
}

void narrow(Interval& interval, char operation, double value) noexcept {
  if (value >= 0x1p63 || value < -0x1p63) {
    interval.none |= operation == '=' || is_lower(operation) == (value > 0);
  } else if (const auto below = std::floor(value); below == value) {
    narrow(interval, operation, static_cast<std::int64_t>(value));
  } else if (operation == '=') {
    interval.none = true;
  } else {  // both sides of it are whole numbers
    narrow(interval, is_lower(operation) ? '>' : '{', static_cast<std::int64_t>(below));
  }
}

std::int64_t clamped(long double ns) noexcept {
  if (ns >= 0x1p63L) return ns_max;
  return ns < -0x1p63L ? ns_min : static_cast<std::int64_t>(ns);
}

/// Seconds as a double stand for some hundred nanoseconds: all that may be meant are taken, SQLite compares again.
void narrow_seconds(Interval& interval, char operation, double value) noexcept {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto beside = [&](double to) { return std::nextafter(std::nextafter(value, to), to) * second_ns; };
  if (!is_upper(operation)) interval.at_least(clamped(std::floor(beside(-infinity))));
  if (!is_lower(operation)) interval.at_most(clamped(std::ceil(beside(infinity))));
}

std::string sql_operator(char operation) {
  switch (operation) {
    case '{': return "<=";
    case '}': return ">=";
    case '~': return "LIKE";
    case '*': return "GLOB";
    default: return {operation};
  }
}

using Ids = std::vector<std::uint32_t>;

void add_ids(Statement& rows, Ids& out) {
  while (rows.step())
    if (const auto id = rows.integer(0); id >= 0 && id <= std::numeric_limits<std::uint32_t>::max())
      out.push_back(static_cast<std::uint32_t>(id));
  rows.reset();
}

[[noreturn]] void fail(const Shape& shape, const char* parameter, sqlite3_value* value, const char* expected) {
  constexpr std::size_t shown_max = 40;
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  throw SqliteError(SQLITE_ERROR, std::string(shape.name) + ": " + parameter + " is " +
                                      std::string(text ? text : "").substr(0, shown_max) + "; expected " + expected);
}

void make_set(Ids& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace

Chosen::Chosen(const Shape& shape, const char* plan, std::span<sqlite3_value*> values) {
  for (auto* value : values) {
    const auto& column = shape.columns[static_cast<std::size_t>(*plan++ - 'A')];
    const char operation = *plan++;
    if (is_parameter(column.content))
      take_parameter(shape, column.content, value);
    else if (column.content == Content::time_ns || column.content == Content::timestamp)
      take_time(operation, value, column.content);
    else
      operation == 'I' ? take_list(column, value) : take_series(column, operation, value);
  }
}

/// One that is NULL is as if left out.
void Chosen::take_parameter(const Shape& shape, Content content, sqlite3_value* value) {
  const int type = sqlite3_value_numeric_type(value);
  if (content == Content::skip_damaged) {
    skip_damaged_ = sqlite3_value_int64(value) != 0;
  } else if (content == Content::schema) {
    if (const auto* text = sqlite3_value_text(value)) schema_ = reinterpret_cast<const char*>(text);
  } else if (type == SQLITE_NULL) {
    return;
  } else if (content == Content::step_ns) {
    step_ns_ = sqlite3_value_int64(value);
    const bool is_whole = type == SQLITE_INTEGER || sqlite3_value_double(value) == static_cast<double>(step_ns_);
    if (is_whole && step_ns_ >= 0 && type != SQLITE_TEXT && type != SQLITE_BLOB) return;
    fail(shape, "step_ns", value, "nanoseconds, 0 (no steps) or more");
  } else {
    const bool is_from = content == Content::from_ns;
    if (type == SQLITE_TEXT || type == SQLITE_BLOB)
      fail(shape, is_from ? "from_ns" : "to_ns", value, "nanoseconds since 1970");
    take_time(is_from ? '}' : '<', value, Content::time_ns);
  }
}

void Chosen::take_time(char operation, sqlite3_value* value, Content content) {
  Interval interval{from_ns_, last_ns_, none_};
  const int type = sqlite3_value_numeric_type(value);
  if (type == SQLITE_NULL)
    interval.none = true;
  else if (type == SQLITE_TEXT || type == SQLITE_BLOB)  // they come behind all numbers
    interval.none |= !is_upper(operation);
  else if (content == Content::timestamp)
    narrow_seconds(interval, operation, sqlite3_value_double(value));
  else if (type == SQLITE_INTEGER)
    narrow(interval, operation, std::int64_t{sqlite3_value_int64(value)});
  else
    narrow(interval, operation, sqlite3_value_double(value));
  from_ns_ = interval.from;
  last_ns_ = interval.last;
  none_ = interval.none;
}

void Chosen::take_series(const Column& column, char operation, sqlite3_value* value) {
  const int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) none_ = true;
  if (column.content == Content::series_id || type == SQLITE_TEXT)
    conditions_.push_back({column.expression, operation, value});
}

void Chosen::take_list(const Column& column, sqlite3_value* list) {
  List out{column.expression, {}};
  sqlite3_value* value = nullptr;
  int code;
  for (code = sqlite3_vtab_in_first(list, &value); code == SQLITE_OK && value;
       code = sqlite3_vtab_in_next(list, &value)) {
    const int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL) continue;
    if (column.content != Content::series_id && type != SQLITE_TEXT) return;
    out.values.emplace_back(sqlite3_value_dup(value));
    if (!out.values.back()) throw std::bad_alloc();
  }
  if (code != SQLITE_OK && code != SQLITE_DONE) throw SqliteError(code, "IN: its values cannot be read");
  lists_.push_back(std::move(out));
}

/// Series that meet all conditions but lists.
Ids Chosen::meeting_all(Database& database) const {
  std::string sql;
  for (const auto& condition : conditions_)
    sql += std::string(sql.empty() ? "SELECT id FROM series WHERE " : " AND ") + condition.expression + ' ' +
           sql_operator(condition.operation) + " ?";
  Statement rows(database, sql);
  int index = 0;
  for (const auto& condition : conditions_) rows.bind(++index, *condition.value);
  Ids out;
  add_ids(rows, out);
  make_set(out);
  return out;
}

Ids Chosen::listed(Database& database, const List& list) {
  constexpr std::size_t at_once = 64;  // any host lets a statement have so many parameters
  std::string sql = std::string("SELECT id FROM series WHERE ") + list.expression + " IN (?";
  for (std::size_t i = 1; i < at_once; ++i) sql += ",?";
  Statement rows(database, sql + ")");
  Ids out;
  for (std::size_t done = 0; done < list.values.size(); done += at_once) {
    for (std::size_t i = 0; i < at_once; ++i)  // the last one again, where fewer are left
      rows.bind(static_cast<int>(i) + 1, *list.values[std::min(done + i, list.values.size() - 1)]);
    add_ids(rows, out);
  }
  make_set(out);
  return out;
}

std::optional<RawReader::Selection> Chosen::selection(Database& database) const {
  if (none_ || from_ns_ > last_ns_) return {};
  RawReader::Selection out{.from_ns = from_ns_, .to_ns = last_ns_ < ns_max ? last_ns_ + 1 : ns_max};
  if (conditions_.empty() && lists_.empty()) return out;
  std::optional<Ids> ids;
  if (!conditions_.empty()) ids = meeting_all(database);
  for (const auto& list : lists_) {
    auto of_list = listed(database, list);
    if (ids) {
      Ids both;
      std::set_intersection(ids->begin(), ids->end(), of_list.begin(), of_list.end(), std::back_inserter(both));
      of_list = std::move(both);
    }
    ids = std::move(of_list);
  }
  out.series = std::move(*ids);
  if (out.series.empty()) return {};  // to the reader that would mean all of them
  return out;
}

}  // namespace ringdown::extension
