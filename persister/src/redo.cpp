#include "redo.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "ring/ownership.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr int series_max = 64;                     // of a minute at a time

}  // namespace

Redo::Redo(Database& database, SeriesRules& rules, Fold& fold, Widen& to_5m, Widen& to_1h)
    : database_(database),
      fold_(fold),
      to_5m_(to_5m),
      to_1h_(to_1h),
      tier_(database, "tier_1m"),
      rules_(rules),
      oldest_(database, "SELECT bucket, series FROM dirty WHERE tier = ? AND bucket < ? ORDER BY bucket, series LIMIT 1"),
      series_of_(database, "SELECT series, and_next FROM dirty WHERE tier = 'tier_1m' AND bucket = ? ORDER BY series LIMIT ?"),
      unmark_(database, "DELETE FROM dirty WHERE tier = ? AND bucket = ? AND series = ?"),
      mark_(database, "INSERT OR IGNORE INTO dirty (tier, bucket, series, and_next) VALUES (?, ?, ?, 0)"),
      latest_(database, "SELECT time_ns, value FROM latest WHERE series = ?"),
      latest_row_(database, "REPLACE INTO latest (series, time_ns, value) VALUES (?, ?, ?)"),
      last_of_(database, "SELECT last_at, last FROM tier_1m WHERE bucket = ? AND series = ? AND count > 0"),
      anomaly_(database, "INSERT INTO anomalies (kind, count, last_ns) VALUES (?, ?, ?) "
                         "ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ns = excluded.last_ns") {}

bool Redo::run(Budget& budget) {
  try {
    return redo_minute(budget) || redo_wide("tier_5m", to_5m_, 300, budget) ||
           redo_wide("tier_1h", to_1h_, 3600, budget);
  } catch (...) {
    minute_s_.reset();
    throw;
  }
}

bool Redo::redo_minute(Budget& budget) {
  if (fold_.is_writing()) return false;
  if (minute_s_ && done_ != fold_.done()) minute_s_.reset();  // it may have other samples by now
  if (!minute_s_ && !choose_minute()) return false;
  while (!budget.spent()) {
    const auto samples = reader_->next();
    if (samples.empty()) {
      write_minute();
      break;
    }
    for (const auto& sample : samples) points_[sample.series].push_back({sample.time_ns, sample.value});
  }
  return true;
}

bool Redo::choose_minute() {
  oldest_.bind(1, std::string_view("tier_1m")).bind(2, fold_.frontier_s());
  const bool found = oldest_.step();
  const auto bucket_s = oldest_.integer(0);
  oldest_.reset();
  if (!found) return false;
  points_.clear();
  and_next_.clear();
  series_of_.bind(1, bucket_s).bind(2, std::int64_t{series_max});
  while (series_of_.step()) {
    const auto id = series_of_.integer(0);
    if (!rules_.has(id)) {
      series_of_.reset();
      database_.fail_damaged("dirty series " + std::to_string(id) + ", which is not there");
    }
    points_[static_cast<std::uint32_t>(id)];
    and_next_[static_cast<std::uint32_t>(id)] = series_of_.integer(1) != 0;
  }
  series_of_.reset();
  minute_s_ = bucket_s;
  done_ = fold_.done();
  RawReader::Selection selection{
      .from_ns = bucket_s * second_ns, .to_ns = bucket_s * second_ns + tier_.width_ns(), .last_batch = done_};
  for (const auto& [series, points] : points_) selection.series.push_back(series);
  reader_.emplace(database_, std::move(selection), [](const std::string&, std::int64_t, std::int64_t) {});  // the fold has told of what is damaged
  return true;
}

void Redo::write_minute() {
  Transaction transaction(database_);
  const bool all_gone = expired("batches", *minute_s_);
  std::int64_t redone = 0, gone = 0;
  for (const auto& [series, and_next] : and_next_) {
    ++(!all_gone && write_series(series, and_next) ? redone : gone);
    unmark_.bind(1, std::string_view("tier_1m")).bind(2, *minute_s_).bind(3, std::int64_t{series}).run();
  }
  count("redone", redone);
  count("not_redone", gone);
  transaction.commit();
  minute_s_.reset();
}

/// @return false when batches with some of its samples are not there any more, or damaged: the row is left as it is
bool Redo::write_series(std::uint32_t series, bool and_next) {
  const auto& rule = rules_.of(series);
  auto& points = points_[series];
  const auto known = tier_.find(*minute_s_, series);
  if (points.empty() || (known && known->count > static_cast<std::int64_t>(points.size()))) return false;
  const auto start_ns = *minute_s_ * second_ns;
  const auto before = rule.ordered() ? last_before(*minute_s_, series, rule.hold_ns) : std::nullopt;
  replace(*minute_s_, series, roll_up(rule.aggregation, points, before, start_ns, start_ns + tier_.width_ns()));
  if (rule.ordered() && and_next) fix_next(series, points.back());
  return true;
}

/// The buckets up to the next one with samples carry `last`, and that one begins with it.
void Redo::fix_next(std::uint32_t series, Point last) {
  const auto& rule = rules_.of(series);
  latest_.bind(1, std::int64_t{series});
  const auto latest_ns = latest_.step() ? latest_.integer(0) : last.time_ns - 1;
  latest_.reset();
  if (latest_ns < last.time_ns) {
    latest_row_.bind(1, std::int64_t{series}).bind(2, last.time_ns).bind(3, last.value).run();
    fold_.forget();
  }
  const auto width = tier_.width_s();
  for (auto bucket_s = *minute_s_ + width; bucket_s < fold_.frontier_s(); bucket_s += width) {
    const bool holds = last.time_ns + rule.hold_ns >= bucket_s * second_ns;
    const auto row = tier_.find(bucket_s, series);
    if (row && row->count > 0) {
      mark("tier_1m", bucket_s, series);
      return;
    }
    const auto bucket_ns = bucket_s * second_ns;
    if (holds && rule.carries)
      replace(bucket_s, series, roll_up(rule.aggregation, {}, last, bucket_ns, bucket_ns + tier_.width_ns()));
    else if (!holds)
      return;
  }
  fold_.forget();  // it may have the next one in memory, begun with another sample
}

std::optional<Point> Redo::last_before(std::int64_t bucket_s, std::uint32_t series, std::int64_t hold_ns) {
  const auto width = tier_.width_s();
  const auto bucket_ns = bucket_s * second_ns;
  for (auto at_s = bucket_s - width; (at_s + width) * second_ns + hold_ns > bucket_ns; at_s -= width) {
    last_of_.bind(1, at_s).bind(2, std::int64_t{series});
    std::optional<Point> found;
    if (last_of_.step()) found = {at_s * second_ns + last_of_.integer(0), last_of_.real(1)};
    last_of_.reset();
    if (found) return found->time_ns + hold_ns >= bucket_ns ? found : std::nullopt;
  }
  return {};
}

void Redo::replace(std::int64_t bucket_s, std::uint32_t series, const Rollup& row) {
  const auto& rule = rules_.of(series);
  tier_.replace(bucket_s, series, rule.aggregation, row, rule.interval_ns);
  const auto above = read_progress(database_, "tier_5m");
  if (bucket_s < above.frontier_s || (bucket_s < above.next_frontier_s && series < above.series))
    mark("tier_5m", bucket_start(bucket_s, 300), series);
}

void Redo::mark(const std::string& tier, std::int64_t bucket_s, std::uint32_t series) {
  mark_.bind(1, std::string_view(tier)).bind(2, bucket_s).bind(3, std::int64_t{series}).run();
}

bool Redo::redo_wide(const std::string& tier, Widen& widen, std::int64_t width_s, Budget& budget) {
  const auto progress = read_progress(database_, tier);
  Transaction transaction(database_);
  std::int64_t redone = 0, gone = 0;
  const auto below = width_s == 300 ? "tier_1m" : "tier_5m";
  for (;;) {
    oldest_.bind(1, std::string_view(tier)).bind(2, progress.next_frontier_s);
    const bool found = oldest_.step();
    const auto bucket_s = oldest_.integer(0), series = oldest_.integer(1);
    oldest_.reset();
    if (!found || budget.spent()) break;
    if (!rules_.has(series)) database_.fail_damaged("dirty series " + std::to_string(series) + ", which is not there");
    const bool is_gone = expired(below, bucket_s);
    if (!is_gone) widen.make(bucket_s, static_cast<std::uint32_t>(series));
    unmark_.bind(1, std::string_view(tier)).bind(2, bucket_s).bind(3, series).run();
    ++(is_gone ? gone : redone);
  }
  if (redone + gone == 0) return false;
  count("redone", redone);
  count("not_redone", gone);
  transaction.commit();
  return true;
}

void Redo::count(const char* kind, std::int64_t buckets) {
  if (buckets > 0) anomaly_.bind(1, std::string_view(kind)).bind(2, buckets).bind(3, ring::clock_ns(CLOCK_REALTIME)).run();
}

/// Whether what the bucket was made from may be deleted already.
bool Redo::expired(const std::string& job, std::int64_t bucket_s) {
  return bucket_s < database_.query_integer("SELECT expired FROM progress WHERE job = '" + job + "'");
}

}  // namespace ringdown
