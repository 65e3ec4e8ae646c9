#include "batch_source.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "store.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t never_ms = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t ms_ns = 1'000'000;

/// The millisecond that a time is in, also before 1970.
std::int64_t floor_ms(std::int64_t ns) noexcept { return ns / ms_ns - (ns % ms_ns < 0); }

/// The blob of a batch, read into the view. @return false when it is not there, or cannot be read
bool read_batch(Database& database, std::int64_t id, BatchView& view) {
  auto& row = database.prepared("SELECT blob FROM batches WHERE id = ?");
  struct Reset {
    Statement& row;
    ~Reset() { row.reset(); }
  } const reset{row};
  if (!row.bind(1, id).step()) return false;
  try {
    view.read(row.blob(0));
  } catch (const SqliteError&) {
    throw;
  } catch (const std::runtime_error&) {  // the folds tell of it
    return false;
  }
  return true;
}

}  // namespace

BatchSource::BatchSource(Database& database, const RemoteWriteSettings& settings)
    : database_(database),
      destination_(settings.name),
      wanted_(settings.batch_samples),
      select_(settings.select.begin(), settings.select.end()),
      labels_(settings.labels) {}

void BatchSource::read_series() {
  for (const auto& row : ringdown::read_series(database_, static_cast<std::int64_t>(sent_.size()))) {
    sent_.resize(row.id + std::size_t{1});
    const auto matches = [&](const Selector& selector) { return selector.matches(row.definition); };
    if (std::any_of(select_.begin(), select_.end(), matches))
      sent_.back() = {row.id, row.definition.name, encode_labels(row.definition, "", labels_)};
  }
}

/// O(1); a series that came since the last call is read.
bool BatchSource::is_sent(std::uint32_t series) {
  if (series >= sent_.size()) read_series();
  return series < sent_.size() && !sent_[series].labels.empty();
}

bool BatchSource::next(std::int64_t position, std::int64_t wall_ns, Portion& out) {
  out.position = position;
  out.samples.clear();
  out.held.clear();
  out.rows.clear();
  out.folded = 0;
  unsorted_.clear();
  if (position != read_to_) know(position);
  auto& row = database_.prepared("SELECT id, samples FROM batches WHERE id > ? ORDER BY id LIMIT 1");
  std::int64_t gathered = 0;
  while (gathered < wanted_) {
    const bool found = row.bind(1, out.position).step();
    const auto id = row.integer(0), samples = row.integer(1);
    row.reset();
    if (!found || (gathered > 0 && samples > wanted_ - gathered)) break;
    read(id, floor_ms(wall_ns) + future_ms, out);
    gathered += samples;
    out.position = id;
  }
  if (out.position == position) return false;
  read_to_ = out.position;
  arrange(out);
  return true;
}

bool BatchSource::next_waiting(std::int64_t wall_ns, Portion& out) {
  out = {};
  auto& rows = database_.prepared("SELECT id, series, time_ms, value FROM remote_write_aside WHERE destination = ? AND held = 1 "
                                  "AND time_ms < ? ORDER BY series, time_ms LIMIT ?");
  rows.bind(1, std::string_view(destination_)).bind(2, floor_ms(wall_ns) + future_ms).bind(3, wanted_);
  while (rows.step()) {
    const auto series = static_cast<std::uint32_t>(rows.integer(1));
    out.rows.push_back(rows.integer(0));
    if (is_sent(series)) out.samples.push_back({series, rows.integer(2), rows.real(3)});
  }
  rows.reset();
  return !out.rows.empty();
}

void BatchSource::end(const Ended& ended, Portion& out) {
  out = {};
  for (const auto series : ended.series) {
    if (!is_sent(series)) continue;
    const auto last_ms = newest_ms(series);
    if (last_ms != never_ms && last_ms <= ended.at_ms) out.samples.push_back({series, last_ms + 1, stale_marker()});
  }
}

std::int64_t& BatchSource::newest_ms(std::uint32_t series) {
  if (series >= newest_ms_.size()) newest_ms_.resize(series + std::size_t{1}, never_ms);
  return newest_ms_[series];
}

/// What was sent last of each series, as far as the batch before tells.
void BatchSource::know(std::int64_t batch) {
  newest_ms_.clear();
  read_to_ = batch;
  if (!read_batch(database_, batch, view_)) return;
  for (std::uint32_t c = 0; c < view_.series(); ++c) {
    const auto& column = view_.column(c);
    auto& newest = newest_ms(column.series);
    for (std::uint32_t i = 0; i < column.count; ++i) newest = std::max(newest, floor_ms(column.time_ns(i)));
  }
}

void BatchSource::read(std::int64_t batch, std::int64_t future_from_ms, Portion& out) {
  if (!read_batch(database_, batch, view_)) return;
  for (std::uint32_t c = 0; c < view_.series(); ++c) {
    const auto& column = view_.column(c);
    if (!is_sent(column.series)) continue;
    for (std::uint32_t i = 0; i < column.count; ++i) {
      const auto time_ms = floor_ms(column.time_ns(i));
      if (time_ms < future_from_ms)
        unsorted_.push_back({column.series, time_ms, column.value(i)});
      else
        out.held.push_back({column.series, sent_[column.series].metric, time_ms, column.value(i), true,
                            "more than a minute in the future"});
    }
  }
}

/// A counting sort by series, which leaves the order within each; then by time, where that is needed.
void BatchSource::arrange(Portion& out) {
  present_.clear();
  for (const auto& sample : unsorted_) {
    if (sample.series >= counts_.size()) counts_.resize(sample.series + std::size_t{1});
    if (counts_[sample.series]++ == 0) present_.push_back(sample.series);
  }
  std::sort(present_.begin(), present_.end());
  std::uint32_t begin = 0;
  for (const auto series : present_) begin += std::exchange(counts_[series], begin);
  out.samples.resize(unsorted_.size());
  for (const auto& sample : unsorted_) out.samples[counts_[sample.series]++] = sample;

  auto kept = out.samples.begin();
  begin = 0;
  for (const auto series : present_) {
    const auto end = std::exchange(counts_[series], 0);
    const auto first = out.samples.begin() + begin, last = out.samples.begin() + end;
    const auto by_time = [](const RemoteSample& a, const RemoteSample& b) { return a.time_ms < b.time_ms; };
    if (!std::is_sorted(first, last, by_time)) std::stable_sort(first, last, by_time);
    auto& newest = newest_ms(series);
    auto before = never_ms;
    for (auto sample = first; sample != last; ++sample)
      if (sample->time_ms != newest && sample->time_ms != before) before = (*kept++ = *sample).time_ms;
    newest = std::max(newest, (last - 1)->time_ms);
    begin = end;
  }
  out.folded = out.samples.end() - kept;
  out.samples.erase(kept, out.samples.end());
}

}  // namespace ringdown
