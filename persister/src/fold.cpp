#include "fold.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "ring/ownership.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t grace_ns = second_ns;        // from a sample to its commit, when nothing is wrong
constexpr std::size_t rows_max = 1 << 15;           // in memory before their interval is over
constexpr std::size_t series_rows_max = 256;        // of them in one series, which is written in one step
constexpr std::uint32_t step_samples = 4096;        // about, of one step
constexpr ring::Kind plain{};                       // of tiers without detail

std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  return __builtin_add_overflow(a, b, &a) ? std::numeric_limits<std::int64_t>::max() : a;
}

}  // namespace

Progress read_progress(Database& database, const std::string& job) {
  auto& row = database.prepared("SELECT done, replay, target, series, frontier, next_frontier, expired FROM progress "
                                "WHERE job = '" + job + "'");
  const bool found = row.step();
  const Progress out{row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4), row.integer(5),
                     row.integer(6)};
  row.reset();
  if (!found) database.fail_damaged("no progress row of " + job + "; its samples would be counted again");
  constexpr std::int64_t time_max_s = 9'223'372'036;
  if (out.target < out.done || out.next_frontier_s < out.frontier_s || out.replay > out.target + 1 ||
      out.frontier_s < -time_max_s || out.next_frontier_s > time_max_s + 3600)
    database.fail_damaged("the progress row of " + job + " contradicts itself");
  return out;
}

void write_progress(Database& database, const std::string& job, const Progress& p) {
  auto& update = database.prepared("UPDATE progress SET done = ?, replay = ?, target = ?, series = ?, frontier = ?, "
                                   "next_frontier = ? WHERE job = '" + job + "'");
  update.bind(1, p.done).bind(2, p.replay).bind(3, p.target).bind(4, p.series).bind(5, p.frontier_s)
      .bind(6, p.next_frontier_s).run();
}

Fold::Fold(Database& database, SeriesRules& rules, const std::string& tier, std::int64_t interval_s)
    : database_(database),
      tier_(database, tier),
      interval_s_(std::max(interval_s, tier_.width_s())),
      rules_(rules),
      batches_(database, "SELECT id, committed_ns, samples, blob FROM batches WHERE id > ? AND id <= ? ORDER BY id"),
      newest_(database, "SELECT max(id) FROM batches"),
      latest_row_(database, "INSERT INTO latest (series, time_ns, value) VALUES (?, ?, ?) "
                            "ON CONFLICT DO UPDATE SET time_ns = excluded.time_ns, value = excluded.value"),
      dirty_(database, "INSERT INTO dirty (tier, bucket, series, and_next) VALUES (?, ?, ?, 1) "
                       "ON CONFLICT DO UPDATE SET and_next = 1"),
      damaged_(database, "INSERT OR IGNORE INTO damaged_batches VALUES (?, ?, ?, ?)"),
      anomaly_(database, "INSERT INTO anomalies (kind, count, last_ns) VALUES (?, ?, ?) "
                         "ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ns = excluded.last_ns") {
  if (tier_.has_detail()) {
    wider_.emplace_back(database, "tier_5m");
    wider_.emplace_back(database, "tier_1h");
  }
  reload();
}

void Fold::reload() {
  progress_ = read_progress(database_, name());
  read_through_ = progress_.replay - 1;
  read_committed_ns_ = 0;
  view_ = {};
  column_ = 0;
  rows_.clear();
  row_count_ = longest_ = 0;
  damaged_batches_.clear();
  late_ = future_ = 0;
  latest_.clear();
  stored_.clear();
  is_writing_ = false;
  std::optional<Statement> rows;
  if (tier_.has_detail()) rows.emplace(database_, "SELECT series, time_ns, value FROM latest");
  while (rows && rows->step())
    if (rows->integer(0) > 0 && rows->integer(0) < rules_.end()) {
      const auto series = static_cast<std::uint32_t>(rows->integer(0));
      at(stored_, series) = at(latest_, series) = Point{rows->integer(1), rows->real(2)};
    }
  stale_ = false;  // not before all of it is read
}

bool Fold::run(std::int64_t horizon_ns, Budget& budget) {
  if (stale_ && !is_writing_) reload();
  try {
    return slice(horizon_ns, budget);
  } catch (...) {
    stale_ = true;
    is_writing_ = false;  // what is in memory may be half written
    throw;
  }
}

bool Fold::slice(std::int64_t horizon_ns, Budget& budget) {
  if (!is_writing_ && progress_.series > 0) {  // killed while it wrote
    if (read(budget)) begin_writing(progress_.next_frontier_s);
    return true;
  }
  if (!is_writing_) {
    const bool all_read = read(budget);
    if (!all_read && (is_amid_batch() || !is_full())) return true;
    const auto next_s =
        std::max(closed_s(all_read ? horizon_ns : std::min(horizon_ns, read_committed_ns_)), progress_.frontier_s);
    const bool over = horizon_ns == everything ? next_s > progress_.frontier_s || read_through_ > progress_.done
                                               : next_s - interval_s_ >= progress_.frontier_s;
    if (all_read && !over && !is_full()) return false;
    const bool waits = next_s == progress_.frontier_s && late_ == 0 && future_ == 0;
    if (waits && horizon_ns != everything) return false;  // full of what is beyond the horizon: of a backlog being drained
    if (budget.spent()) return true;
    begin_writing(next_s);
  }
  write(budget);
  return true;
}

/// Whether there is too much in memory, and some of it can be written.
bool Fold::is_full() const {
  return (row_count_ > rows_max || longest_ > series_rows_max) &&
         (late_ > 0 || future_ > 0 || closed_s(read_committed_ns_) > progress_.frontier_s);
}

/// @return whether everything committed is read
bool Fold::read(Budget& budget) {
  const bool again = progress_.series > 0;  // what was being written
  auto newest = progress_.target;
  if (!again) {
    newest_.step();
    newest = std::max(newest_.integer(0), read_through_);
    newest_.reset();
  }
  while ((is_amid_batch() || (read_through_ < newest && (again || !is_full()))) && !budget.spent()) {
    if (!is_amid_batch() && !next_batch(newest)) read_through_ = newest;  // the last ones are deleted
    take_columns();
  }
  return read_through_ == newest && !is_amid_batch();
}

/// Unpacks the next batch up to this one. @return whether there is one
bool Fold::next_batch(std::int64_t newest) {
  batches_.bind(1, read_through_).bind(2, newest);
  if (!batches_.step()) {
    batches_.reset();
    return false;
  }
  const auto id = batches_.integer(0);
  if (id <= read_through_) {
    batches_.reset();
    database_.fail_damaged("after batch " + std::to_string(read_through_) + " comes " + std::to_string(id));
  }
  try {
    view_.read(batches_.blob(3));
  } catch (const std::runtime_error& e) {
    spdlog::error("database {}: batch {}: {}; {} is made without its samples", database_.path(), id, e.what(), name());
    damaged_batches_.push_back({id, batches_.integer(2), e.what()});
    view_ = {};
  }
  read_through_ = id;
  read_committed_ns_ = batches_.integer(1);
  column_ = 0;
  batches_.reset();
  return true;
}

/// One step: series of the batch up to some thousand samples.
void Fold::take_columns() {
  for (std::uint32_t taken = 0; is_amid_batch() && taken < step_samples; ++column_) {
    const auto& column = view_.column(column_);
    taken += column.count;
    take_column(read_through_, plus(read_committed_ns_, future_ns), column);
  }
}

void Fold::take_column(std::int64_t batch, std::int64_t future_from_ns, const BatchView::Column& column) {
  if (!rules_.has(column.series)) return;  // in a database that was damaged; verify finds it
  if (column.series >= rows_.size()) rows_.resize(rules_.end());
  const auto& rule = rules_.of(column.series);
  if (!tier_.has_detail() && !rule.tier_1s) return;
  points_.clear();
  bool sorted = true;
  for (std::uint32_t i = 0; i < column.count; ++i) {
    const auto time_ns = std::max(column.time_ns(i), never + tier_.width_ns());
    sorted &= points_.empty() || points_.back().time_ns <= time_ns;
    points_.push_back({time_ns, column.value(i)});
  }
  if (!sorted)
    std::stable_sort(points_.begin(), points_.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
  const bool before_done = batch <= progress_.done;
  const auto frontier_ns = progress_.frontier_s * second_ns;
  const bool ordered = tier_.has_detail() && rule.ordered();
  auto* const latest = ordered ? &at(latest_, column.series) : nullptr;
  Row* open = nullptr;  // mostly the next sample goes there too
  for (const auto& point : points_) {
    const bool future = point.time_ns >= future_from_ns;
    if (before_done && (point.time_ns < frontier_ns || future)) continue;  // folded already
    if (!open || point.time_ns < open->bucket_ns || point.time_ns >= plus(open->bucket_ns, tier_.width_ns()) ||
        future != open->future)
      open = &row(column.series, bucket_start(point.time_ns, tier_.width_ns()), future, batch);
    late_ += point.time_ns < frontier_ns;
    future_ += future;
    if (ordered && !future) {
      if (*latest && point.time_ns < (*latest)->time_ns)
        open->disordered = true;
      else
        *latest = point;
    }
    open->row.add(point);
  }
}

/// In memory, made if it is not there. Valid until the next one of the series.
Fold::Row& Fold::row(std::uint32_t series, std::int64_t bucket_ns, bool future, std::int64_t batch) {
  auto& rows = rows_[series];
  const auto place = [](const Row& row) { return std::tuple(row.bucket_ns, !row.future); };
  auto known = rows.end();
  while (known != rows.begin() && place(known[-1]) >= std::tuple(bucket_ns, !future)) --known;
  if (known != rows.end() && known->bucket_ns == bucket_ns && known->future == future) return *known;
  const auto& rule = rules_.of(series);
  const auto kind = tier_.has_detail() ? rule.aggregation : plain;
  std::optional<Point> earlier;
  if (tier_.has_detail() && rule.ordered() && !future) earlier = before(rule, at(latest_, series), bucket_ns);
  const auto made = rows.insert(
      known, Row{Accumulator(kind, earlier, bucket_ns, plus(bucket_ns, tier_.width_ns())), bucket_ns, batch, future});
  ++row_count_;
  longest_ = std::max(longest_, rows.size());
  return *made;
}

/// The sample before a bucket, or before further samples of it, unless it is too long ago.
std::optional<Point> Fold::before(const SeriesRule& rule, const std::optional<Point>& latest,
                                  std::int64_t bucket_ns) const {
  if (!latest || latest->time_ns >= plus(bucket_ns, tier_.width_ns()) || plus(latest->time_ns, rule.hold_ns) < bucket_ns)
    return {};
  return latest;
}

/// Where the frontier may go: buckets that end before it get no more samples, but for late ones.
std::int64_t Fold::closed_s(std::int64_t horizon_ns) const {
  if (horizon_ns == everything) {
    auto end_ns = progress_.frontier_s * second_ns;
    for (const auto& rows : rows_)
      for (const auto& row : rows)
        if (!row.future) end_ns = std::max(end_ns, plus(row.bucket_ns, tier_.width_ns()));
    return end_ns / second_ns;
  }
  if (horizon_ns <= 0) return progress_.frontier_s;
  return bucket_start(horizon_ns - grace_ns, tier_.width_ns()) / second_ns;
}

void Fold::begin_writing(std::int64_t next_frontier_s) {
  progress_.target = read_through_;
  progress_.next_frontier_s = next_frontier_s;
  is_writing_ = true;
  next_replay_ = read_through_ + 1;
  longest_ = 0;
  const auto written = std::min(rows_.size(), static_cast<std::size_t>(progress_.series));
  for (std::size_t series = 0; series < written; ++series) drop_over(rows_[series]);
}

/// Whether it is written now.
bool Fold::is_over(const Row& row) const noexcept {
  return row.future || row.bucket_ns < progress_.next_frontier_s * second_ns;
}

/// Those that are written; the others have to be made again after a restart.
void Fold::drop_over(Rows& rows) {
  row_count_ -= std::erase_if(rows, [this](const Row& row) { return is_over(row); });
  for (const auto& row : rows) next_replay_ = std::min(next_replay_, row.first_batch);
  longest_ = std::max(longest_, rows.size());
  if (rows.empty()) Rows().swap(rows);
}

void Fold::write(Budget& budget) {
  Transaction transaction(database_);
  if (tier_.has_detail()) {
    expired_s_ = read_progress(database_, name()).expired_s;
    wide_ = read_progress(database_, "tier_5m");
    widest_ = read_progress(database_, "tier_1h");
  }
  const auto end = rules_.end();
  auto series = static_cast<std::uint32_t>(progress_.series);
  for (; series < end && !budget.spent(); ++series) {
    if (!tier_.has_detail())  // nothing is carried: straight to the next row
      while (series < end && (series >= rows_.size() || rows_[series].empty())) ++series;
    if (series < end) write_series(series);
  }
  series = std::min(series, end);
  auto moved = progress_;
  moved.series = series;
  const bool all_written = series >= end;
  if (all_written) {
    moved.done = moved.target;
    moved.frontier_s = moved.next_frontier_s;
    moved.replay = next_replay_;
    moved.series = 0;
    finish_writing();
  }
  write_progress(database_, name(), moved);
  transaction.commit();
  is_writing_ = !all_written;
  progress_ = moved;
}

void Fold::finish_writing() {
  const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
  for (const auto& [batch, samples, why] : damaged_batches_)
    damaged_.bind(1, batch).bind(2, samples).bind(3, std::string_view(why)).bind(4, now_ns).run();
  damaged_batches_.clear();
  if (tier_.has_detail()) {
    if (late_ > 0) anomaly_.bind(1, std::string_view("late")).bind(2, late_).bind(3, now_ns).run();
    if (future_ > 0) anomaly_.bind(1, std::string_view("future")).bind(2, future_).bind(3, now_ns).run();
  }
  late_ = future_ = 0;
}

void Fold::write_series(std::uint32_t series) {
  const auto& rule = rules_.of(series);
  const bool ordered = tier_.has_detail() && rule.ordered();
  auto carried_to_ns = progress_.frontier_s * second_ns;
  const auto stored = ordered ? at(stored_, series) : std::nullopt;
  if (series < rows_.size()) {
    for (auto& row : rows_[series]) {
      if (!is_over(row)) continue;
      if (ordered && rule.carries && !row.future) carry(series, carried_to_ns, row.bucket_ns);
      if (!row.future) carried_to_ns = plus(row.bucket_ns, tier_.width_ns());
      write_row(series, row);
    }
    drop_over(rows_[series]);
  }
  if (ordered && rule.carries) carry(series, carried_to_ns, progress_.next_frontier_s * second_ns);
  if (!ordered) return;
  const auto& latest = at(stored_, series);
  if (latest && (!stored || stored->time_ns != latest->time_ns || stored->value != latest->value))
    latest_row_.bind(1, std::int64_t{series}).bind(2, latest->time_ns).bind(3, latest->value).run();
}

/// The value that holds on in buckets without samples, from `from_ns` up to `to_ns`.
void Fold::carry(std::uint32_t series, std::int64_t from_ns, std::int64_t to_ns) {
  const auto& rule = rules_.of(series);
  const auto& latest = at(stored_, series);
  if (!latest) return;
  const auto width = tier_.width_ns();
  for (auto bucket_ns = std::max(from_ns, bucket_start(latest->time_ns, width) + width);
       bucket_ns < to_ns && before(rule, latest, bucket_ns); bucket_ns += width) {
    const auto bucket_s = bucket_ns / second_ns;
    if (is_expired(bucket_s)) continue;
    const auto row = roll_up(rule.aggregation, {}, latest, bucket_ns, bucket_ns + width);
    if (!tier_.insert(bucket_s, series, rule.aggregation, row, rule.interval_ns)) {
      const auto known = tier_.find(bucket_s, series);  // an older value was carried there, or a sample is early
      if (!known || known->count > 0) return;
      tier_.replace(bucket_s, series, rule.aggregation, row, rule.interval_ns);
    }
    mark_wide(bucket_s, series);
  }
}

void Fold::write_row(std::uint32_t series, Row& made) {
  const auto& rule = rules_.of(series);
  const auto bucket_s = made.bucket_ns / second_ns;
  const auto row = std::move(made.row).finish();
  if (is_expired(bucket_s)) return merge_wide(bucket_s, series, row);
  if (!tier_.insert(bucket_s, series, tier_.has_detail() ? rule.aggregation : plain, row, rule.interval_ns))
    merge(series, made, row);
  if (!tier_.has_detail()) return;
  mark_wide(bucket_s, series);
  if (!rule.ordered()) return;
  auto& stored = at(stored_, series);
  if (made.disordered || made.future) mark_dirty(bucket_s, series);
  if (!made.future && (!stored || row.last_ns >= stored->time_ns)) stored = Point{row.last_ns, row.last};
}

/// There is a row of the bucket already.
void Fold::merge(std::uint32_t series, const Row& made, const Rollup& later) {
  const auto bucket_s = made.bucket_ns / second_ns;
  const auto& rule = rules_.of(series);
  const auto kind = tier_.has_detail() ? rule.aggregation : plain;
  auto whole = tier_.find(bucket_s, series);
  if (!whole) database_.fail_damaged(name() + ": a row is there and is not");
  const bool ordered = tier_.has_detail() && rule.ordered();
  const bool in_order = !made.disordered && !made.future && (whole->count == 0 || later.first_ns >= whole->last_ns);
  (in_order ? extend : extend_late)(kind, *whole, later, plus(made.bucket_ns, tier_.width_ns()));
  tier_.replace(bucket_s, series, kind, *whole, rule.interval_ns);
  if (ordered && !in_order) mark_dirty(bucket_s, series);
}

/// Whether rows that tier_5m's is made from may be deleted.
bool Fold::is_expired(std::int64_t bucket_s) const noexcept {
  return tier_.has_detail() && bucket_start(bucket_s, 300) < expired_s_;
}

/// Adds late samples to the finest tier that still has their time; how a counter grew and how long a state held in it
/// cannot be mended any more.
void Fold::merge_wide(std::int64_t bucket_s, std::uint32_t series, const Rollup& row) {
  const auto& rule = rules_.of(series);
  const auto hour_s = bucket_start(bucket_s, 3600);
  const bool in_5m = hour_s >= wide_.expired_s;
  auto& table = wider_[in_5m ? 0 : 1];
  const auto& progress = in_5m ? wide_ : widest_;
  const auto at_s = bucket_start(bucket_s, table.width_s());
  const bool kept = at_s < progress.frontier_s && at_s >= progress.expired_s;
  if (kept) {
    auto whole = table.find(at_s, series);
    if (whole)
      extend_late(rule.aggregation, *whole, row, (at_s + table.width_s()) * second_ns);
    else
      whole = row;
    table.replace(at_s, series, rule.aggregation, *whole, rule.interval_ns);
    if (in_5m && hour_s < widest_.next_frontier_s)
      dirty_.bind(1, std::string_view("tier_1h")).bind(2, hour_s).bind(3, std::int64_t{series}).run();
  }
  const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
  if (!kept)
    anomaly_.bind(1, std::string_view("too_late")).bind(2, row.count).bind(3, now_ns).run();
  else if (rule.ordered())
    anomaly_.bind(1, std::string_view("not_redone")).bind(2, std::int64_t{1}).bind(3, now_ns).run();
}

/// tier_5m may have been made without this row.
void Fold::mark_wide(std::int64_t bucket_s, std::uint32_t series) {
  if (bucket_s < wide_.frontier_s || (bucket_s < wide_.next_frontier_s && series < wide_.series))
    dirty_.bind(1, std::string_view("tier_5m")).bind(2, bucket_start(bucket_s, 300)).bind(3, std::int64_t{series}).run();
}

void Fold::mark_dirty(std::int64_t bucket_s, std::uint32_t series) {
  dirty_.bind(1, std::string_view(name())).bind(2, bucket_s).bind(3, std::int64_t{series}).run();
}

std::optional<Point>& Fold::at(std::vector<std::optional<Point>>& points, std::uint32_t series) {
  if (series >= points.size()) points.resize(std::max<std::size_t>(series + 1, rules_.end()));
  return points[series];
}

}  // namespace ringdown
