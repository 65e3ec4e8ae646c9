#include "query_read.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "query_time.hpp"
#include "raw_reader.hpp"
#include "tier_table.hpp"

namespace ringdown {
namespace {

/// Ends the statement's read transaction.
struct Reset {
  Statement& statement;
  ~Reset() { statement.reset(); }
};

/// The raw samples, by time.
class Samples : public Source {
 public:
  Samples(Database& database, std::int64_t last_batch) : database_(database), last_batch_(last_batch) {}

  void read(Query& query, Writer& writer) override {
    read_held(query);
    RawReader::Selection selection{.from_ns = query.range.from_ns, .to_ns = query.range.to_ns, .last_batch = last_batch_};
    if (query.series.empty()) return;
    tell_resolution(query);
    if (!query.every_series)
      for (const auto& series : query.series) selection.series.push_back(series.id);
    RawReader reader(database_, std::move(selection), [&](const auto& what, auto, auto) {
      complain(fmt::format("database {}: {}; its samples are left out", database_.path(), what));
      query.failed = true;
    });
    for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
      for (const auto& sample : samples) {
        const auto* series = find(query, sample.series);
        if (!series) continue;  // newer than the query
        if (!query.admit()) return;
        writer.sample(*series, sample.time_ns, sample.value);
      }
  }

 private:
  void read_held(Query& query) {
    Statement ends(database_, std::string("SELECT min(min_ns), max(max_ns), count(*) FROM ") + raw_parts);
    if (ends.step() && ends.integer(2) > 0) query.held = {ends.integer(0), ends.integer(1)};
  }
  /// What is not kept to the last bit should be known by who reads it.
  void tell_resolution(const Query& query) {
    Statement rounded(database_, "SELECT id, resolution FROM series WHERE resolution > 0 ORDER BY id");
    while (rounded.step())
      if (const auto* series = find(query, static_cast<std::uint32_t>(rounded.integer(0))))
        complain(fmt::format("{}{} is kept to multiples of {} (resolution, in a rule)", series->definition.name,
                             series->labels, rounded.real(1)));
  }
  const Series* find(const Query& query, std::uint32_t id) {
    if (id < by_id_.size() && by_id_[id]) return by_id_[id];
    const auto found = std::lower_bound(query.series.begin(), query.series.end(), id,
                                        [](const auto& series, auto wanted) { return series.id < wanted; });
    if (found == query.series.end() || found->id != id) return nullptr;
    if (id >= by_id_.size()) by_id_.resize(query.series.back().id + std::size_t{1});
    return by_id_[id] = &*found;
  }

  Database& database_;
  std::int64_t last_batch_;
  std::vector<const Series*> by_id_;
};

/// The rows of a tier, up to the newest bucket that is there when it is made.
class Rollups : public Source {
 public:
  Rollups(Database& database, const std::string& step)
      : database_(database), tier_("tier_" + step), width_s_(step == "1s" ? 1 : step == "1m" ? 60 : step == "5m" ? 300 : 3600) {
    Statement ends(database,
                   fmt::format("SELECT (SELECT min(bucket) FROM {0}), (SELECT max(bucket) FROM {0}) "
                               "WHERE EXISTS (SELECT 1 FROM {0})",
                               tier_));
    if (!ends.step()) return;
    first_s_ = ends.integer(0);
    last_s_ = ends.integer(1);
  }

  void read(Query& query, Writer& writer) override {
    if (first_s_ > last_s_) return;
    query.held = {seconds_in_ns(first_s_), seconds_in_ns(last_s_)};
    Statement next(database_, "SELECT bucket FROM " + tier_ +
                                  " WHERE bucket >= ? AND bucket <= ? ORDER BY bucket LIMIT 1");
    Statement rows(database_, "SELECT series, count, sum, min, max, first, last, sum IS NULL FROM " + tier_ +
                                  " WHERE bucket = ?" + only(query) + " ORDER BY series");
    auto from_s = bucket_start(whole_seconds(query.range.from_ns), width_s_);
    const auto to_s = std::min(last_s_, whole_seconds(query.range.to_ns - 1));
    while (!query.more && read_some(next, rows, from_s, to_s, query)) {
      for (const auto& [series, bucket] : rows_) {
        if (!query.admit()) return;
        writer.bucket(*series, bucket);
      }
    }
  }

 private:
  /// The rows of the next buckets that are there, under one lock. @return false at the end
  bool read_some(Statement& next, Statement& rows, std::int64_t& from_s, std::int64_t to_s, Query& query) {
    constexpr std::size_t rows_max = 1000;
    const Snapshot snapshot(database_);
    rows_.clear();
    bool any = false;
    for (int buckets = 0; buckets < 256 && rows_.size() < rows_max && find(next, from_s, to_s, query); ++buckets, any = true)
      take_rows(rows, from_s++, query);
    return any;
  }

  static std::string only(const Query& query) {
    if (query.every_series) return "";
    std::string ids;
    for (const auto& series : query.series) ids += (ids.empty() ? "" : ",") + std::to_string(series.id);
    return " AND series IN (" + ids + ")";
  }

  /// Moves `bucket` to the next one there is. @return false at the end
  bool find(Statement& next, std::int64_t& bucket, std::int64_t last, Query& query) {
    next.bind(1, bucket).bind(2, last);
    const Reset reset{next};
    if (!next.step()) return false;
    if (next.integer(0) < bucket) {  // would go round in circles
      complain(fmt::format("database {}: {} is damaged: after bucket {} comes {}; later ones are left out",
                           database_.path(), tier_, bucket - 1, next.integer(0)));
      query.failed = true;
      return false;
    }
    bucket = next.integer(0);
    return true;
  }

  void take_rows(Statement& rows, std::int64_t bucket, const Query& query) {
    rows.bind(1, bucket);
    const Reset reset{rows};
    while (rows.step()) {
      const auto series = std::lower_bound(query.series.begin(), query.series.end(), rows.integer(0),
                                           [](const auto& s, std::int64_t id) { return s.id < id; });
      if (series == query.series.end() || series->id != rows.integer(0)) continue;  // newer than the query
      rows_.push_back({&*series,
                       {bucket, rows.integer(1), rows.real(2), rows.real(3), rows.real(4), rows.real(5),
                        rows.real(6), rows.integer(7) == 0 && std::isfinite(rows.real(2))}});
    }
  }

  Database& database_;
  std::string tier_;
  std::int64_t width_s_;
  std::int64_t first_s_ = 0, last_s_ = -1;  // buckets; none yet
  std::vector<std::pair<const Series*, Bucket>> rows_;
};

}  // namespace

std::unique_ptr<Source> make_source(Database& database, const std::string& step, std::int64_t last_batch) {
  if (step == "raw") return std::make_unique<Samples>(database, last_batch);
  return std::make_unique<Rollups>(database, step);
}

}  // namespace ringdown
