// verify_rows.cpp: checks the rows of the tiers, each for itself and against those of the tier below.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "fold.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"
#include "verify.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

/// As it is in the table, whatever that is.
struct StoredRow {
  std::int64_t bucket_s = 0, series = 0, first_at = 0, last_at = 0;
  Rollup row;
  bool has_increase = false, has_states = false, has_sketch = false;
  std::string unreadable;

  /// Made when the series was rolled up as another kind: the rules have changed since.
  bool is_other_than(ring::Kind kind) const noexcept {
    return (has_increase && kind != ring::Kind::counter) || (has_states && kind != ring::Kind::state) ||
           (has_sketch && kind != ring::Kind::gauge);
  }
};

std::string columns(bool detail) {
  return std::string("bucket, series, count, sum, sum IS NULL, min, max, first, last, first_at, last_at") +
         (detail ? ", increase, increase IS NOT NULL, states, states IS NOT NULL, sketch, sketch IS NOT NULL"
                 : "");
}

StoredRow read_row(Statement& at, bool detail) {
  StoredRow out;
  out.bucket_s = at.integer(0);
  out.series = at.integer(1);
  auto& row = out.row;
  row.count = at.integer(2);
  row.sum = at.integer(4) ? std::numeric_limits<double>::infinity() : at.real(3);
  row.min = at.real(5);
  row.max = at.real(6);
  row.first = at.real(7);
  row.last = at.real(8);
  out.first_at = at.integer(9);
  out.last_at = at.integer(10);
  if (__builtin_mul_overflow(out.bucket_s, second_ns, &row.first_ns)) row.first_ns = 0;
  if (__builtin_add_overflow(row.first_ns, out.last_at, &row.last_ns) ||
      __builtin_add_overflow(row.first_ns, out.first_at, &row.first_ns))
    out.unreadable = "its times are beyond 2^63 ns";
  if (!detail) return out;
  row.increase = at.real(11);
  out.has_increase = at.integer(12) != 0;
  out.has_states = at.integer(14) != 0;
  out.has_sketch = at.integer(16) != 0;
  try {
    if (out.has_states) row.states = parse_states(at.text(13));
    if (out.has_sketch)
      row.sketch = Sketch::decode(at.blob(15));
    else if (row.count > 0)
      row.sketch = Sketch(row.min, static_cast<std::uint64_t>(row.count));
  } catch (const std::runtime_error& e) {
    out.unreadable = e.what();
  }
  return out;
}

bool near(double a, double b) noexcept {
  constexpr double relative = 1e-9;
  if (!std::isfinite(a) || !std::isfinite(b)) return std::isfinite(a) == std::isfinite(b);
  return std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

/// What tells two rows apart, or nothing. @param kind  nothing: only what every kind has is compared
std::string difference(const std::optional<ring::Kind>& kind, const Rollup& found, const Rollup& expected) {
  const auto differ = [](const char* what, auto a, auto b) {
    return fmt::format("{} {}, expected {}", what, a, b);
  };
  if (found.count != expected.count) return differ("count", found.count, expected.count);
  if (!near(found.sum, expected.sum)) return differ("sum", found.sum, expected.sum);
  if (found.min != expected.min) return differ("min", found.min, expected.min);
  if (found.max != expected.max) return differ("max", found.max, expected.max);
  if (found.first != expected.first) return differ("first", found.first, expected.first);
  if (found.last != expected.last) return differ("last", found.last, expected.last);
  if (found.first_ns != expected.first_ns)
    return differ("first_at of time", found.first_ns, expected.first_ns);
  if (found.last_ns != expected.last_ns) return differ("last_at of time", found.last_ns, expected.last_ns);
  if (kind == ring::Kind::counter && !near(found.increase, expected.increase))
    return differ("increase", found.increase, expected.increase);
  if (kind == ring::Kind::state && found.states != expected.states)
    return differ("states", states_text(found.states), states_text(expected.states));
  if (kind == ring::Kind::gauge && found.sketch != expected.sketch)
    return found.sketch.count() != expected.sketch.count()
               ? differ("sketch of", found.sketch.count(), expected.sketch.count())
               : differ("sketch's median", found.sketch.quantile(0.5), expected.sketch.quantile(0.5)) +
                     " (or other bins)";
  return {};
}

class WideCheck {
 public:
  WideCheck(Database& database, const std::string& from, const std::string& to, Verified& out)
      : database_(database),
        out_(out),
        check_(to == "tier_5m" ? out.wide_5m : out.wide_1h),
        from_(from),
        to_(database, to),
        rules_(database),
        progress_(read_progress(database, to)),
        kept_from_s_(std::max(kept_from_s(database, from), kept_from_s(database, to))),
        next_(database, "SELECT min((SELECT bucket FROM " + from +
                            " WHERE bucket >= ?1 ORDER BY bucket LIMIT 1), "
                            "coalesce((SELECT bucket FROM " +
                            to +
                            " WHERE bucket >= ?1 ORDER BY bucket LIMIT 1), ?2)), "
                            "(SELECT bucket FROM " +
                            to + " WHERE bucket >= ?1 ORDER BY bucket LIMIT 1)"),
        parts_(database, "SELECT " + columns(true) + " FROM " + from +
                             " WHERE bucket >= ? AND bucket < ? ORDER BY bucket, series"),
        rows_(database, "SELECT " + columns(true) + " FROM " + to + " WHERE bucket = ? ORDER BY series"),
        dirty_(database, "SELECT 1 FROM dirty WHERE tier = ? AND bucket = ? AND series = ?") {}

  void run(const Told& told) {
    const auto last_s = database_.query_integer("SELECT coalesce(max(bucket), 0) FROM " + from_);
    std::optional<std::int64_t> first_s;
    for (auto bucket = next(kept_from_s_); bucket; bucket = next(*bucket + to_.width_s())) {
      if (!first_s) first_s = *bucket;
      if (*bucket >= kept_from_s_) check_bucket(*bucket);
      told(check_.name, static_cast<double>(*bucket - *first_s) /
                            static_cast<double>(std::max(last_s - *first_s, std::int64_t{1})));
    }
  }

 private:
  struct Whole {
    Rollup row;
    bool plain = false;  // some of it was made as another kind
    bool unreadable = false;
  };

  /// The next bucket that has rows, in either tier.
  std::optional<std::int64_t> next(std::int64_t from_s) {
    constexpr auto none = std::numeric_limits<std::int64_t>::max();
    next_.bind(1, from_s).bind(2, none);
    next_.step();
    const auto either = next_.integer(0), above = next_.integer(1);
    const bool has_below = !next_.text(0).empty(), has_above = !next_.text(1).empty();
    next_.reset();
    if (!has_below && !has_above) return {};
    return bucket_start(has_below ? either : above, to_.width_s());
  }

  void check_bucket(std::int64_t bucket) {
    wholes_.clear();
    parts_.bind(1, bucket).bind(2, bucket + to_.width_s());
    while (parts_.step()) add(read_row(parts_, true));
    parts_.reset();
    rows_.bind(1, bucket);
    while (rows_.step()) check_row(read_row(rows_, true));
    rows_.reset();
    for (const auto& [series, whole] : wholes_)
      if (bucket < frontier_s(series))
        report(bucket, series,
               fmt::format("no row, expected one with count {} by {}", whole.row.count, from_));
  }

  std::int64_t frontier_s(std::int64_t series) const noexcept {
    return series < progress_.series ? progress_.next_frontier_s : progress_.frontier_s;
  }
  bool is_known(std::int64_t series) { return rules_.has(series); }
  ring::Kind kind(std::int64_t series) { return rules_.of(static_cast<std::uint32_t>(series)).aggregation; }

  void add(const StoredRow& part) {
    if (!is_known(part.series)) return;  // told of with the references
    const auto [at, is_first] = wholes_.try_emplace(part.series);
    auto& whole = at->second;
    if (is_first)
      whole.row = part.row;
    else
      append(kind(part.series), whole.row, part.row);
    whole.plain |= part.is_other_than(kind(part.series));
    whole.unreadable |= !part.unreadable.empty();
  }

  void check_row(const StoredRow& found) {
    if (!is_known(found.series)) return;
    ++check_.rows;
    const auto at = wholes_.find(found.series);
    const auto whole = at == wholes_.end() ? std::nullopt : std::optional(std::move(at->second));
    if (whole) wholes_.erase(at);
    if (found.bucket_s >= frontier_s(found.series))
      return out_.frontiers.find(
          place(to_.name(), found.bucket_s, found.series) +
          fmt::format("a row, expected none: the frontier is {}", frontier_s(found.series)));
    if (!whole)
      return report(found.bucket_s, found.series,
                    fmt::format("a row with count {}, expected none: {} has none", found.row.count, from_));
    if (whole->unreadable || !found.unreadable.empty()) {  // told of with the rows
      ++check_.left_out;
      return;
    }
    const bool plain = whole->plain || found.is_other_than(kind(found.series));
    check_.left_out += plain;
    const auto what =
        difference(plain ? std::nullopt : std::optional(kind(found.series)), found.row, whole->row);
    if (!what.empty()) report(found.bucket_s, found.series, what + " by " + from_);
  }

  void report(std::int64_t bucket, std::int64_t series, const std::string& what) {
    dirty_.bind(1, std::string_view(to_.name())).bind(2, bucket).bind(3, series);
    const bool is_marked = dirty_.step();
    dirty_.reset();
    if (is_marked)
      ++check_.left_out;
    else
      check_.find(place(to_.name(), bucket, series) + what);
  }

  Database& database_;
  Verified& out_;
  Verified::Check& check_;
  std::string from_;
  TierTable to_;
  SeriesRules rules_;
  Progress progress_;
  std::int64_t kept_from_s_;
  Statement next_, parts_, rows_, dirty_;
  std::map<std::int64_t, Whole> wholes_;  // by series, of the bucket that is checked
};

/// What is wrong with a row for itself, or nothing.
/// @param in_order  it is made of rows whose samples did not come late, or that were made again since
std::string impossible(const StoredRow& at, ring::Kind kind, std::int64_t width_s, bool in_order) {
  const auto& row = at.row;
  const auto width_ns = width_s * second_ns;
  if (!at.unreadable.empty()) return at.unreadable;
  if (bucket_start(at.bucket_s, width_s) != at.bucket_s)
    return fmt::format("expected a multiple of {}", width_s);
  if (row.count < 0) return fmt::format("count {}, expected 0 or more", row.count);
  if (row.count == 0 && !(row.min == row.max && row.max == row.first && (row.first == row.last || !in_order)))
    return fmt::format("carried with min {}, max {}, first {} and last {}, expected one value", row.min,
                       row.max, row.first, row.last);
  if (!(row.min <= row.max)) return fmt::format("min {}, expected up to max {}", row.min, row.max);
  if (row.first < row.min || row.first > row.max)
    return fmt::format("first {}, expected {} to {}", row.first, row.min, row.max);
  if (in_order && (row.last < row.min || row.last > row.max))
    return fmt::format("last {}, expected {} to {}", row.last, row.min, row.max);
  if (at.first_at < 0 || at.last_at < at.first_at || at.last_at >= width_ns)
    return fmt::format("first_at {} and last_at {}, expected ascending within 0 to {}", at.first_at,
                       at.last_at, width_ns - 1);
  if (in_order && at.has_states && kind == ring::Kind::state) {
    std::int64_t sum = 0;
    for (const auto& state : row.states) sum += state.ns;
    if (sum > width_ns) return fmt::format("states of {} ns, expected up to {}", sum, width_ns);
  }
  if (kind != ring::Kind::gauge || width_s < detail_width_s || at.is_other_than(kind) || row.count == 0)
    return {};
  if (row.sketch.count() != static_cast<std::uint64_t>(row.count))
    return fmt::format("sketch of {}, expected count {}", row.sketch.count(), row.count);
  if (!at.has_sketch && row.min < row.max)
    return fmt::format("no sketch, expected one of {} to {}", row.min, row.max);
  const auto median = row.sketch.quantile(0.5);
  const auto slack = [](double value) {
    return Sketch::relative_error * std::abs(value) + std::numeric_limits<double>::denorm_min();
  };
  if (median < row.min - slack(row.min) || median > row.max + slack(row.max))
    return fmt::format("sketch's median {}, expected {} to {}", median, row.min, row.max);
  return {};
}

}  // namespace

void verify_wide(Database& database, const std::string& from, const std::string& to, Verified& out,
                 const Told& told) {
  WideCheck(database, from, to, out).run(told);
}

void verify_rows(Database& database, const std::string& tier, Verified& out, const Told& told) {
  const TierTable table(database, tier);
  SeriesRules rules(database);
  Statement marked(database, "SELECT max(tier = ? AND bucket = ?) FROM dirty WHERE series = ?");
  Statement exists(database, "SELECT 1 FROM series WHERE id = ?");
  const bool is_wide = table.width_s() > detail_width_s;
  const bool all_redone =
      database.query_integer("SELECT count FROM anomalies WHERE kind = 'not_redone'") == 0;
  const auto first_s = database.query_integer("SELECT min(bucket) FROM " + tier);
  const auto span_s =
      std::max<std::int64_t>(1, database.query_integer("SELECT max(bucket) FROM " + tier) - first_s);

  const auto check = [&](const StoredRow& row) {
    exists.bind(1, row.series);
    const bool is_known = exists.step();
    exists.reset();
    if (!is_known)
      return out.references.find(place(tier, row.bucket_s, row.series) +
                                 "a row, expected none: no such series");
    const auto kind = rules.of(static_cast<std::uint32_t>(row.series)).aggregation;
    const auto what = impossible(row, kind, table.width_s(), true);
    if (what.empty()) return;
    marked.bind(1, std::string_view(tier)).bind(2, row.bucket_s).bind(3, row.series);
    marked.step();
    const bool series_is_marked = !marked.text(0).empty(), row_is_marked = marked.integer(0) != 0;
    marked.reset();
    // What was carried on from a bucket whose samples came late is put right with that one.
    const bool may_be =
        is_wide && (series_is_marked || !all_redone) && impossible(row, kind, table.width_s(), false).empty();
    if (row_is_marked || may_be)
      ++out.rows.left_out;
    else
      out.rows.find(place(tier, row.bucket_s, row.series) + what);
  };

  Statement each(database,
                 "SELECT " + columns(table.has_detail()) + " FROM " + tier + " ORDER BY bucket, series");
  while (each.step()) {
    const auto row = read_row(each, table.has_detail());
    check(row);
    if (++out.rows.rows % 1024 == 0)
      told("rows of " + tier, static_cast<double>(row.bucket_s - first_s) / static_cast<double>(span_s));
  }
}

}  // namespace ringdown
