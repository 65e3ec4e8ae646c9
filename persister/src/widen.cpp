#include "widen.hpp"

#include <algorithm>

namespace ringdown {

Widen::Widen(Database& database, SeriesRules& rules, const std::string& from, const std::string& to)
    : database_(database),
      from_(database, from),
      to_(database, to),
      rules_(rules),
      first_bucket_(database, "SELECT bucket FROM " + from + " WHERE bucket >= ? ORDER BY bucket LIMIT 1"),
      first_series_(database, "SELECT series FROM " + from + " WHERE bucket = ? AND series >= ? ORDER BY series LIMIT 1"),
      dirty_(database, "INSERT OR IGNORE INTO dirty (tier, bucket, series, and_next) VALUES ('tier_1h', ?, ?, 0)") {}

bool Widen::run(bool everything, Budget& budget) {
  progress_ = read_progress(database_, name());
  if (progress_.next_frontier_s == progress_.frontier_s && !next_bucket(everything)) return false;
  Transaction transaction(database_);
  const auto bucket_s = progress_.next_frontier_s - to_.width_s();
  for (;;) {
    if (budget.spent()) break;
    const auto series = next_series(progress_.series);
    if (!series) {
      progress_.frontier_s = progress_.next_frontier_s;
      progress_.series = 0;
      break;
    }
    make(bucket_s, *series);
    progress_.series = std::int64_t{*series} + 1;
  }
  write_progress(database_, name(), progress_);
  transaction.commit();
  return true;
}

/// Finds the next bucket that has rows below and is over.
bool Widen::next_bucket(bool everything) {
  first_bucket_.bind(1, progress_.frontier_s);
  const bool found = first_bucket_.step();
  const auto first_s = found ? first_bucket_.integer(0) : 0;
  first_bucket_.reset();
  if (!found) return false;
  if (first_s < progress_.frontier_s) database_.fail_damaged(from_.name() + ": bucket " + std::to_string(first_s) + " out of order");
  const auto bucket_s = bucket_start(first_s, to_.width_s());
  const auto below_s = read_progress(database_, from_.name()).frontier_s;
  if (everything ? first_s >= below_s : bucket_s + to_.width_s() > below_s) return false;
  progress_.frontier_s = std::max(progress_.frontier_s, bucket_s);
  progress_.next_frontier_s = bucket_s + to_.width_s();
  progress_.series = 0;
  return progress_.next_frontier_s > progress_.frontier_s;
}

std::optional<std::uint32_t> Widen::next_series(std::int64_t from_series) {
  std::optional<std::int64_t> least;
  const auto end_s = progress_.next_frontier_s;
  for (auto bucket_s = end_s - to_.width_s(); bucket_s < end_s; bucket_s += from_.width_s()) {
    first_series_.bind(1, bucket_s).bind(2, from_series);
    if (first_series_.step() && (!least || first_series_.integer(0) < *least)) least = first_series_.integer(0);
    first_series_.reset();
    if (least == from_series) break;
  }
  if (!least) return {};
  if (*least < from_series || !rules_.has(*least))
    database_.fail_damaged(from_.name() + ": series " + std::to_string(*least) + ", which is not there");
  return static_cast<std::uint32_t>(*least);
}

void Widen::make(std::int64_t bucket_s, std::uint32_t series) {
  const auto& rule = rules_.of(series);
  std::optional<Rollup> whole;
  for (auto part_s = bucket_s; part_s < bucket_s + to_.width_s(); part_s += from_.width_s()) {
    const auto part = from_.find(part_s, series);
    if (part && whole)
      append(rule.aggregation, *whole, *part);
    else if (part)
      whole = *part;
  }
  if (whole)
    to_.replace(bucket_s, series, rule.aggregation, *whole, rule.interval_ns);
  else
    to_.erase(bucket_s, series);
  if (to_.name() != "tier_5m") return;
  const auto above = read_progress(database_, "tier_1h");
  if (bucket_s < above.frontier_s || (bucket_s < above.next_frontier_s && series < above.series))
    dirty_.bind(1, bucket_start(bucket_s, 3600)).bind(2, std::int64_t{series}).run();
}

}  // namespace ringdown
