#include "import_jobs.hpp"

#include <algorithm>

#include "redo.hpp"
#include "widen.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr int checkpoint_pages = 4000;
constexpr std::chrono::milliseconds slice{200};  // from one look at the WAL and the bar to the next

Budget one_slice() { return {.end = Budget::Clock::now() + slice}; }

void checkpoint(Database& database) {
  if (database.wal_pages() >= checkpoint_pages) database.checkpoint_passive();
}

}  // namespace

std::int64_t longest_age_s(const Rules& rules, Tier tier) {
  auto age_s = rules.tiers().age_s[tier];
  for (const auto& rule : rules.rules())
    if (age_s > 0 && rule.age_s[tier]) age_s = std::max(age_s, *rule.age_s[tier]);
  return age_s;
}

ImportJobs::ImportJobs(Database& database, const Rules& rules, ImportTold told)
    : database_(database), rules_(rules), series_(database), told_(std::move(told)) {}

void ImportJobs::fold() {
  run_fold("tier_1m", 60);
  if (rules_.tiers().age_s[tier_1s] > 0) run_fold("tier_1s", 5);
  redo();
}

void ImportJobs::run_fold(const std::string& tier, std::int64_t interval_s) {
  Fold fold(database_, series_, tier, interval_s);
  const auto first = fold.done(), last = database_.query_integer("SELECT max(id) FROM batches");
  for (bool more = true; more;) {
    auto budget = one_slice();
    more = fold.run(Fold::everything, budget);
    told_("making " + tier,
          static_cast<double>(fold.done() - first) / static_cast<double>(std::max(last - first, std::int64_t{1})));
    checkpoint(database_);
  }
}

void ImportJobs::redo() {
  Fold fold(database_, series_, "tier_1m", 60);
  Widen to_5m(database_, series_, "tier_1m", "tier_5m"), to_1h(database_, series_, "tier_5m", "tier_1h");
  Redo redo(database_, series_, fold, to_5m, to_1h);
  const auto all = database_.query_integer("SELECT count(*) FROM dirty");
  for (bool more = all > 0; more;) {
    auto budget = one_slice();
    more = redo.run(budget);
    const auto left = database_.query_integer("SELECT count(*) FROM dirty");
    told_("making late rows", 1 - static_cast<double>(left) / static_cast<double>(all));
    checkpoint(database_);
  }
}

void ImportJobs::widen(const std::string& to) {
  if (rules_.tiers().age_s[to == "tier_5m" ? tier_5m : tier_1h] == 0) return;
  Widen job(database_, series_, to == "tier_5m" ? "tier_1m" : "tier_5m", to);
  const auto end_s = read_progress(database_, "tier_1m").frontier_s;
  auto first_s = database_.query_integer(to == "tier_5m" ? "SELECT min(bucket) FROM tier_1m"
                                                         : "SELECT min(bucket) FROM tier_5m");
  first_s = std::max(first_s, read_progress(database_, to).frontier_s);
  for (bool more = true; more;) {
    auto budget = one_slice();
    more = job.run(true, budget);
    const auto at_s = read_progress(database_, to).frontier_s;
    told_("making " + to,
          static_cast<double>(at_s - first_s) / static_cast<double>(std::max(end_s - first_s, std::int64_t{1})));
    checkpoint(database_);
  }
  redo();
}

/// The tier has every sample before its frontier of the batches that are done, but for rows that may be deleted. So
/// the frontier moves with `expired`, over batches that have nothing younger.
void ImportJobs::skip_1s(std::int64_t now_s) {
  const auto age_s = longest_age_s(rules_, tier_1s);
  if (age_s == 0 || age_s == forever_s) return;
  const auto cut_s = now_s - age_s;
  Transaction transaction(database_);
  auto progress = read_progress(database_, "tier_1s");
  if (progress.series > 0) return;
  Statement young(database_, "SELECT min(id) FROM batches WHERE id >= ? AND max_ns >= ?");
  young.bind(1, progress.replay).bind(2, cut_s * second_ns).step();
  auto last = young.integer(0) - 1;
  if (last < 0) last = database_.query_integer("SELECT max(id) FROM batches");
  young.reset();
  if (last <= progress.done) return;
  progress.done = progress.target = last;
  progress.replay = last + 1;
  progress.frontier_s = progress.next_frontier_s = std::max(progress.frontier_s, cut_s);
  write_progress(database_, "tier_1s", progress);
  database_.prepared("UPDATE progress SET expired = max(expired, ?) WHERE job = 'tier_1s'").bind(1, cut_s).run();
  transaction.commit();
}

}  // namespace ringdown
