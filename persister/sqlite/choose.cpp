#include <algorithm>
#include <string_view>

#include "selection.hpp"

namespace ringdown::extension {
namespace {

/// How a plan writes an operator; 0: not one that is taken.
char letter(unsigned char operation) noexcept {
  switch (operation) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return '=';
    case SQLITE_INDEX_CONSTRAINT_LT: return '<';
    case SQLITE_INDEX_CONSTRAINT_LE: return '{';
    case SQLITE_INDEX_CONSTRAINT_GT: return '>';
    case SQLITE_INDEX_CONSTRAINT_GE: return '}';
    case SQLITE_INDEX_CONSTRAINT_LIKE: return '~';
    case SQLITE_INDEX_CONSTRAINT_GLOB: return '*';
    default: return 0;
  }
}

bool is_order(char operation) noexcept { return std::string_view("<{>}").find(operation) != std::string_view::npos; }
bool is_pattern(char operation) noexcept { return operation == '~' || operation == '*'; }

bool takes(Content content, char operation, std::string_view collation) noexcept {
  switch (content) {
    case Content::time_ns:
    case Content::timestamp:
    case Content::series_id: return operation == '=' || is_order(operation);
    case Content::of_series: return is_pattern(operation) || (operation == '=' && collation == "BINARY");
    default: return is_parameter(content) && operation == '=';
  }
}

/// By how much a condition may cut the rows that are read.
double factor(Content content, char operation, bool is_list) noexcept {
  const bool is_time = content == Content::time_ns || content == Content::timestamp;
  if (is_parameter(content)) return content == Content::from_ns || content == Content::to_ns ? 10 : 1;
  if (is_order(operation)) return is_time ? 10 : 4;
  if (is_pattern(operation)) return 4;
  if (is_time) return 1e5;
  return (content == Content::series_id ? 50 : 20) / (is_list ? 5.0 : 1.0);
}

/// Rows come by time_ns, and under the same one by series.
bool is_in_order(const Shape& shape, const sqlite3_index_info& info, bool one_series) noexcept {
  bool by_time_ns = false, by_series = one_series;  // so that rows which are left together have one time, one series
  for (int i = 0; i < info.nOrderBy; ++i) {
    const auto& term = info.aOrderBy[i];
    if (term.iColumn < 0) return false;
    const auto content = shape.columns[static_cast<std::size_t>(term.iColumn)].content;
    const bool is_time = content == Content::time_ns || content == Content::timestamp;
    const bool is_series = content == Content::series_id || content == Content::of_series;
    if ((is_time && by_time_ns) || (is_series && by_series)) continue;
    if (term.desc || content == Content::of_series || !(is_time || (is_series && by_time_ns))) return false;
    by_time_ns |= content == Content::time_ns;
    by_series |= is_series;
  }
  return info.nOrderBy > 0;
}

/// Of a condition with such a one the table of series tells everything: it has no other affinity.
bool is_text_literal(sqlite3_index_info& info, int i) noexcept {
  sqlite3_value* value = nullptr;
  return sqlite3_vtab_rhs_value(&info, i, &value) == SQLITE_OK && sqlite3_value_type(value) == SQLITE_TEXT;
}

}  // namespace

int choose_conditions(const Shape& shape, sqlite3_index_info& info) {
  constexpr double all_rows = 1e7, rows_of_start = 2000;  // what finding the first sample costs
  std::string plan;
  double rows = all_rows;
  bool one_series = false;
  int values = 0;
  for (int i = 0; i < info.nConstraint; ++i) {
    const auto& constraint = info.aConstraint[i];
    const auto operation = letter(constraint.op);
    if (constraint.iColumn < 0 || operation == 0) continue;
    const auto content = shape.columns[static_cast<std::size_t>(constraint.iColumn)].content;
    if (!takes(content, operation, sqlite3_vtab_collation(&info, i))) continue;
    if (!constraint.usable) {
      if (is_parameter(content)) return SQLITE_CONSTRAINT;
      continue;
    }
    const bool is_series = content == Content::series_id || content == Content::of_series;
    const bool is_list = is_series && operation == '=' && sqlite3_vtab_in(&info, i, 1);
    plan += static_cast<char>('A' + constraint.iColumn);
    plan += is_list ? 'I' : operation;
    auto& usage = info.aConstraintUsage[i];
    usage.argvIndex = ++values;
    usage.omit = is_parameter(content) || content == Content::time_ns || content == Content::series_id ||
                 (operation == '=' && !is_list && content != Content::timestamp && is_text_literal(info, i));
    one_series |= content == Content::series_id && operation == '=' && !is_list;
    rows /= factor(content, operation, is_list);
  }
  info.idxStr = sqlite3_mprintf("%s", plan.c_str());
  if (!info.idxStr) return SQLITE_NOMEM;
  info.needToFreeIdxStr = 1;
  info.estimatedRows = static_cast<sqlite3_int64>(std::max(rows, 1.0));
  info.estimatedCost = rows_of_start + rows;
  info.orderByConsumed = is_in_order(shape, info, one_series);
  return SQLITE_OK;
}

}  // namespace ringdown::extension
