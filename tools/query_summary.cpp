#include "query_summary.hpp"

#include <algorithm>
#include <map>

#include "query_tail.hpp"
#include "query_time.hpp"
#include "tier_table.hpp"

namespace ringdown {
namespace {

void add_state(std::vector<StateTime>& states, double state, std::int64_t ns) {
  const auto known = std::find_if(states.begin(), states.end(),
                                  [&](const StateTime& s) { return s.state == state || (s.is_other() && state != state); });
  if (known != states.end())
    known->ns += ns;
  else
    states.push_back({state, ns});
}

/// Takes samples in time order.
class OfSamples : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override {
    auto& summary = all[series.id];
    auto& row = summary.row;
    const auto kind = series.definition.kind;
    if (row.count > 0) {
      if (kind == ring::Kind::counter) row.increase += step(row.last, value);
      if (kind == ring::Kind::state) add_state(row.states, row.last, time_ns - row.last_ns);
    } else {
      row.first = row.min = row.max = value;
      summary.from_ns = row.first_ns = time_ns;
    }
    if (row.count > 0) distances[series.id].add(time_ns - row.last_ns);
    ++row.count;
    row.sum += value;
    row.min = std::min(row.min, value);
    row.max = std::max(row.max, value);
    row.last = value;
    summary.to_ns = row.last_ns = time_ns;
    if (kind == ring::Kind::gauge) row.sketch.add(value);
  }

  /// As they are now.
  std::map<std::uint32_t, Summary> take() {
    for (const auto& [id, distance] : distances) all[id].gaps = distance.gaps();
    return std::move(all);
  }

  std::map<std::uint32_t, Summary> all;  // by series
  std::map<std::uint32_t, Distances> distances;
};

std::map<std::uint32_t, Summary> of_tier(Database& database, const std::string& step, Query& query, bool with_tail) {
  std::map<std::uint32_t, Summary> out;
  struct Apart {
    std::int64_t last_ns = 0;  // bucket that has samples
    Distances buckets;
  };
  std::map<std::uint32_t, Apart> apart;
  TierTable tier(database, "tier_" + step);
  const auto width_s = tier.width_s();
  const auto add = [&](const Series& series, std::int64_t bucket_ns, const Rollup& row) {
    auto& whole = out[series.id];
    if (whole.to_ns == 0) whole.from_ns = bucket_ns;
    whole.to_ns = bucket_ns + tier.width_ns();
    append(series.definition.kind, whole.row, row);
    if (row.count == 0) return;  // a state that held through
    auto& [last_ns, buckets] = apart[series.id];
    if (last_ns != 0) buckets.add((bucket_ns - last_ns) / tier.width_ns());
    last_ns = bucket_ns;
  };
  const Tail tail(database, step, query.range, with_tail);
  query.range = tail.made();
  auto from_s = bucket_start(whole_seconds(query.range.from_ns), width_s);
  const auto to_s = whole_seconds(query.range.to_ns - 1) + 1;
  while (const auto bucket_s = tier.next_bucket(from_s, to_s)) {
    for (const auto& series : query.series) {
      const auto row = tier.find(*bucket_s, series.id);
      if (!row) continue;
      add(series, seconds_in_ns(*bucket_s), *row);
    }
    from_s = *bucket_s + 1;
  }
  tail.for_each(query, [&](const Series& series, ring::Kind, const Window& window, const Rollup& row, double) {
    add(series, window.begin_ns, row);
  });
  for (const auto& [id, known] : apart) {
    const auto gaps = known.buckets.gaps();
    out[id].gaps = {gaps.count, seconds_in_ns(gaps.longest * width_s), seconds_in_ns(gaps.all * width_s)};
  }
  return out;
}

}  // namespace

void write_summaries(Database& database, const std::string& step, Query& query, Writer& writer, bool with_tail) {
  std::map<std::uint32_t, Summary> all;
  if (step == "raw") {
    OfSamples samples;
    const auto limit = std::exchange(query.limit, std::numeric_limits<std::int64_t>::max());
    make_source(database, step)->read(query, samples);
    query.limit = limit;
    query.rows = 0;
    all = samples.take();
  } else {
    const auto limit = std::exchange(query.limit, std::numeric_limits<std::int64_t>::max());
    all = of_tier(database, step, query, with_tail);
    query.limit = limit;
    query.rows = 0;
  }
  for (auto& [id, summary] : all) {
    const auto series = std::lower_bound(query.series.begin(), query.series.end(), id,
                                         [](const auto& s, std::uint32_t wanted) { return s.id < wanted; });
    if (!query.admit()) return;
    std::sort(summary.row.states.begin(), summary.row.states.end(), [](const auto& a, const auto& b) { return a.ns > b.ns; });
    writer.summary(*series, summary);
  }
}

}  // namespace ringdown
