#include "merge.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "seal.hpp"
#include "tier_table.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t samples_max = 1 << 24;       // of a window: as many as a chunk may have
constexpr std::int64_t strays_max = 1 << 20;        // they may be of any time, and are read as a whole

std::int64_t quarter(std::int64_t committed_ns) { return bucket_start(committed_ns, Seal::window_s * 1'000'000'000); }

}  // namespace

bool Merge::run(Budget& budget) try {
  if (!is_making_) {
    if (!choose()) return false;
    made_.begin(window::read_sealed(database_).next_window);
    series_ = 0;
    is_making_ = true;
  }
  Transaction transaction(database_);
  bool more = next_series();
  for (; more && !budget.spent(); more = next_series()) {
    try {
      write_series();
    } catch (const SqliteError&) {
      throw;
    } catch (const std::runtime_error& error) {
      spdlog::error("database {}: {}; that window is left as it is", database_.path(), error.what());
      is_making_ = false;
      ++ended_;
      return true;
    }
    ++series_;
  }
  if (!more) finish();
  transaction.commit();
  if (!more) {
    is_making_ = false;
    ++ended_;
  }
  return true;
} catch (...) {
  ended_ += std::exchange(is_making_, false);
  throw;
}

/// @return whether there are windows in a row that should be one
bool Merge::choose() {
  const auto changes = window::read_sealed(database_).changes;
  if (changes == changes_) return false;
  std::vector<Source> all;
  auto& rows = database_.prepared("SELECT id, first_batch, last_batch, committed_ns, samples, strays, merged FROM windows "
                                  "ORDER BY strays, first_batch, id");
  while (rows.step()) {
    const Source source{rows.integer(0), rows.integer(1), rows.integer(2),      rows.integer(3),
                        rows.integer(4), rows.integer(5), rows.integer(6)};
    if (!damaged_.contains(source.id)) all.push_back(source);
  }
  rows.reset();
  for (std::size_t i = 0; i + windows <= all.size(); ++i) {
    if (!fit(&all[i])) continue;
    sources_.assign(all.begin() + static_cast<std::ptrdiff_t>(i), all.begin() + static_cast<std::ptrdiff_t>(i + windows));
    return true;
  }
  changes_ = changes;
  return false;
}

bool Merge::fit(const Source* first) const {
  std::int64_t samples = 0;
  for (const auto* source = first; source < first + windows; ++source) {
    if (source->strays != first->strays || source->merged != first->merged) return false;
    if (source->strays == 0 && quarter(source->committed_ns) != quarter(first->committed_ns)) return false;
    samples += std::clamp<std::int64_t>(source->samples, 0, samples_max);
  }
  return samples <= (first->strays != 0 ? strays_max : samples_max);
}

/// Moves to the next series that a source has.
bool Merge::next_series() {
  auto& next = database_.prepared("SELECT id FROM chunks WHERE id >= ? AND id < ? ORDER BY id LIMIT 1");
  auto least = std::numeric_limits<std::int64_t>::max();
  for (const auto& source : sources_) {
    next.bind(1, window::row_id(source.id, series_)).bind(2, window::row_id(source.id + 1, 0));
    if (next.step()) least = std::min(least, window::number_of(next.integer(0)));
    next.reset();
  }
  series_ = least;
  return least < std::numeric_limits<std::int64_t>::max();
}

void Merge::write_series() {
  points_.clear();
  auto& chunk = database_.prepared("SELECT times, vals, count FROM chunks WHERE id = ?");
  for (const auto& source : sources_) {
    chunk.bind(1, window::row_id(source.id, series_));
    const bool found = chunk.step();
    const auto times = chunk.integer(0), values = chunk.integer(1), count = chunk.integer(2);
    chunk.reset();
    if (!found) continue;
    try {
      chunk_.read(source.id, times, values, count);
    } catch (const SqliteError&) {
      throw;
    } catch (const std::runtime_error& error) {
      damaged_.insert(source.id);
      throw std::runtime_error("window " + std::to_string(source.id) + ", series " + std::to_string(series_) + ": " +
                               error.what());
    }
    for (std::size_t i = 0; i < chunk_.times().size(); ++i) points_.push_back({chunk_.times()[i], chunk_.values()[i]});
  }
  const auto by_time = [](const Point& a, const Point& b) { return a.time_ns < b.time_ns; };
  if (!std::is_sorted(points_.begin(), points_.end(), by_time))
    std::stable_sort(points_.begin(), points_.end(), by_time);
  made_.add(static_cast<std::uint32_t>(series_), points_);
}

void Merge::finish() {
  made_.publish(sources_.front().first_batch, sources_.back().last_batch, sources_.back().committed_ns,
                sources_.front().strays, sources_.front().merged + 1);
  for (const auto& source : sources_) database_.prepared("DELETE FROM windows WHERE id = ?").bind(1, source.id).run();
  database_.prepared("UPDATE sealed SET next_window = next_window + 1, changes = changes + 1").run();
  chunk_.clear();
}

}  // namespace ringdown
