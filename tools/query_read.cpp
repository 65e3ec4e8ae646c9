#include "query_read.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ringdown {
namespace {

/// Ends the statement's read transaction.
struct Reset {
  Statement& statement;
  ~Reset() { statement.reset(); }
};

/// The samples in the batches that are there when it is made.
class Samples : public Source {
 public:
  explicit Samples(Database& database)
      : database_(database),
        page_(database,
              "SELECT id, min_ns, max_ns FROM batches WHERE id > ? AND id <= ? ORDER BY id LIMIT 1000"),
        blob_(database, "SELECT blob FROM batches WHERE id = ?"),
        last_id_(database.query_integer("SELECT max(id) FROM batches")) {}

  void read(Query& query, Writer& writer) override {
    std::int64_t done = 0;
    while (!query.more && read_page(done, query))
      for (const auto id : ids_) {
        if (query.more) break;
        print_batch(id, query, writer);
      }
  }

 private:
  struct Row {
    std::int64_t time_ns;
    double value;
    const Series* series;
  };

  /// Finds the next batches in the range. @return false at the end
  bool read_page(std::int64_t& done, Query& query) {
    ids_.clear();
    page_.bind(1, done).bind(2, last_id_);
    const Reset reset{page_};
    const auto before = done;
    while (page_.step()) {
      done = page_.integer(0);
      const auto min_ns = page_.integer(1), max_ns = page_.integer(2);
      if (!query.held) query.held = {min_ns, max_ns};
      query.held->from_ns = std::min(query.held->from_ns, min_ns);
      query.held->to_ns = std::max(query.held->to_ns, max_ns);
      if (max_ns >= query.range.from_ns && min_ns < query.range.to_ns) ids_.push_back(done);
    }
    return done > before;
  }

  void print_batch(std::int64_t id, Query& query, Writer& writer) {
    try {
      take_rows(id, query);
    } catch (const std::runtime_error& e) {
      complain(
          fmt::format("database {}: batch {}: {}; its samples are left out", database_.path(), id, e.what()));
      query.failed = true;
      return;
    }
    std::stable_sort(rows_.begin(), rows_.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
    for (const auto& row : rows_) {
      if (!query.admit()) return;
      writer.sample(*row.series, row.time_ns, row.value);
    }
  }

  void take_rows(std::int64_t id, const Query& query) {
    rows_.clear();
    blob_.bind(1, id);
    const Reset reset{blob_};
    if (!blob_.step()) return;  // deleted in the meantime
    const BatchView view(blob_.blob(0));
    for (const auto& series : query.series) {
      const auto* column = view.find(series.id);
      for (std::uint32_t i = 0; column && i < column->count; ++i)
        if (query.range.contains(column->time_ns(i)))
          rows_.push_back({column->time_ns(i), column->value(i), &series});
    }
  }

  Database& database_;
  Statement page_, blob_;
  std::int64_t last_id_;
  std::vector<std::int64_t> ids_;
  std::vector<Row> rows_;
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
    query.held = {in_ns(first_s_), in_ns(last_s_)};
    Statement next(database_, "SELECT bucket FROM " + tier_ +
                                  " WHERE bucket >= ? AND bucket <= ? ORDER BY bucket LIMIT 1");
    Statement rows(database_, "SELECT series, count, sum, min, max, first, last, sum IS NULL FROM " + tier_ +
                                  " WHERE bucket = ?" + only(query) + " ORDER BY series");
    auto from_s = in_seconds(query.range.from_ns);
    from_s -= (from_s % width_s_ + width_s_) % width_s_;
    const auto to_s = std::min(last_s_, in_seconds(query.range.to_ns - 1));
    while (!query.more && find(next, from_s, to_s, query)) {
      take_rows(rows, from_s++, query);
      for (const auto& [series, bucket] : rows_) {
        if (!query.admit()) return;
        writer.bucket(*series, bucket);
      }
    }
  }

 private:
  static std::int64_t in_seconds(std::int64_t time_ns) noexcept {
    constexpr std::int64_t second_ns = 1'000'000'000;
    return time_ns / second_ns - (time_ns % second_ns < 0 ? 1 : 0);
  }
  static std::int64_t in_ns(std::int64_t time_s) noexcept {
    return std::clamp<std::int64_t>(time_s, -9'223'372'036, 9'223'372'036) * 1'000'000'000;
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
    rows_.clear();
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

std::unique_ptr<Source> make_source(Database& database, const std::string& step) {
  if (step == "raw") return std::make_unique<Samples>(database);
  return std::make_unique<Rollups>(database, step);
}

}  // namespace ringdown
