#include "seal.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fold.hpp"
#include "ring/ownership.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t late_ns = 120 * second_ns, early_ns = 60 * second_ns;  // strays come later or earlier

/// To a multiple of the resolution; of 0.001, for example, to the double that is nearest to so many thousandths.
double rounded(double value, double resolution) {
  const auto parts = std::round(1 / resolution);
  const bool is_fraction = std::abs(parts * resolution - 1) < 1e-12;
  const auto out = is_fraction ? std::round(value * parts) / parts : std::round(value / resolution) * resolution;
  return std::isfinite(out) ? out : value;
}

}  // namespace

Seal::Seal(Database& database, SeriesRules& rules, const Rules& configured, SealLimits limits)
    : database_(database),
      rules_(rules),
      limits_(limits),
      has_1s_(configured.tiers().age_s[tier_1s] > 0),
      early_(database),
      window_(database),
      late_(database) {}

bool Seal::run(std::int64_t wall_ns, Budget& budget) try {
  if (!is_making_) {
    const auto chosen = choose(wall_ns, budget);
    if (chosen != Chosen::window) return chosen == Chosen::not_yet;
    begin();
  }
  if (!is_read_ && !read(budget)) return true;
  write(budget);
  return true;
} catch (...) {  // what is made of it so far is swept up
  ended_ += std::exchange(is_making_, false);
  first_ = 0;
  throw;
}

/// Looks at further batches, in the order of their commits.
Seal::Chosen Seal::choose(std::int64_t wall_ns, Budget& budget) {
  const auto through = window::read_sealed(database_).through_batch;
  auto folded = read_progress(database_, "tier_1m").replay;
  if (has_1s_) folded = std::min(folded, read_progress(database_, "tier_1s").replay);
  const auto settled_ns = wall_ns - settle_s * second_ns;
  if (first_ <= through) first_ = last_ = samples_ = 0;
  auto& next = database_.prepared("SELECT id, committed_ns, samples FROM batches WHERE id > ? ORDER BY id LIMIT 1");
  for (;;) {
    next.bind(1, first_ > 0 ? last_ : through);
    const bool found = next.step();
    const auto id = next.integer(0), committed_ns = next.integer(1), samples = next.integer(2);
    next.reset();
    const auto end_ns = bucket_start(first_ns_, window_s * second_ns) + window_s * second_ns;
    if (!found) return first_ > 0 && end_ns < settled_ns ? Chosen::window : Chosen::nothing;  // no more will come into it
    if (first_ > 0 && (committed_ns >= end_ns || samples_ + samples > limits_.window)) return Chosen::window;
    if (id >= std::min(folded, hold_from_) || committed_ns >= settled_ns) return Chosen::nothing;
    if (budget.spent()) return Chosen::not_yet;
    if (first_ == 0) {
      first_ = id;
      first_ns_ = committed_ns;
    }
    last_ = id;
    last_ns_ = committed_ns;
    samples_ += std::max<std::int64_t>(samples, 0);
  }
}

void Seal::begin() {
  const auto id = window::read_sealed(database_).next_window;
  early_.begin(id);
  window_.begin(id + 1);
  late_.begin(id + 2);
  is_making_ = true;
  damaged_.clear();
  begin_pass(0);
}

/// Reads the batches for the series from this one on, as many as fit.
void Seal::begin_pass(std::uint32_t from) {
  from_ = next_ = from;
  end_ = rules_.end();
  std::int64_t expected = 0;
  for (auto series = from; series < std::min<std::size_t>(end_, counts_.size()); ++series) {
    expected += counts_[series];
    if (expected > limits_.held && series > from) end_ = series;
  }
  read_to_ = first_ - 1;
  is_read_ = false;
  points_.clear();
  points_.resize(end_);
  held_ = 0;
}

/// @return whether all are read
bool Seal::read(Budget& budget) {
  auto& batch = database_.prepared("SELECT id, blob FROM batches WHERE id > ? AND id <= ? ORDER BY id LIMIT 1");
  while (!budget.spent()) {
    batch.bind(1, read_to_).bind(2, last_);
    if (!batch.step()) {
      batch.reset();
      return is_read_ = true;
    }
    read_to_ = batch.integer(0);
    try {
      view_.read(batch.blob(1));
      take();
    } catch (const SqliteError&) {
      batch.reset();
      throw;
    } catch (const std::runtime_error& error) {  // it stays where it is
      damaged_.emplace_back(read_to_, error.what());
    }
    batch.reset();
  }
  return false;
}

void Seal::take() {
  for (std::uint32_t c = 0; c < view_.series(); ++c) {
    const auto& column = view_.column(c);
    if (column.series < from_ || column.series >= end_ || rules_.of(column.series).is_dropped()) continue;
    auto& points = points_[column.series];
    if (points.empty() && column.series < counts_.size()) points.reserve(counts_[column.series] + counts_[column.series] / 32);
    for (std::uint32_t i = 0; i < column.count; ++i) points.push_back({column.time_ns(i), column.value(i)});
    held_ += column.count;
  }
  while (held_ > limits_.held) {  // the highest series are left to the next pass
    auto last = end_;
    while (last > from_ && points_[last - 1].empty()) --last;
    if (last <= from_ + 1) break;
    held_ -= static_cast<std::int64_t>(points_[last - 1].size());
    end_ = last - 1;
    points_.resize(end_);
  }
}

void Seal::write(Budget& budget) {
  Transaction transaction(database_);
  while (next_ < end_ && !budget.spent()) {
    if (!points_[next_].empty()) write_series(next_);
    ++next_;
    while (next_ < end_ && points_[next_].empty()) ++next_;
  }
  if (next_ < end_) return transaction.commit();
  const bool is_last_pass = end_ >= rules_.end();
  if (is_last_pass) finish();
  transaction.commit();
  if (!is_last_pass) return begin_pass(end_);
  is_making_ = false;
  ++ended_;
}

void Seal::write_series(std::uint32_t series) {
  auto points = std::move(points_[series]);
  if (series >= counts_.size()) counts_.resize(end_);
  counts_[series] = static_cast<std::uint32_t>(points.size());
  const auto by_time = [](const Point& a, const Point& b) { return a.time_ns < b.time_ns; };
  if (!std::is_sorted(points.begin(), points.end(), by_time)) std::stable_sort(points.begin(), points.end(), by_time);
  if (const auto resolution = rules_.of(series).resolution; resolution > 0)
    for (auto& point : points) point.value = rounded(point.value, resolution);
  const auto begin = std::lower_bound(points.begin(), points.end(), Point{first_ns_ - late_ns, 0}, by_time);
  const auto end = std::lower_bound(begin, points.end(), Point{last_ns_ + early_ns, 0}, by_time);
  if (points.begin() < begin) late_.add(series, {points.begin(), begin});
  if (begin < end) window_.add(series, {begin, end});
  if (end < points.end()) early_.add(series, {end, points.end()});
}

void Seal::finish() {
  early_.publish(first_, last_, last_ns_, -1, 0);
  window_.publish(first_, last_, last_ns_, 0, 0);
  late_.publish(first_, last_, last_ns_, 1, 0);
  auto& damaged = database_.prepared("INSERT OR IGNORE INTO damaged_batches (batch, samples, why, found_ns) "
                                     "SELECT id, samples, ?2, ?3 FROM batches WHERE id = ?1");
  for (const auto& [batch, why] : damaged_)
    damaged.bind(1, batch).bind(2, std::string_view(why)).bind(3, ring::clock_ns(CLOCK_REALTIME)).run();
  database_.prepared("UPDATE sealed SET through_batch = ?, next_window = next_window + 3, changes = changes + 1")
      .bind(1, last_)
      .run();
}

}  // namespace ringdown
