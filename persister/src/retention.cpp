#include "retention.hpp"

#include <algorithm>

#include "fold.hpp"
#include "sink_rows.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t earliest_s = -9'223'372'036;
constexpr int vacuum_pages = 8;         // a step's: some 0.2 ms
constexpr std::int64_t ahead_s = future_ns / second_ns;  // a batch's samples may be so far ahead of its commit
constexpr std::int64_t free_share = 20;  // of the file's pages, one in so many may be free

}  // namespace

Retention::Table::Table(Database& database, Tier which, const std::string& made_from_it)
    : tier(which),
      name(std::string("tier_") + tier_names[which]),
      next(made_from_it),
      width_s(which == tier_1s ? 1 : which == tier_1m ? 60 : which == tier_5m ? 300 : 3600),
      next_width_s(which == tier_1s ? 1 : which == tier_1m ? 300 : 3600),
      first(database, "SELECT bucket FROM " + name + " ORDER BY bucket LIMIT 1"),
      rows(database, "SELECT DISTINCT bucket FROM " + name + " WHERE bucket >= ? ORDER BY bucket LIMIT 1"),
      erase(database, "DELETE FROM " + name + " WHERE bucket = ? AND series IN (SELECT series FROM " + name +
                          " WHERE bucket = ?1 ORDER BY series LIMIT ?)"),
      erase_one(database, "DELETE FROM " + name + " WHERE bucket = ? AND series = ?"),
      swept_s(earliest_s) {}

Retention::Retention(Database& database, const Rules& rules)
    : database_(database),
      rules_(rules),
      oldest_batch_(database, "SELECT id, committed_ns FROM batches ORDER BY id LIMIT 1"),
      erase_batch_(database, "DELETE FROM batches WHERE id = ?"),
      dirty_(database, "SELECT bucket FROM dirty WHERE tier = ? ORDER BY bucket LIMIT 1"),
      expired_(database, "UPDATE progress SET expired = max(expired, ?) WHERE job = ?") {
  const auto& age_s = rules.tiers().age_s;
  tables_.reserve(4);
  tables_.emplace_back(database, tier_1s, "");
  tables_.emplace_back(database, tier_1m, age_s[tier_5m] ? "tier_5m" : "");
  tables_.emplace_back(database, tier_5m, age_s[tier_1h] ? "tier_1h" : "");
  tables_.emplace_back(database, tier_1h, "");
}

/// The ages of series that came since the last call.
void Retention::read_series() {
  const auto last = database_.query_integer("SELECT max(id) FROM series");
  if (last == series_ && series_ > 0) return;
  series_ = last;
  shorter_.clear();
  longest_s_ = rules_.tiers().age_s;
  std::vector<std::pair<std::int64_t, Ages>> ages;
  for (const auto& row : ringdown::read_series(database_)) {
    ages.emplace_back(row.id, rules_.of(row.definition).age_s);
    for (std::size_t t = 0; t < tier_count; ++t) longest_s_[t] = std::max(longest_s_[t], ages.back().second[t]);
  }
  for (const auto& [id, age_s] : ages)
    for (const auto tier : {tier_1s, tier_1m, tier_5m, tier_1h})
      if (age_s[tier] > 0 && age_s[tier] < longest_s_[tier]) shorter_[{tier, age_s[tier]}].push_back(id);
  for (auto& table : tables_) table.swept_s = earliest_s;
}

bool Retention::run(std::int64_t now_ns, bool is_swept, std::int64_t spare_pages, Budget& budget) {
  read_series();
  now_ns_ = now_ns;
  const auto now_s = now_ns / second_ns;
  const auto before = [&](Tier tier) { return longest_s_[tier] == forever_s ? earliest_s : now_s - longest_s_[tier]; };
  const auto raw_ns = before(tier_raw) * second_ns;
  if (expire_window(raw_ns) || expire_batches(raw_ns, budget)) return true;
  for (auto& table : tables_)
    if (expire_rows(table, before(table.tier), budget) || sweep(table, now_s, budget)) return true;
  return is_swept && (shrink_to_size(budget) || vacuum(spare_pages, budget));
}

/// Deletes the oldest window if its batches were committed before; its chunks are swept up. @return whether it did
bool Retention::expire_window(std::int64_t until_ns) {
  auto& oldest = database_.prepared("SELECT id, committed_ns FROM windows ORDER BY committed_ns LIMIT 1");
  const bool found = oldest.step();
  const auto id = oldest.integer(0), committed_ns = oldest.integer(1);
  oldest.reset();
  if (!found || committed_ns >= until_ns) return false;
  Transaction transaction(database_);
  database_.prepared("DELETE FROM windows WHERE id = ?").bind(1, id).run();
  note_expired("batches", committed_ns / second_ns + 1 + ahead_s);
  transaction.commit();
  left_chunks_ = true;
  return true;
}

/// Deletes batches that were committed before, the oldest first. @return whether it deleted any
bool Retention::expire_batches(std::int64_t until_ns, Budget& budget) {
  auto folded = read_progress(database_, "tier_1m").replay;
  if (rules_.tiers().age_s[tier_1s] > 0) folded = std::min(folded, read_progress(database_, "tier_1s").replay);
  folded = std::min(folded, hold_.batch);
  std::optional<Transaction> transaction;
  std::int64_t last_ns = 0;
  while (!budget.spent()) {
    const bool found = oldest_batch_.step();
    const auto id = oldest_batch_.integer(0), committed_ns = oldest_batch_.integer(1);
    oldest_batch_.reset();
    if (!found || committed_ns >= until_ns || id >= folded) break;
    if (!transaction) transaction.emplace(database_);
    erase_batch_.bind(1, id).run();
    last_ns = committed_ns;
  }
  if (!transaction) return false;
  note_expired("batches", last_ns / second_ns + 1 + ahead_s);
  transaction->commit();
  return true;
}

/// Deletes a tier's rows of buckets that start before, the oldest first. @return whether it deleted any
bool Retention::expire_rows(Table& table, std::int64_t until_s, Budget& budget) {
  constexpr std::int64_t rows_max = 64;  // from one look at the clock to the next
  until_s = bucket_start(std::min(until_s, made_s(table)), table.next_width_s);
  std::optional<Transaction> transaction;
  while (!budget.spent()) {
    const bool found = table.first.step();
    const auto bucket_s = table.first.integer(0);
    table.first.reset();
    if (!found || bucket_s >= until_s) break;
    if (!transaction) transaction.emplace(database_);
    table.erase.bind(1, bucket_s).bind(2, rows_max).run();
    note_expired(table, bucket_s, database_.changes());
  }
  if (!transaction) return false;
  transaction->commit();
  return true;
}

/// Deletes the rows of series that are kept for a shorter time than others of the tier. @return whether it did any
bool Retention::sweep(Table& table, std::int64_t now_s, Budget& budget) {
  std::int64_t done_s = earliest_s;
  std::optional<Transaction> transaction;
  const auto made = made_s(table);
  bool any = false;
  for (const auto& [key, ids] : shorter_) {
    if (key.first != table.tier) continue;
    const auto age_ends_s = key.second == forever_s ? earliest_s : now_s - key.second;
    const auto until_s = bucket_start(std::min(age_ends_s, made), table.next_width_s);
    auto bucket_s = table.swept_s;
    while (bucket_s < until_s) {
      table.rows.bind(1, bucket_s);
      const bool found = table.rows.step();
      bucket_s = found ? table.rows.integer(0) : until_s;
      table.rows.reset();
      if (bucket_s >= until_s) break;
      if (budget.spent()) return transaction ? (transaction->commit(), true) : any;
      if (!transaction) transaction.emplace(database_);
      std::int64_t rows = 0;
      for (const auto id : ids) {
        table.erase_one.bind(1, bucket_s).bind(2, id).run();
        rows += database_.changes();
      }
      note_expired(table, bucket_s, rows);
      any = true;
      bucket_s += table.width_s;
    }
    done_s = done_s == earliest_s ? until_s : std::min(done_s, until_s);
  }
  if (transaction) transaction->commit();
  table.swept_s = std::max(table.swept_s, done_s);
  return any;
}

/// Rows of buckets before it are in the next tier, if there is one, with all that came late so far, and nobody needs them
/// any more. Until a bucket that is to be made again has been, so are those above it: their parts must all be there.
std::int64_t Retention::made_s(const Table& table) {
  auto made = std::min(read_progress(database_, table.name).frontier_s, hold_.bucket_s[table.tier]);
  if (table.tier == tier_1s) return made;
  made = std::min(made, read_progress(database_, "tier_1m").frontier_s);  // a stop makes wider tiers ahead of it
  if (!table.next.empty()) made = std::min(made, read_progress(database_, table.next).frontier_s);
  for (const auto tier : {tier_1m, tier_5m, tier_1h}) {
    dirty_.bind(1, std::string_view(tables_[tier - tier_1s].name));
    if (dirty_.step()) made = std::min(made, dirty_.integer(0));
    dirty_.reset();
  }
  return made;
}

/// Of the bucket above, as soon as the first row is deleted: it cannot be made again any more.
void Retention::note_expired(const Table& table, std::int64_t bucket_s, std::int64_t rows) {
  lose_rows(database_, tier_names[table.tier], bucket_s, rows, now_ns_);
  note_expired(table.name, bucket_start(bucket_s, table.next_width_s) + table.next_width_s);
}

void Retention::note_expired(const std::string& job, std::int64_t until_s) {
  expired_.bind(1, until_s).bind(2, std::string_view(job)).run();
}

std::int64_t Retention::pages(const char* pragma) { return database_.query_integer(std::string("PRAGMA ") + pragma); }

/// Raw samples go first, then the rows of the finest tier that has any.
bool Retention::shrink_to_size(Budget& budget) {
  const auto bytes_max = rules_.tiers().size_bytes_max;
  if (bytes_max == 0) return false;
  const auto used = pages("page_count") - pages("freelist_count");
  if (static_cast<std::uint64_t>(used * pages("page_size")) <= bytes_max) return false;
  constexpr auto any = std::numeric_limits<std::int64_t>::max();
  if (expire_window(any) || expire_batches(any, budget)) return true;
  for (auto& table : tables_)
    if (expire_rows(table, std::numeric_limits<std::int64_t>::max(), budget)) return true;
  return false;
}

/// Gives free pages back to the file system, but for those that the next rows will use.
bool Retention::vacuum(std::int64_t spare_pages, Budget& budget) {
  const auto surplus = pages("freelist_count") - pages("page_count") / free_share - spare_pages;
  if (surplus <= 0) return false;
  Transaction transaction(database_);
  for (auto left = surplus; left > 0 && !budget.spent(); left -= vacuum_pages)
    database_.execute("PRAGMA incremental_vacuum(" + std::to_string(vacuum_pages) + ")");
  transaction.commit();
  return true;
}

}  // namespace ringdown
