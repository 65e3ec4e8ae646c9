#include "import_raw.hpp"

#include <algorithm>
#include <utility>

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::size_t batch_samples = 50'000;     // from here on a new second ends it
constexpr std::size_t second_rows_max = 1 << 20;  // and from here on anything
constexpr int checkpoint_pages = 4000;

}  // namespace

ImportRaw::ImportRaw(Store& store, ImportFiles& files, OldSeries& series, std::function<void()> committing)
    : store_(store),
      series_(series),
      committing_(std::move(committing)),
      cover_(store.database()),
      known_end_(series.end()) {
  for (auto& file : files) sources_.push_back({file.get()});
}

void ImportRaw::run(std::int64_t now_s) {
  for (auto& source : sources_) {
    source.file->read(old_raw, now_s);
    advance(source);
  }
  while (auto* const source = earliest()) {
    const bool is_new_second = source->next.time_ns / second_ns > newest_ns_ / second_ns;
    const bool is_full = batch_.samples.size() >= batch_samples && is_new_second;
    if (is_full || batch_.samples.size() >= second_rows_max) commit();
    take(*source);
  }
  commit();
}

void ImportRaw::advance(Source& source) { source.has_next = source.file->next(series_, source.next); }

ImportRaw::Source* ImportRaw::earliest() {
  Source* out = nullptr;
  for (auto& source : sources_)
    if (source.has_next && (!out || source.next.time_ns < out->next.time_ns)) out = &source;
  return out;
}

void ImportRaw::take(Source& source) {
  const auto row = source.next;
  auto& file = *source.file;
  if (row.series == 0) {  // there are many ambiguous ones before it
    advance(source);
    return commit();
  }
  if (row.series < known_end_ && overlaps(file, row.series, bucket_start(row.time_ns / second_ns, 60))) {
    file.doubt(row.id, Doubt::overlap);
  } else {
    const auto second = row.is_whole_second ? second_of(row.series, row.time_ns) : none;
    places_.push_back({second, second == none ? 0 : static_cast<std::uint32_t>(seconds_[second].rows++)});
    batch_.samples.push_back({row.time_ns, row.value, row.series});
    newest_ns_ = std::max(newest_ns_, row.time_ns);
    file.newest_s = std::max(file.newest_s, row.time_ns / second_ns);
    file.stored();
  }
  advance(source);
}

/// Whether samples of the series that are not this file's are in the database, in this minute.
bool ImportRaw::overlaps(const ImportFile& file, std::uint32_t series, std::int64_t minute_s) {
  if (minute_s >= file.own_from_s && minute_s <= file.own_to_s) return false;
  if (checked_.size() <= series) checked_.resize(known_end_);
  auto& known = checked_[series];
  if (known.file != &file || known.minute_s != minute_s)
    known = {&file, minute_s, cover_.has_minute(minute_s, series)};
  return known.overlaps;
}

std::uint32_t ImportRaw::second_of(std::uint32_t series, std::int64_t time_ns) {
  if (last_second_.size() <= series) last_second_.resize(std::max<std::size_t>(series_.end(), series + 1), none);
  auto& last = last_second_[series];
  if (last != none && seconds_[last] == Second{series, time_ns}) return last;
  // Not the series' second before: mostly a new one, but clocks are set, and threads write one after the other.
  const auto key = static_cast<std::uint64_t>(time_ns / second_ns) << 24 | series;  // ids are below 2^24
  const auto [at, is_new] = second_at_.try_emplace(key, static_cast<std::uint32_t>(seconds_.size()));
  if (is_new) seconds_.push_back({series, time_ns});
  return last = at->second;
}

void ImportRaw::place_samples() {
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (const auto [second, nth] = places_[i]; second != none)
      batch_.samples[i].time_ns += nth * second_ns / seconds_[second].rows;
}

void ImportRaw::commit() {
  place_samples();
  batch_.series = series_.take_new();
  for (auto& source : sources_)
    batch_.cursors.push_back(
        source.file->cursor(old_raw, source.has_next ? source.next.id - 1 : source.file->table().last_id()));
  committing_();
  // Later than its newest sample, wherever that is in its second.
  store_.commit(batch_, Store::Clock::now(), newest_ns_ + second_ns);
  samples_ += static_cast<std::int64_t>(batch_.samples.size());
  for (const auto& second : seconds_) last_second_[second.series] = none;
  batch_.clear();
  places_.clear();
  seconds_.clear();
  second_at_.clear();
  newest_ns_ = 0;
  if (store_.database().wal_pages() >= checkpoint_pages) store_.database().checkpoint_passive();
}

}  // namespace ringdown
