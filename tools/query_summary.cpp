#include "query_summary.hpp"

#include <algorithm>
#include <map>

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

std::map<std::uint32_t, Summary> of_tier(Database& database, const std::string& name, Query& query) {
  std::map<std::uint32_t, Summary> out;
  struct Apart {
    std::int64_t last_s = 0;  // bucket that has samples
    Distances buckets;
  };
  std::map<std::uint32_t, Apart> apart;
  TierTable tier(database, name);
  const auto width_s = tier.width_s();
  auto from_s = bucket_start(whole_seconds(query.range.from_ns), width_s);
  const auto to_s = whole_seconds(query.range.to_ns - 1) + 1;
  while (const auto bucket_s = tier.next_bucket(from_s, to_s)) {
    for (const auto& series : query.series) {
      const auto row = tier.find(*bucket_s, series.id);
      if (!row) continue;
      auto& whole = out[series.id];
      if (whole.to_ns == 0) whole.from_ns = seconds_in_ns(*bucket_s);
      whole.to_ns = seconds_in_ns(*bucket_s + width_s);
      append(series.definition.kind, whole.row, *row);
      if (row->count == 0) continue;  // a state that held through
      auto& [last_s, buckets] = apart[series.id];
      if (last_s != 0) buckets.add((*bucket_s - last_s) / width_s);
      last_s = *bucket_s;
    }
    from_s = *bucket_s + 1;
  }
  for (const auto& [id, known] : apart) {
    const auto gaps = known.buckets.gaps();
    out[id].gaps = {gaps.count, seconds_in_ns(gaps.longest * width_s), seconds_in_ns(gaps.all * width_s)};
  }
  return out;
}

}  // namespace

void write_summaries(Database& database, const std::string& step, Query& query, Writer& writer) {
  std::map<std::uint32_t, Summary> all;
  if (step == "raw") {
    OfSamples samples;
    const auto limit = std::exchange(query.limit, std::numeric_limits<std::int64_t>::max());
    make_source(database, step)->read(query, samples);
    query.limit = limit;
    query.rows = 0;
    all = samples.take();
  } else {
    all = of_tier(database, "tier_" + step, query);
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
