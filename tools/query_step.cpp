#include "query_step.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "raw_reader.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

struct Candidate {
  std::string step;
  std::int64_t first_ns;  // how far back it reaches
  double rows;            // a series, in the range
};

/// Samples in the range, as if those of a window or batch came evenly, by series.
std::optional<Candidate> raw(Database& database, const Range& range) {
  Statement parts(database, std::string("SELECT min_ns, max_ns, samples FROM ") + raw_parts);
  std::optional<Candidate> out;
  double samples = 0;
  while (parts.step()) {
    const auto first = parts.integer(0), last = std::max(parts.integer(1), first);
    if (!out) out = Candidate{"raw", first, 0};
    out->first_ns = std::min(out->first_ns, first);
    const auto whole = static_cast<double>(last) - static_cast<double>(first) + 1;
    const auto inside = static_cast<double>(std::min(last, range.to_ns - 1)) - static_cast<double>(std::max(first, range.from_ns)) + 1;
    samples += parts.real(2) * std::clamp(inside / whole, 0.0, 1.0);
  }
  if (out) out->rows = samples / static_cast<double>(std::max<std::int64_t>(1, database.query_integer("SELECT count(*) FROM series")));
  return out;
}

std::optional<Candidate> tier(Database& database, const Range& range, const std::string& step, std::int64_t width_s) {
  Statement ends(database, "SELECT min(bucket), max(bucket), count(*) FROM (SELECT (SELECT min(bucket) FROM tier_" + step +
                               ") AS bucket UNION ALL SELECT (SELECT max(bucket) FROM tier_" + step + ")) WHERE bucket NOT NULL");
  if (!ends.step() || ends.integer(2) == 0) return {};
  const auto first_s = ends.integer(0), end_s = ends.integer(1) + width_s;
  const auto from_s = std::max(first_s, range.from_ns / second_ns), to_s = std::min(end_s, range.to_ns / second_ns);
  return Candidate{step, first_s * second_ns, std::max(0.0, static_cast<double>(to_s - from_s) / static_cast<double>(width_s))};
}

}  // namespace

std::string choose_step(Database& database, const Range& range, std::int64_t rows_max) {
  const Snapshot snapshot(database);
  std::vector<Candidate> known;  // the finest first
  const auto add = [&](std::optional<Candidate> candidate) {
    if (candidate) known.push_back(std::move(*candidate));
  };
  add(raw(database, range));
  add(tier(database, range, "1m", 60));
  add(tier(database, range, "5m", 300));
  add(tier(database, range, "1h", 3600));
  if (known.empty()) return "raw";
  auto earliest_ns = std::numeric_limits<std::int64_t>::max();
  for (const auto& c : known) earliest_ns = std::min(earliest_ns, c.first_ns);
  // A bucket begins before its first sample: an hour is no difference in how far back they reach.
  const auto needed_ns = std::max(range.from_ns, earliest_ns) + 3600 * second_ns;
  std::erase_if(known, [&](const Candidate& c) { return c.first_ns > needed_ns; });
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const Candidate& c) { return c.rows <= static_cast<double>(rows_max); });
  return found != known.end() ? found->step : known.back().step;
}

}  // namespace ringdown
