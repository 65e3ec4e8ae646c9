#include "trim.hpp"

#include <algorithm>
#include <optional>

#include "fold.hpp"

namespace ringdown {

Trim::Trim(Database& database, SeriesRules& rules, const Rules& configured)
    : database_(database),
      rules_(rules),
      has_1s_(configured.tiers().age_s[tier_1s] > 0),
      next_(database, "SELECT id, committed_ns, blob FROM batches WHERE id > ? ORDER BY id LIMIT 1"),
      replace_(database, "UPDATE batches SET min_ns = ?, max_ns = ?, samples = ?, blob = ? WHERE id = ?"),
      erase_(database, "DELETE FROM batches WHERE id = ?") {}

bool Trim::run(std::int64_t wall_ns, Budget& budget) {
  if (!rules_.any_dropped()) return false;
  auto progress = read_progress(database_, "trim");
  auto end = read_progress(database_, "tier_1m").replay;
  if (has_1s_) end = std::min(end, read_progress(database_, "tier_1s").replay);
  const auto until_ns = wall_ns - settle_s * 1'000'000'000;
  std::optional<Transaction> transaction;
  bool more = true;
  while (!budget.spent()) {
    next_.bind(1, progress.done);
    const bool found = next_.step();
    const auto id = next_.integer(0);
    if (!found || id >= end || next_.integer(1) >= until_ns) {
      next_.reset();
      more = false;
      break;
    }
    if (!transaction) transaction.emplace(database_);
    try {
      trim(id, next_.blob(2));
    } catch (const SqliteError&) {
      next_.reset();
      throw;
    } catch (const std::runtime_error&) {  // a damaged blob, which the folds have told of
    }
    next_.reset();
    progress.done = progress.target = id;
  }
  if (!transaction) return false;
  write_progress(database_, "trim", progress);
  transaction->commit();
  return more;
}

void Trim::trim(std::int64_t batch, std::span<const std::byte> blob) {
  view_.read(blob);
  kept_.clear();
  for (std::uint32_t c = 0; c < view_.series(); ++c) {
    const auto& column = view_.column(c);
    if (rules_.of(column.series).is_dropped()) continue;
    for (std::uint32_t i = 0; i < column.count; ++i) kept_.push_back({column.time_ns(i), column.value(i), column.series});
  }
  next_.reset();
  if (kept_.size() == view_.samples()) return;
  if (kept_.empty()) return erase_.bind(1, batch).run();
  // Cycles share their time stamps again; the order within a series stays but for samples that were not in time order.
  std::stable_sort(kept_.begin(), kept_.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
  encode_batch(kept_, blob_);
  replace_.bind(1, kept_.front().time_ns)
      .bind(2, kept_.back().time_ns)
      .bind(3, static_cast<std::int64_t>(kept_.size()))
      .bind(4, std::span<const std::byte>(blob_))
      .bind(5, batch)
      .run();
}

}  // namespace ringdown
