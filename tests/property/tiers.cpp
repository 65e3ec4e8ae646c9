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

void check_samples(const Rollup& found, const Rollup& expected) {
  CHECK(found.count == expected.count);
  if (std::isfinite(expected.sum))
    CHECK(found.sum == Approx(expected.sum).epsilon(1e-12).margin(1e-9));
  else
    CHECK_FALSE(std::isfinite(found.sum));
  CHECK(found.min == expected.min);
  CHECK(found.max == expected.max);
  CHECK(found.first == expected.first);
  CHECK(found.first_ns == expected.first_ns);
  CHECK(found.last_ns == expected.last_ns);
}

/// What depends on the sample before, and the sketch.
void check_order(ring::Kind kind, const Rollup& found, const Rollup& expected) {
  CHECK(found.increase == Approx(expected.increase).epsilon(1e-12).margin(1e-9));
  CHECK(found.states == expected.states);
  if (kind == ring::Kind::gauge) CHECK(found.sketch == expected.sketch);
}

}  // namespace

std::vector<Rule> rules_of(const std::vector<Series>& series) {
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const auto& rule = series[i].rule;
    rules.emplace_back();
    rules.back().name = "s" + std::to_string(i + 1);
    rules.back().aggregation = rule.aggregation;
    rules.back().keep = series[i].keep;
    rules.back().on_change = rule.carries && rule.hold_ns == hold_ordered_ns;
  }
  return rules;
}

World::World(std::vector<Series> series, std::optional<Rules> own_rules)
    : series_(std::move(series)), rules_(std::move(own_rules)) {
  restart();
  store_->ring_id("r", "g", 1);
  Batch batch;
  for (std::uint32_t id = 1; id <= series_.size(); ++id)
    batch.series.push_back({id, {ring::Kind::gauge, "s" + std::to_string(id), "", {}, {}}});
  store_->commit(batch);
}

World::World(const World& other, const std::filesystem::path& folder)
    : folder_(folder), series_(other.series_), log_(other.log_), rules_(other.rules_) {
  for (const auto& file : std::filesystem::directory_iterator(other.folder_))
    if (!file.path().string().ends_with(".lock")) std::filesystem::copy_file(file.path(), folder_ / file.path().filename());
  restart();
}

World::~World() {
  end();
  std::filesystem::remove_all(folder_);
}

void World::end() {
  jobs_.reset();
  store_.reset();
}

void World::restart() {
  end();
  StoreOptions options;
  options.wall_ns = [] { return wall_ns(); };
  options.rules = rules_.value_or(Rules({}, rules_of(series_)));
  store_.emplace(folder_ / "m.db", options);
  jobs_.emplace(store_->database(), options.rules);
}

void World::commit(const std::vector<Sample>& samples) {
  constexpr std::chrono::seconds step{3};
  Batch batch;
  batch.samples = samples;
  const auto stored = log_.size() + samples.size();
  batch.cursors.push_back({.ring = 1, .lane = 0, .next_seq = stored + 1, .stored = stored});
  store_->commit(batch, steady_ += step);
  expect(samples);
}

bool World::slice(std::size_t job, std::int64_t horizon_ns, bool everything, std::int64_t steps) {
  Budget budget{.steps = steps};
  if (everything) horizon_ns = Fold::everything;
  switch (job) {
    case 0: return jobs_->to_1s.run(horizon_ns, budget);
    case 1: return jobs_->to_1m.run(horizon_ns, budget);
    case 2: return jobs_->redo.run(budget);
    case 3: return jobs_->to_5m.run(everything, budget);
    case 4: return jobs_->to_1h.run(everything, budget);
    default: return jobs_->sealing.run(wall_ns(), budget);
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
    more = retain_slice(now_ns, 1000);
    database().checkpoint_passive();
  }
  return any;
}

bool World::retain_slice(std::int64_t now_ns, std::int64_t steps) {
  Budget budget{.steps = steps};
  if (jobs_->sealing.run(wall_ns(), budget)) return true;
  if (!jobs_->retention.run(now_ns, jobs_->sealing.is_swept(), jobs_->sealing.spare_pages(now_ns), budget)) return false;
  if (jobs_->retention.left_chunks()) jobs_->sealing.sweep_soon();
  return true;
}

void World::finish() {
  for (bool more = true; more;) {
    more = false;
    for (std::size_t job = 0; job < jobs; ++job) more |= slice(job, 0, true, 1000);
  }
}

void World::settle() {
  finish();
  const auto now_ns = wall_ns();
  wall_ns() += 7200 * second_ns;
  commit({{wall_ns(), 1, 1}});
  finish();
  wall_ns() = now_ns;
}

void World::check() {
  CHECK(query("SELECT count(*) FROM dirty") == 0);
  for (auto& series : series_) series.points.clear();
  for (const auto& s : log_) series_[s.series - 1].points.push_back({s.time_ns, s.value});
  check_tier("tier_1s", 1);
  check_tier("tier_1m", 60);
  check_tier("tier_5m", 300);
  check_tier("tier_1h", 3600);
}

/// Late samples of a bucket of the next tier, of which rows are deleted already, are in that one.
std::int64_t World::kept_from_s(const std::string& tier, std::int64_t width_s) {
  const auto expired_s = read_progress(database(), tier).expired_s;
  const std::int64_t next_s = width_s == 60 ? 300 : width_s == 300 ? 3600 : 1;
  return bucket_start(expired_s + next_s - 1, next_s);
}

void World::check_tier(const std::string& name, std::int64_t width_s) {
  TierTable tier(database(), name);
  const auto frontier_s = read_progress(database(), "tier_1m").frontier_s;
  const auto from_s = kept_from_s(name, width_s);
  const bool redone = kept_from_s("batches", 1) < 0 && kept_from_s("tier_1m", 60) < 0;
  std::int64_t rows = 0;
  for (std::uint32_t id = 1; id <= series_.size(); ++id) {
    const auto& series = series_[id - 1];
    const auto expected = width_s <= 60 ? model(series, width_s, frontier_s) : widened(series, width_s, frontier_s);
    const bool in_order = redone || width_s < 60 || !series.rule.ordered();
    for (const auto& [bucket_s, row] : expected) {
      if (bucket_s < from_s || (!in_order && row.count == 0)) continue;
      INFO(name << " bucket " << bucket_s << " series " << id);
      const auto found = tier.find(bucket_s, id);
      CHECK(found);
      ++rows;
      if (!found) continue;
      check_samples(*found, row);
      if (in_order || !series.rule.carries) CHECK(found->last == row.last);
      if (in_order) check_order(width_s < 60 ? ring::Kind{} : series.rule.aggregation, *found, row);
    }
  }
  INFO(name);
  CHECK(query("SELECT count(*) FROM " + name + " WHERE bucket >= " + std::to_string(from_s) +
              (redone ? "" : " AND count > 0")) == rows);
}

}  // namespace tiers
