#include "raw_totals.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <unordered_map>

#include "chunk.hpp"
#include "exact_sum.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

/// A chunk as its row tells it.
struct Chunk {
  std::int64_t window;
  std::uint32_t series;
  std::int64_t times, values;
  Total total;  // of all of it

  explicit Chunk(const Statement& row)
      : window(window::window_of(row.integer(0))),
        series(static_cast<std::uint32_t>(window::number_of(row.integer(0)))),
        times(row.integer(9)),
        values(row.integer(10)),
        total{.count = row.integer(3),
              .min = row.real(4),
              .max = row.real(5),
              .first = row.real(6),
              .last = row.real(7),
              .first_ns = row.integer(1),
              .last_ns = row.integer(2),
              .plain_sum = row.integer(11) ? std::numeric_limits<double>::infinity() : row.real(8)} {}
  static constexpr const char* sql =
      "SELECT id, min_ns, max_ns, count, min, max, first, last, sum, times, vals, sum IS NULL FROM chunks "
      "WHERE id >= ? AND id < ? ORDER BY id";

  /// Throws std::runtime_error for what no chunk can be.
  void check() const {
    const auto within = [&](double value) { return value >= total.min && value <= total.max; };
    const bool holds = total.count >= 1 && total.count <= chunk_samples_max && total.first_ns <= total.last_ns &&
                       std::isfinite(total.min) && std::isfinite(total.max) && within(total.first) &&
                       within(total.last);
    if (holds) return;
    throw std::runtime_error("chunk: its row says " + std::to_string(total.count) + " samples of " +
                             std::to_string(total.min) + " to " + std::to_string(total.max) + ", first " +
                             std::to_string(total.first) + ", last " + std::to_string(total.last) + ", from " +
                             std::to_string(total.first_ns) + " to " + std::to_string(total.last_ns));
  }
};

Total total_of(std::int64_t time_ns, double value) noexcept {
  return {1, value, value, value, value, time_ns, time_ns, value, 0};
}

class Gathering {
 public:
  Gathering(Database& database, const RawReader::Selection& selection, std::int64_t step_ns,
            const RawReader::OnDamage& on_damage)
      : database_(database), selection_(selection), step_ns_(step_ns), on_damage_(on_damage), reader_(database) {}

  void take_windows() {
    Statement windows(database_,
                      "SELECT id FROM windows WHERE max_ns >= ? AND min_ns < ? ORDER BY strays, first_batch");
    Statement chunks(database_, Chunk::sql);
    windows.bind(1, selection_.from_ns).bind(2, selection_.to_ns);
    while (windows.step()) {
      const auto window = windows.integer(0);
      if (selection_.series.empty()) take_chunks(chunks, window::row_id(window, 0), window::row_id(window + 1, 0));
      for (const auto series : selection_.series)
        take_chunks(chunks, window::row_id(window, series), window::row_id(window, series) + 1);
      reader_.clear();
    }
  }

  void take_batches() {
    if (selection_.sealed_only) return;
    auto selection = selection_;
    selection.batches_only = true;
    RawReader batches(database_, std::move(selection), on_damage_);
    for (auto samples = batches.next(); !samples.empty(); samples = batches.next())
      for (const auto& sample : samples)
        at(sample.series, sample.time_ns).total->add(total_of(sample.time_ns, sample.value));
  }

  std::vector<TotalRow> rows() const {
    std::vector<TotalRow> out;
    out.reserve(totals_.size());
    for (const auto& [key, total] : totals_) out.push_back({key.first, key.second, total});
    return out;
  }

 private:
  struct Step {
    std::int64_t start_ns = 0, last_ns = -1;
    Total* total = nullptr;
    bool contains(std::int64_t time_ns) const noexcept { return start_ns <= time_ns && time_ns <= last_ns; }
  };

  void take_chunks(Statement& rows, std::int64_t from_id, std::int64_t to_id) {
    for (rows.bind(1, from_id).bind(2, to_id); rows.step();) {
      const Chunk chunk(rows);
      const auto& whole = chunk.total;
      if (whole.last_ns < selection_.from_ns || whole.first_ns >= selection_.to_ns) continue;
      try {
        chunk.check();
        const bool is_inside = whole.first_ns >= selection_.from_ns && whole.last_ns < selection_.to_ns;
        if (is_inside && bounds(whole.first_ns).contains(whole.last_ns))
          at(chunk.series, whole.first_ns).total->add(whole);
        else
          unpack(chunk);
      } catch (const SqliteError&) {
        throw;
      } catch (const std::runtime_error& error) {
        on_damage_("series " + std::to_string(chunk.series) + " of window " + std::to_string(chunk.window) + ": " +
                       error.what(),
                   whole.first_ns, whole.last_ns);
      }
    }
    rows.reset();
  }

  void unpack(const Chunk& chunk) {
    reader_.read(chunk.window, chunk.times, chunk.values, chunk.total.count);
    const auto times = reader_.times();
    const auto end = std::lower_bound(times.begin(), times.end(), selection_.to_ns);
    for (auto next = std::lower_bound(times.begin(), end, selection_.from_ns); next < end;) {
      const auto step = at(chunk.series, *next);
      for (; next < end && *next <= step.last_ns; ++next)
        step.total->add(total_of(*next, reader_.values()[static_cast<std::size_t>(next - times.begin())]));
    }
  }

  /// The step that has this time, which is in the range.
  Step bounds(std::int64_t time_ns) const noexcept {
    const auto last_ns = selection_.to_ns - 1;
    if (step_ns_ == 0) return {selection_.from_ns, last_ns};
    auto since = time_ns % step_ns_;
    if (since < 0) since += step_ns_;
    const auto left = step_ns_ - 1 - since;
    const auto distance = [](std::int64_t from, std::int64_t to) {
      return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
    };
    return {distance(selection_.from_ns, time_ns) < static_cast<std::uint64_t>(since) ? selection_.from_ns
                                                                                      : time_ns - since,
            distance(time_ns, last_ns) < static_cast<std::uint64_t>(left) ? last_ns : time_ns + left};
  }

  const Step& at(std::uint32_t series, std::int64_t time_ns) {
    auto& step = current_[series];
    if (step.contains(time_ns)) return step;
    step = bounds(time_ns);
    step.total = &totals_[{step.start_ns, series}];
    if (totals_.size() > total_rows_max)
      throw std::length_error("totals of raw samples: more than " + std::to_string(total_rows_max) +
                              " rows, one for each series and step; ask for a longer step, fewer series or a "
                              "shorter range");
    return step;
  }

  Database& database_;
  const RawReader::Selection& selection_;
  std::int64_t step_ns_;
  const RawReader::OnDamage& on_damage_;
  ChunkReader reader_;
  std::map<std::pair<std::int64_t, std::uint32_t>, Total> totals_;  // by start and series
  std::unordered_map<std::uint32_t, Step> current_;                 // by series, the last one asked for
};

}  // namespace

double Total::sum() const noexcept { return exact(plain_sum, errors); }

void Total::add(const Total& later) noexcept {
  constexpr double positive = 0;  // added, makes zeros so
  if (count == 0 || later.first_ns < first_ns) {
    first = later.first + positive;
    first_ns = later.first_ns;
  }
  if (count == 0 || later.last_ns >= last_ns) {
    last = later.last + positive;
    last_ns = later.last_ns;
  }
  min = (count == 0 ? later.min : std::min(min, later.min)) + positive;
  max = (count == 0 ? later.max : std::max(max, later.max)) + positive;
  add_exactly(plain_sum, errors, later.plain_sum);
  errors += later.errors;
  count += later.count;
}

std::vector<TotalRow> raw_totals(Database& database, const RawReader::Selection& selection, std::int64_t step_ns,
                                 const RawReader::OnDamage& on_damage) {
  if (step_ns < 0)
    throw std::invalid_argument("totals of raw samples: step_ns is " + std::to_string(step_ns) +
                                "; expected a positive one, or 0 for no steps");
  if (selection.from_ns >= selection.to_ns) return {};
  const Snapshot snapshot(database);
  Gathering gathering(database, selection, step_ns, on_damage);
  gathering.take_windows();
  gathering.take_batches();
  return gathering.rows();
}

}  // namespace ringdown
