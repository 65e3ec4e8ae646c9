#include "tiers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

namespace tiers {
namespace {

using namespace ringdown;

/// Rows of one series, straight from the definition: `before` is the newest sample that is older than the bucket.
std::map<std::int64_t, Rollup> model(const Series& series, std::int64_t width_s, std::int64_t frontier_s) {
  const auto width = width_s * second_ns;
  auto points = series.points;
  std::stable_sort(points.begin(), points.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
  std::map<std::int64_t, std::vector<Point>> buckets;
  for (const auto& p : points) buckets[bucket_start(p.time_ns, width) / second_ns].push_back(p);
  std::map<std::int64_t, Rollup> out;
  const bool detail = width_s >= 60, ordered = detail && series.rule.ordered();
  const auto row = [&](std::int64_t bucket_s, const std::vector<Point>& own, std::optional<Point> before) {
    if (before && before->time_ns + series.rule.hold_ns < bucket_s * second_ns) before.reset();
    if (own.empty() && !before) return;
    const auto start = bucket_s * second_ns;
    out[bucket_s] = roll_up(detail ? series.rule.aggregation : ring::Kind{}, own, before, start, start + width);
  };
  std::optional<Point> before;
  for (auto at = buckets.begin(); at != buckets.end();) {
    row(at->first, at->second, ordered ? before : std::nullopt);
    before = at->second.back();
    const auto next_s = std::next(at) == buckets.end() ? std::max(frontier_s, at->first + width_s) : std::next(at)->first;
    if (ordered && series.rule.carries)
      for (auto s = at->first + width_s; s < next_s && before->time_ns + series.rule.hold_ns >= s * second_ns; s += width_s)
        row(s, {}, before);
    ++at;
  }
  return out;
}

/// 5m and 1h rows are sums of 1m rows, which the design wants to be equal to those of all samples.
std::map<std::int64_t, Rollup> widened(const Series& series, std::int64_t width_s, std::int64_t frontier_s) {
  std::map<std::int64_t, Rollup> out;
  for (const auto& [bucket_s, row] : model(series, 60, frontier_s)) {
    const auto [at, made] = out.try_emplace(bucket_start(bucket_s, width_s), row);
    if (!made) append(series.rule.aggregation, at->second, row);
  }
  return out;
}

void check_equal(ring::Kind kind, const Rollup& found, const Rollup& expected) {
  CHECK(found.count == expected.count);
  if (std::isfinite(expected.sum))
    CHECK(found.sum == Approx(expected.sum).epsilon(1e-12).margin(1e-9));
  else
    CHECK_FALSE(std::isfinite(found.sum));
  CHECK(found.min == expected.min);
  CHECK(found.max == expected.max);
  CHECK(found.first == expected.first);
  CHECK(found.last == expected.last);
  CHECK(found.first_ns == expected.first_ns);
  CHECK(found.last_ns == expected.last_ns);
  CHECK(found.increase == Approx(expected.increase).epsilon(1e-12).margin(1e-9));
  CHECK(found.states == expected.states);
  if (kind == ring::Kind::gauge) CHECK(found.sketch == expected.sketch);
}

}  // namespace

World::World(std::vector<Series> series, std::optional<Rules> own_rules)
    : series_(std::move(series)), rules_(std::move(own_rules)) {
  restart();
  store_->ring_id("r", "g", 1);
  Batch batch;
  for (std::uint32_t id = 1; id <= series_.size(); ++id)
    batch.series.push_back({id, {ring::Kind::gauge, "s" + std::to_string(id), "", {}, {}}});
  store_->commit(batch);
}

World::~World() {
  jobs_.reset();
  store_.reset();
  std::filesystem::remove_all(folder_);
}

void World::restart() {
  jobs_.reset();
  store_.reset();
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    const auto& rule = series_[i].rule;
    rules.emplace_back();
    rules.back().name = "s" + std::to_string(i + 1);
    rules.back().aggregation = rule.aggregation;
    rules.back().on_change = rule.carries && rule.hold_ns == hold_ordered_ns;
  }
  StoreOptions options;
  options.wall_ns = [] { return wall_ns(); };
  options.rules = rules_.value_or(Rules({}, std::move(rules)));
  store_.emplace(folder_ / "m.db", options);
  jobs_.emplace(store_->database(), options.rules);
}

void World::commit(const std::vector<Sample>& samples) {
  Batch batch;
  batch.samples = samples;
  stored_ += samples.size();
  batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = stored_ + 1, .stored = stored_});
  store_->commit(batch);
  for (const auto& s : samples) series_[s.series - 1].points.push_back({s.time_ns, s.value});
}

bool World::slice(std::size_t job, std::int64_t horizon_ns, bool everything, std::int64_t steps) {
  Budget budget{.steps = steps};
  if (everything) horizon_ns = Fold::everything;
  switch (job) {
    case 0: return jobs_->to_1s.run(horizon_ns, budget);
    case 1: return jobs_->to_1m.run(horizon_ns, budget);
    case 2: return jobs_->redo.run(budget);
    case 3: return jobs_->to_5m.run(everything, budget);
    default: return jobs_->to_1h.run(everything, budget);
  }
}

void World::work(std::int64_t horizon_ns) {
  for (bool more = true; more;) {
    more = false;
    for (std::size_t job = 0; job < jobs; ++job) more |= slice(job, horizon_ns, false, 1000);
  }
}

bool World::retain(std::int64_t now_ns) {
  bool any = false;
  for (bool more = true; more; any |= more) {
    Budget budget{.steps = 1000};
    more = jobs_->retention.run(now_ns, budget);
    if (!store_->database().checkpoint_passive()) continue;
  }
  return any;
}

void World::finish() {
  for (bool more = true; more;) {
    more = false;
    for (std::size_t job = 0; job < jobs; ++job) more |= slice(job, 0, true, 1000);
  }
}

void World::check() {
  CHECK(query("SELECT count(*) FROM dirty") == 0);
  check_tier("tier_1s", 1);
  check_tier("tier_1m", 60);
  check_tier("tier_5m", 300);
  check_tier("tier_1h", 3600);
}

void World::check_tier(const std::string& name, std::int64_t width_s) {
  TierTable tier(database(), name);
  const auto frontier_s = read_progress(database(), "tier_1m").frontier_s;
  std::int64_t rows = 0;
  for (std::uint32_t id = 1; id <= series_.size(); ++id) {
    const auto& series = series_[id - 1];
    const auto expected = width_s <= 60 ? model(series, width_s, frontier_s) : widened(series, width_s, frontier_s);
    for (const auto& [bucket_s, row] : expected) {
      INFO(name << " bucket " << bucket_s << " series " << id);
      const auto found = tier.find(bucket_s, id);
      CHECK(found);
      if (found) check_equal(width_s < 60 ? ring::Kind{} : series.rule.aggregation, *found, row);
    }
    rows += static_cast<std::int64_t>(expected.size());
  }
  INFO(name);
  CHECK(query("SELECT count(*) FROM " + name) == rows);
}

}  // namespace tiers
