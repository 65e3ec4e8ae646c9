#include "query_tail.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fold.hpp"
#include "query_time.hpp"
#include "tier_table.hpp"

namespace ringdown {

Tail::Tail(Database& database, const std::string& step, const Range& range, bool is_wanted)
    : database_(database), step_(step), width_ns_(0), made_(range), rest_{range.to_ns, range.to_ns} {
  if (!is_wanted) return;
  const TierTable tier(database, "tier_" + step);
  width_ns_ = tier.width_ns();
  constexpr auto earliest_ns = std::numeric_limits<std::int64_t>::min() + 1;  // of a tier that nothing was made of yet
  const auto end_ns = std::max(
      earliest_ns, seconds_in_ns(bucket_start(read_progress(database, tier.name()).frontier_s, tier.width_s())));
  rest_.from_ns = std::max(range.from_ns, end_ns);
  made_.to_ns = std::min(range.to_ns, end_ns);
}

void Tail::for_each(Query& query, const OnWindow& on_row) const {
  if (rest_.from_ns >= rest_.to_ns || query.more) return;
  query.range = rest_;
  for_each_window(database_, width_ns_, {}, query,
                  [&](const Series& series, ring::Kind kind, const Window& window, const Rollup& row, double seconds) {
                    if (row.count > 0 || step_ != "1s") on_row(series, kind, window, row, seconds);
                  });
}

void write_with_tail(Database& database, const std::string& step, Query& query, Writer& writer) {
  const auto range = query.range;
  const Tail tail(database, step, range);
  query.range = tail.made();
  if (query.range.from_ns < query.range.to_ns) make_source(database, step)->read(query, writer);
  tail.for_each(query, [&](const Series& series, ring::Kind, const Window& window, const Rollup& row, double) {
    writer.bucket(series, {whole_seconds(window.begin_ns), row.count, row.sum, row.min, row.max, row.first, row.last,
                           std::isfinite(row.sum)});
  });
  query.range = range;
}

}  // namespace ringdown
