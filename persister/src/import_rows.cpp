#include "import_rows.hpp"

#include <algorithm>
#include <tuple>

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::size_t rows_max = 50'000;  // of a commit
constexpr int checkpoint_pages = 4000;
constexpr std::int64_t never_s = -9'223'372'036;  // progress.expired at first
constexpr ring::Kind plain{};                     // of rows without detail

/// Where a row's value is in its bucket, ns before the end: so no row that is made of imported ones looks like one.
std::int64_t before_end_ns(Granularity granularity) { return granularity; }

}  // namespace

ImportRows::ImportRows(Store& store, OldSeries& series, Granularity granularity, bool tier_is_on,
                       std::function<void()> committing)
    : store_(store),
      database_(store.database()),
      series_(series),
      granularity_(granularity),
      width_s_(granularity_s[granularity]),
      tier_is_on_(tier_is_on),
      committing_(std::move(committing)),
      rules_(database_),
      tier_(database_, std::string("tier_") + granularity_names[granularity]),
      cover_(database_),
      to_5m_(database_, rules_, "tier_1m", "tier_5m"),
      to_1h_(database_, rules_, "tier_5m", "tier_1h") {}

void ImportRows::run(ImportFile& file, std::int64_t now_s) {
  now_s_ = now_s;
  file.read(granularity_, now_s);
  for (ImportFile::Row row; file.next(series_, row);) {
    take(file, row);
    if (pending_.size() >= rows_max || row.series == 0) commit(file, row.id);
  }
  commit(file, file.table().last_id());
}

void ImportRows::take(ImportFile& file, const ImportFile::Row& row) {
  if (row.series == 0) return;
  const auto at_s = row.time_ns / second_ns;
  if (!tier_is_on_)
    file.doubt(row.id, Doubt::tier_off);
  else if (!row.is_whole_second || bucket_start(at_s, width_s_) != at_s)
    file.doubt(row.id, Doubt::bucket);
  else if (at_s + width_s_ > now_s_)
    file.doubt(row.id, Doubt::open_bucket);
  else
    pending_.push_back({at_s, row.series, row.value, row.id});
}

void ImportRows::commit(ImportFile& file, std::int64_t through_id) {
  if (auto fresh = series_.take_new(); !fresh.empty()) {  // one without rows does no harm
    Batch batch;
    batch.series = std::move(fresh);
    store_.commit(batch);
  }
  // In the order of the tier's key. Of a bucket's several rows the first in the old table is stored.
  std::sort(pending_.begin(), pending_.end(), [](const Pending& a, const Pending& b) {
    return std::tie(a.bucket_s, a.series, a.id) < std::tie(b.bucket_s, b.series, b.id);
  });
  Transaction transaction(database_);
  frontier_5m_s_ = read_progress(database_, "tier_5m").frontier_s;
  frontier_1h_s_ = read_progress(database_, "tier_1h").frontier_s;
  for (const auto& row : pending_)
    if (store(file, row)) note_stored(row);
  make_wider();
  move_progress();
  write_cursor(file.cursor(granularity_, through_id));
  committing_();
  transaction.commit();
  pending_.clear();
  if (database_.wal_pages() >= checkpoint_pages) database_.checkpoint_passive();
}

/// @return whether the row is in the tier now
bool ImportRows::store(ImportFile& file, const Pending& row) {
  if (cover_.has_wider(granularity_, row.bucket_s, row.series)) return file.covered(), false;
  const auto at_ns = (row.bucket_s + width_s_) * second_ns - before_end_ns(granularity_);
  const Rollup one{1, row.value, row.value, row.value, row.value, row.value, at_ns, at_ns};
  if (!tier_.insert(row.bucket_s, row.series, plain, one, 0)) {
    const auto known = tier_.find(row.bucket_s, row.series);
    if (known && known->count == 1 && known->first_ns == at_ns) return file.doubt(row.id, Doubt::duplicate), false;
    if (known && known->count > 0) return file.covered(), false;
    tier_.replace(row.bucket_s, row.series, plain, one, 0);  // a value that held on, without samples
  }
  file.stored();
  return true;
}

void ImportRows::note_stored(const Pending& row) {
  const auto end_s = row.bucket_s + width_s_;
  end_s_ = std::max(end_s_, end_s);
  auto& from_s = raw_from_s_[row.series];
  from_s = std::max(from_s, end_s);
  const auto five_s = bucket_start(row.bucket_s, 300), hour_s = bucket_start(row.bucket_s, 3600);
  if (granularity_ == old_1m && five_s < frontier_5m_s_) fives_.insert({five_s, row.series});
  if (granularity_ != old_1h && hour_s < frontier_1h_s_) hours_.insert({hour_s, row.series});
}

/// Of buckets that were made already. The others are made later, by the jobs that make all of them.
void ImportRows::make_wider() {
  for (const auto& [bucket_s, series] : fives_) to_5m_.make(bucket_s, series);
  for (const auto& [bucket_s, series] : hours_) to_1h_.make(bucket_s, series);
  fives_.clear();
  hours_.clear();
}

/// The tiers up to this one are made as far as its rows go.
void ImportRows::move_progress() {
  for (const auto& [series, from_s] : raw_from_s_)
    database_.prepared("UPDATE series SET raw_from_ns = max(raw_from_ns, ?) WHERE id = ?")
        .bind(1, from_s * second_ns)
        .bind(2, std::int64_t{series})
        .run();
  raw_from_s_.clear();
  if (end_s_ == 0) return;
  auto& moved = database_.prepared(
      "UPDATE progress SET frontier = max(frontier, ?1), next_frontier = max(next_frontier, ?1), "
      "expired = max(expired, ?2) WHERE job = ?3");
  for (const auto granularity : {old_1m, old_5m, old_1h}) {
    if (granularity > granularity_) break;
    const auto job = std::string("tier_") + granularity_names[granularity];
    moved.bind(1, end_s_).bind(2, granularity < granularity_ ? end_s_ : never_s).bind(3, std::string_view(job)).run();
  }
  end_s_ = 0;
}

void ImportRows::write_cursor(const CursorRow& row) {
  database_
      .prepared(
          "INSERT INTO cursors (ring, lane, next_seq, stored, lost, duplicates, ledger) VALUES (?, ?, ?, ?, 0, 0, ?) "
          "ON CONFLICT (ring, lane) DO UPDATE SET next_seq = excluded.next_seq, stored = excluded.stored, "
          "ledger = excluded.ledger")
      .bind(1, row.ring)
      .bind(2, std::int64_t{row.lane})
      .bind(3, static_cast<std::int64_t>(row.next_seq))
      .bind(4, static_cast<std::int64_t>(row.stored))
      .bind(5, std::string_view(row.ledger))
      .run();
}

}  // namespace ringdown
