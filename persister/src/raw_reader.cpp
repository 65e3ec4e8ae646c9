#include "raw_reader.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include "chunk.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t late_ns = 120'000'000'000, early_ns = 60'000'000'000;  // batches_odd has what goes beyond
constexpr std::int64_t samples_at_once = 1 << 18;  // about so many are held, 24 bytes each

std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t out;
  if (!__builtin_add_overflow(a, b, &out)) return out;
  return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

/// A prepared statement that is reset at the end of the block.
struct Query {
  Statement& rows;
  Query(Database& database, const char* sql) : rows(database.prepared(sql)) {}
  ~Query() { rows.reset(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
};

bool is_odd(std::int64_t committed_ns, std::int64_t min_ns, std::int64_t max_ns) noexcept {
  return min_ns < plus(committed_ns, -late_ns) || max_ns >= plus(committed_ns, early_ns);
}

}  // namespace

std::int64_t newest_batch(Database& database) {
  return database.query_integer("SELECT max(coalesce((SELECT max(id) FROM batches), 0), (SELECT through_batch FROM sealed))");
}

std::int64_t batch_at(Database& database, std::int64_t committed_ns, std::int64_t end) {
  auto& committed = database.prepared("SELECT id, committed_ns FROM batches WHERE id >= ? ORDER BY id LIMIT 1");
  std::int64_t low = 0, high = end;  // ids; the answer is in [low, high]
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    committed.bind(1, middle);
    const bool found = committed.step();
    const auto id = committed.integer(0), at = committed.integer(1);
    committed.reset();
    if (!found || id >= end || at >= committed_ns)
      high = middle;
    else
      low = id + 1;
  }
  return low;
}

RawReader::RawReader(Database& database, Selection selection, OnDamage on_damage)
    : database_(database), selection_(std::move(selection)), on_damage_(std::move(on_damage)),
      chunk_reader_(database) {
  const auto newest = database_.query_integer("SELECT max(id) FROM batches");
  selection_.last_batch = std::min(selection_.last_batch, newest);
}

std::span<const RawSample> RawReader::next() {
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(std::exchange(given_, 0)));
  for (;;) {
    const Snapshot snapshot(database_);
    if (!is_current()) list();
    list_batches();
    const auto end = queue_.empty()
                         ? samples_.end()
                         : std::lower_bound(samples_.begin(), samples_.end(), queue_.top().from_ns,
                                            [](const RawSample& s, std::int64_t at) { return s.time_ns < at; });
    given_ = static_cast<std::size_t>(end - samples_.begin());
    if (given_ > 0) {
      selection_.from_ns = queue_.empty() ? plus(samples_.back().time_ns, 1) : queue_.top().from_ns;
      return {samples_.data(), given_};
    }
    if (queue_.empty()) return {};
    const auto earliest = queue_.top();
    queue_.pop();
    read(earliest);
  }
}

/// Whether all samples are still where the listing saw them.
bool RawReader::is_current() {
  return is_listed_ && window::read_sealed(database_).changes == changes_;
}

void RawReader::list() {
  // Of one time, samples that came early were committed before those in time, and these before late ones.
  samples_.clear();
  first_order_ = 0;
  queue_ = {};
  is_listed_ = true;
  const auto sealed = window::read_sealed(database_);
  changes_ = sealed.changes;
  through_batch_ = sealed.through_batch;
  const Query windows(database_, "SELECT id, min_ns, max_ns, samples FROM windows WHERE max_ns >= ? AND min_ns < ? "
                                 "ORDER BY strays, first_batch");
  windows.rows.bind(1, selection_.from_ns).bind(2, selection_.to_ns);
  while (!selection_.batches_only && windows.rows.step())
    add({windows.rows.integer(0), true, 0, windows.rows.integer(1), windows.rows.integer(2), windows.rows.integer(3),
         first_order_++});
  const Query odd(database_, "SELECT id, min_ns, max_ns, samples FROM batches WHERE (min_ns < committed_ns - 120000000000 OR "
                             "max_ns >= committed_ns + 60000000000) AND max_ns >= ? AND min_ns < ? AND id > ? AND id <= ?");
  odd.rows.bind(1, selection_.from_ns).bind(2, selection_.to_ns).bind(3, std::max(through_batch_, selection_.after_batch)).bind(4, selection_.last_batch);
  while (!selection_.sealed_only && odd.rows.step())
    add({odd.rows.integer(0), false, 0, odd.rows.integer(1), odd.rows.integer(2), odd.rows.integer(3),
         order_of(odd.rows.integer(0))});
  listed_batch_ = std::max(through_batch_, selection_.after_batch);
  const auto last = selection_.last_batch;
  if (selection_.sealed_only)
    listed_batch_ = last;
  else if (last > listed_batch_)
    listed_batch_ = std::max(listed_batch_, batch_at(database_, plus(selection_.from_ns, -early_ns), last + 1) - 1);
  batches_from_ns_ = std::numeric_limits<std::int64_t>::min();
}

void RawReader::add(const Segment& segment) {
  auto added = segment;
  added.from_ns = std::max(segment.min_ns, selection_.from_ns);
  queue_.push(added);
}

/// Puts batches into the queue until the earliest in it is before all that follow.
void RawReader::list_batches() {
  if (listed_batch_ >= selection_.last_batch) return;
  const Query page(database_, "SELECT id, committed_ns, min_ns, max_ns, samples FROM batches WHERE id > ? AND id <= ? ORDER BY id");
  auto& rows = page.rows;
  rows.bind(1, listed_batch_).bind(2, selection_.last_batch);
  while (queue_.empty() || batches_from_ns_ <= queue_.top().from_ns) {
    if (!rows.step() || rows.integer(1) >= plus(selection_.to_ns, late_ns)) {
      listed_batch_ = selection_.last_batch;
      return;
    }
    listed_batch_ = rows.integer(0);
    batches_from_ns_ = plus(rows.integer(1), -late_ns);
    const auto min_ns = rows.integer(2), max_ns = rows.integer(3);
    if (is_odd(rows.integer(1), min_ns, max_ns) || max_ns < selection_.from_ns || min_ns >= selection_.to_ns) continue;
    add({listed_batch_, false, 0, min_ns, max_ns, rows.integer(4), order_of(listed_batch_)});
  }
}

void RawReader::read(Segment segment) {
  const auto before = samples_.size();
  try {
    segment.is_window ? read_window(segment) : read_batch(segment);
  } catch (const SqliteError&) {
    throw;
  } catch (const std::runtime_error& error) {
    samples_.resize(before);
    on_damage_("batch " + std::to_string(segment.id) + ": " + error.what(), segment.min_ns, segment.max_ns);
  }
  sort();
}

/// Up to where a segment with so many samples is read at once. The rest of it goes back into the queue.
std::int64_t RawReader::cut(Segment& segment, std::int64_t samples) {
  const auto length = static_cast<double>(segment.max_ns) - static_cast<double>(segment.min_ns) + 1;
  const auto left = static_cast<double>(segment.max_ns) - static_cast<double>(segment.from_ns) + 1;
  const auto parts = static_cast<double>(samples) * left / length / static_cast<double>(samples_at_once);
  if (!(parts > 1.5) || segment.max_ns == segment.from_ns) return selection_.to_ns;
  const auto step = std::clamp(left / parts, 1.0, 9e18);
  const auto to_ns = plus(segment.from_ns, static_cast<std::int64_t>(step));
  if (to_ns > segment.max_ns || to_ns >= selection_.to_ns) return selection_.to_ns;
  segment.from_ns = to_ns;
  queue_.push(segment);
  return to_ns;
}

void RawReader::read_batch(Segment& segment) {
  {
    const Query batch(database_, "SELECT blob FROM batches WHERE id = ?");
    batch.rows.bind(1, segment.id);
    if (!batch.rows.step()) return;  // expired
    view_.read(batch.rows.blob(0));
  }
  const auto from_ns = segment.from_ns, to_ns = cut(segment, view_.samples());
  const auto take = [&](const BatchView::Column& column) {
    for (std::uint32_t i = 0; i < column.count; ++i)
      if (const auto time_ns = column.time_ns(i); time_ns >= from_ns && time_ns < to_ns)
        samples_.push_back({time_ns, column.value(i), column.series, segment.order});
  };
  if (selection_.series.empty())
    for (std::uint32_t c = 0; c < view_.series(); ++c) take(view_.column(c));
  for (const auto series : selection_.series)
    if (const auto* column = view_.find(series)) take(*column);
}

void RawReader::find_chunks(const Segment& segment) {
  chunks_.clear();
  const auto add_row = [&](Statement& rows) {
    if (rows.integer(1) >= selection_.to_ns || rows.integer(2) < segment.from_ns) return;
    chunks_.push_back({static_cast<std::uint32_t>(window::number_of(rows.integer(0))), rows.integer(1), rows.integer(2),
                       rows.integer(3), rows.integer(4), rows.integer(5)});
  };
  if (selection_.series.empty()) {
    const Query all(database_, "SELECT id, min_ns, max_ns, count, times, vals FROM chunks WHERE id >= ? AND id < ? ORDER BY id");
    all.rows.bind(1, window::row_id(segment.id, 0)).bind(2, window::row_id(segment.id + 1, 0));
    while (all.rows.step()) add_row(all.rows);
  }
  const Query one(database_, "SELECT id, min_ns, max_ns, count, times, vals FROM chunks WHERE id = ?");
  for (const auto series : selection_.series) {
    one.rows.bind(1, window::row_id(segment.id, series));
    if (one.rows.step()) add_row(one.rows);
    one.rows.reset();
  }
}

void RawReader::read_window(Segment& segment) {
  find_chunks(segment);
  std::int64_t samples = 0;
  for (const auto& chunk : chunks_) samples += std::clamp<std::int64_t>(chunk.count, 0, chunk_samples_max);
  const auto whole = segment;
  const auto to_ns = cut(segment, samples);
  for (const auto& chunk : chunks_) {
    if (chunk.min_ns >= to_ns) continue;
    const auto before = samples_.size();
    try {
      take_chunk(whole, chunk, to_ns);
    } catch (const SqliteError&) {
      throw;
    } catch (const std::runtime_error& error) {
      samples_.resize(before);
      on_damage_("series " + std::to_string(chunk.series) + " of window " + std::to_string(whole.id) + ": " + error.what(),
                 chunk.min_ns, chunk.max_ns);
    }
  }
  chunk_reader_.clear();
}

void RawReader::take_chunk(const Segment& segment, const Chunk& chunk, std::int64_t to_ns) {
  chunk_reader_.read(segment.id, chunk.times, chunk.values, chunk.count);
  const auto at = chunk_reader_.times();
  const auto begin = std::lower_bound(at.begin(), at.end(), segment.from_ns);
  const auto end = std::lower_bound(begin, at.end(), to_ns);
  for (auto i = begin; i < end; ++i)
    samples_.push_back({*i, chunk_reader_.values()[static_cast<std::size_t>(i - at.begin())], chunk.series, segment.order});
}

void RawReader::sort() {
  const auto before = [](const RawSample& a, const RawSample& b) {
    return std::tie(a.time_ns, a.series, a.order) < std::tie(b.time_ns, b.series, b.order);
  };
  if (std::is_sorted(samples_.begin(), samples_.end(), before)) return;
  distribute();
  // Within a stretch of time the samples are nearly sorted, and few.
  constexpr std::ptrdiff_t many = 256;
  for (std::size_t b = 0; b + 1 < stretch_begins_.size(); ++b) {
    const auto begin = samples_.begin() + static_cast<std::ptrdiff_t>(stretch_begins_[b]),
               end = samples_.begin() + static_cast<std::ptrdiff_t>(stretch_begins_[b + 1]);
    if (end - begin > many) {
      std::stable_sort(begin, end, before);
      continue;
    }
    for (auto each = begin; each < end; ++each) {  // by insertion
      if (each == begin || !before(*each, *(each - 1))) continue;
      const auto sample = *each;
      auto to = each;
      for (; to > begin && before(sample, *(to - 1)); --to) *to = *(to - 1);
      *to = sample;
    }
  }
}

/// Puts the samples in the order of as many stretches of time as have some 16 each, keeping their order within one: a
/// counting sort.
void RawReader::distribute() {
  const auto by_time = [](const RawSample& a, const RawSample& b) { return a.time_ns < b.time_ns; };
  const auto [first, last] = std::minmax_element(samples_.begin(), samples_.end(), by_time);
  const auto stretches = samples_.size() / 16 + 1;
  const auto from_ns = static_cast<std::uint64_t>(first->time_ns);
  const auto length = static_cast<double>(static_cast<std::uint64_t>(last->time_ns) - from_ns) + 1;
  const auto scale = static_cast<double>(stretches) / length;
  const auto stretch_of = [&](const RawSample& sample) {
    const auto at = static_cast<double>(static_cast<std::uint64_t>(sample.time_ns) - from_ns) * scale;
    return std::min(static_cast<std::size_t>(at), stretches - 1);
  };
  stretch_begins_.assign(stretches + 2, 0);
  for (const auto& sample : samples_) ++stretch_begins_[stretch_of(sample) + 2];
  for (std::size_t b = 2; b < stretch_begins_.size(); ++b) stretch_begins_[b] += stretch_begins_[b - 1];
  unsorted_.swap(samples_);
  samples_.resize(unsorted_.size());
  for (const auto& sample : unsorted_) samples_[stretch_begins_[stretch_of(sample) + 1]++] = sample;
  stretch_begins_.pop_back();  // each begins where the one before has ended by now
}

}  // namespace ringdown
