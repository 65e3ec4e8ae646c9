#include "query_summary.hpp"

#include <algorithm>
#include <map>

#include "tier_table.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

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
    ++row.count;
    row.sum += value;
    row.min = std::min(row.min, value);
    row.max = std::max(row.max, value);
    row.last = value;
    summary.to_ns = row.last_ns = time_ns;
    if (kind == ring::Kind::gauge) row.sketch.add(value);
  }

  std::map<std::uint32_t, Summary> all;  // by series
};

/// Adds the row of the next bucket.
void add(Summary& whole, const Rollup& next, std::int64_t start_ns, std::int64_t end_ns) {
  auto& row = whole.row;
  if (row.count == 0 && next.count > 0) {
    row.min = next.min;
    row.max = next.max;
    row.first = next.first;
    row.first_ns = next.first_ns;
  }
  if (whole.to_ns == 0) whole.from_ns = start_ns;
  whole.to_ns = end_ns;
  if (next.count > 0) {
    row.count += next.count;
    row.sum += next.sum;
    row.min = std::min(row.min, next.min);
    row.max = std::max(row.max, next.max);
    row.last_ns = next.last_ns;
  }
  row.last = next.last;
  row.increase += next.increase;
  for (const auto& [state, ns] : next.states) add_state(row.states, state, ns);
  row.sketch.merge(next.sketch);
}

std::map<std::uint32_t, Summary> of_tier(Database& database, const std::string& name, Query& query) {
  std::map<std::uint32_t, Summary> out;
  TierTable tier(database, name);
  const auto width_s = tier.width_s();
  Statement bucket_after(database, "SELECT bucket FROM " + name + " WHERE bucket >= ? AND bucket <= ? ORDER BY bucket LIMIT 1");
  const auto in_seconds = [](std::int64_t ns) { return ns / second_ns - (ns % second_ns < 0 ? 1 : 0); };
  auto from_s = bucket_start(in_seconds(query.range.from_ns), width_s);
  const auto to_s = in_seconds(query.range.to_ns - 1);
  for (;;) {
    bucket_after.bind(1, from_s).bind(2, to_s);
    const bool found = bucket_after.step();
    const auto bucket_s = found ? bucket_after.integer(0) : 0;
    bucket_after.reset();
    if (!found || bucket_s < from_s) return out;
    for (const auto& series : query.series)
      if (const auto row = tier.find(bucket_s, series.id))
        add(out[series.id], *row, bucket_s * second_ns, (bucket_s + width_s) * second_ns);
    from_s = bucket_s + 1;
  }
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
    all = std::move(samples.all);
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
