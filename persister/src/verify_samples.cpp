// verify_samples.cpp: compares tier_1s and tier_1m with the raw samples, 60 buckets at a time.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "batch.hpp"
#include "fold.hpp"
#include "raw_reader.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"
#include "verify.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t never_s = -9'223'372'036;   // progress.expired at first
constexpr std::int64_t late_ns = 120'000'000'000;  // what is later or earlier than this is in batches_odd
constexpr std::int64_t window_buckets = 60;
constexpr const char* odd = "(min_ns < committed_ns - 120000000000 OR max_ns >= committed_ns + 60000000000)";

std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum;
  return !__builtin_add_overflow(a, b, &sum) ? sum : b > 0 ? std::numeric_limits<std::int64_t>::max() : never;
}
std::int64_t ns(std::int64_t s) noexcept {
  std::int64_t out;
  return !__builtin_mul_overflow(s, second_ns, &out) ? out
         : s > 0                                     ? std::numeric_limits<std::int64_t>::max()
                                                     : never;
}

class SampleCheck {
 public:
  SampleCheck(Database& database, const std::string& tier, Verified& out, Verified::Check& check)
      : database_(database),
        out_(out),
        check_(check),
        tier_(database, tier),
        rules_(database),
        progress_(read_progress(database, tier)),
        kept_from_s_(std::max(kept_from_s(database, tier), kept_from_s(database, "batches"))),
        next_row_(database, "SELECT bucket FROM " + tier + " WHERE bucket >= ? ORDER BY bucket LIMIT 1"),
        rows_(database, "SELECT bucket, series, count, min, max FROM " + tier +
                            " WHERE bucket >= ? AND bucket < ? ORDER BY bucket, series"),
        batches_(
            database,
            fmt::format(
                "SELECT id, committed_ns, min_ns, max_ns, {}, blob FROM batches WHERE id >= ? ORDER BY id",
                odd)),
        sealed_(database, {.sealed_only = true},
                [this](const auto&, auto min_ns, auto max_ns) { damaged_.push_back({min_ns, max_ns}); }),
        batch_(database, "SELECT id, committed_ns, min_ns, max_ns, 1, blob FROM batches WHERE id = ?") {
    Statement damaged(database, "SELECT min_ns, max_ns FROM batches JOIN damaged_batches ON batch = id");
    while (damaged.step()) damaged_.push_back({damaged.integer(0), damaged.integer(1)});
    early_are_gone_ = kept_from_s(database, "batches") > never_s &&
                      database.query_integer("SELECT count FROM anomalies WHERE kind = 'future'") > 0;
    const auto through = window::read_sealed(database).through_batch;
    from_id_ = through + 1;
    find_odd();
  }

  void run(const Told& told) {
    const auto last_s = database_.query_integer(
        "SELECT max(coalesce((SELECT max(bucket) FROM " + tier_.name() +
        "), 0), "
        "coalesce((SELECT max_ns FROM batches ORDER BY id DESC LIMIT 1), 0) / 1000000000)");
    std::optional<std::int64_t> first_s;
    for (auto window = next_window(kept_from_s_); window; window = next_window(*window + window_s())) {
      if (!first_s) first_s = *window;
      check_window(*window);
      told("samples in " + tier_.name(),
           static_cast<double>(*window - *first_s) /
               static_cast<double>(std::max(last_s - *first_s, std::int64_t{1})));
    }
  }

 private:
  struct Samples {
    std::int64_t count = 0;
    double min = 0, max = 0;
    bool future = false, rounded = false;
    void add(double value) {
      if (count++ == 0) min = max = value;
      min = std::min(min, value);
      max = std::max(max, value);
    }
  };
  struct Span {
    std::int64_t min_ns, max_ns;
  };

  std::int64_t window_s() const noexcept { return window_buckets * tier_.width_s(); }
  std::int64_t bucket_s(std::int64_t time_ns) const noexcept {
    return bucket_start(time_ns, tier_.width_ns()) / second_ns;
  }
  std::int64_t done(std::int64_t series) const noexcept {
    return series < progress_.series ? progress_.target : progress_.done;
  }
  std::int64_t frontier_s(std::int64_t series) const noexcept {
    return series < progress_.series ? progress_.next_frontier_s : progress_.frontier_s;
  }
  std::uint64_t key(std::int64_t bucket, std::int64_t series) const noexcept {
    return static_cast<std::uint64_t>((bucket - window_) / tier_.width_s()) << 32 |
           static_cast<std::uint32_t>(series);
  }

  /// Which windows the batches touch whose samples are not of their time.
  void find_odd() {
    Statement each(
        database_,
        fmt::format("SELECT id, committed_ns, min_ns, max_ns, 1, blob FROM batches WHERE {} AND id >= {} ORDER BY id",
                    odd, from_id_));
    while (each.step())
      if (const auto view = read(each))
        for (std::uint32_t c = 0; c < view->series(); ++c)
          for (std::uint32_t i = 0; i < view->column(c).count; ++i) {
            auto& ids = odd_[bucket_start(bucket_s(view->column(c).time_ns(i)), window_s())];
            if (ids.empty() || ids.back() != each.integer(0)) ids.push_back(each.integer(0));
          }
  }

  /// Nothing when it cannot be read: its buckets are then left out.
  std::optional<BatchView> read(Statement& row) {
    try {
      return BatchView(row.blob(5));
    } catch (const std::runtime_error&) {  // told of by the pass over the batches
      damaged_.push_back({row.integer(2), row.integer(3)});
      return {};
    }
  }

  /// The next one with rows or samples in it.
  std::optional<std::int64_t> next_window(std::int64_t from_s) {
    std::optional<std::int64_t> least;
    const auto may_be = [&](std::int64_t at_s) { least = std::min(at_s, least.value_or(at_s)); };
    next_row_.bind(1, from_s);
    if (next_row_.step()) may_be(next_row_.integer(0));
    next_row_.reset();
    if (skip_sealed(from_s)) may_be(bucket_s(time_of(block_[at_])));
    if (const auto at = odd_.lower_bound(from_s); at != odd_.end()) may_be(at->first);
    batches_.bind(1, from_id_);
    while (batches_.step()) {
      if (batches_.integer(1) >= plus(ns(from_s), -future_ns)) {
        if (batches_.integer(4) || batches_.integer(3) < ns(from_s)) continue;
        may_be(std::max(bucket_s(batches_.integer(2)), from_s));
        break;
      }
      from_id_ = batches_.integer(0);
    }
    batches_.reset();
    if (least) least = bucket_start(*least, window_s());
    return least;
  }

  /// Moves to the first sealed sample of this time or later. @return whether there is one
  bool skip_sealed(std::int64_t from_s) {
    for (;; ++at_) {
      if (at_ >= block_.size()) {
        block_ = sealed_.next();
        at_ = 0;
        if (block_.empty()) return false;
      }
      if (bucket_s(time_of(block_[at_])) >= from_s) return true;
    }
  }
  static std::int64_t time_of(const RawSample& sample) { return std::max(sample.time_ns, never + 3600 * second_ns); }

  /// What is sealed is in the tiers, whatever their frontiers.
  void take_sealed() {
    const auto end_s = window_ + window_s();
    for (auto from_s = std::max(window_, kept_from_s_); skip_sealed(from_s); ++at_) {
      const auto& sample = block_[at_];
      const auto bucket = bucket_s(time_of(sample));
      if (bucket >= end_s) return;
      const auto& rule = rules_.of(sample.series);
      if (!tier_.has_detail() && !rule.tier_1s) continue;
      auto& samples = expected_[key(bucket, sample.series)];
      samples.add(sample.value);
      samples.future |= bucket >= frontier_s(sample.series);
      samples.rounded |= rule.resolution > 0;
    }
  }

  void check_window(std::int64_t window) {
    window_ = window;
    expected_.clear();
    take_sealed();
    batches_.bind(1, from_id_);
    while (batches_.step() && batches_.integer(1) <= plus(ns(window + window_s()), late_ns))
      if (!batches_.integer(4) && batches_.integer(2) < ns(window + window_s()) &&
          batches_.integer(3) >= ns(window))
        take(batches_);
    batches_.reset();
    if (const auto ids = odd_.find(window); ids != odd_.end())
      for (const auto id : ids->second) {
        batch_.bind(1, id);
        if (batch_.step()) take(batch_);
        batch_.reset();
      }
    rows_.bind(1, window).bind(2, window + window_s());
    while (rows_.step()) check_row();
    rows_.reset();
    for (const auto& [at, samples] : expected_) {
      const auto bucket = window_ + static_cast<std::int64_t>(at >> 32) * tier_.width_s();
      report(bucket, static_cast<std::uint32_t>(at),
             fmt::format("no row, expected one with count {}", samples.count));
    }
  }

  void take(Statement& row) {
    const auto view = read(row);
    for (std::uint32_t c = 0; view && c < view->series(); ++c)
      take_column(row.integer(0), plus(row.integer(1), future_ns), view->column(c));
  }

  void take_column(std::int64_t batch, std::int64_t future_from_ns, const BatchView::Column& column) {
    if (!tier_.has_detail() && !rules_.of(column.series).tier_1s) return;
    const auto frontier_ns = ns(frontier_s(column.series));
    std::int64_t skipped = 0, bucket_before = 0;
    Samples* samples = nullptr;
    for (std::uint32_t i = 0; i < column.count; ++i) {
      const auto time_ns = std::max(column.time_ns(i), never + tier_.width_ns());
      const auto bucket = bucket_s(time_ns);
      if (bucket < window_ || bucket >= window_ + window_s() || bucket < kept_from_s_) continue;
      const bool future = time_ns >= future_from_ns;
      if (batch > done(column.series) || (time_ns >= frontier_ns && !future)) {
        skipped += batch < progress_.replay;
        continue;
      }
      if (!samples || bucket != bucket_before) samples = &expected_[key(bucket, column.series)];
      bucket_before = bucket;
      samples->add(column.value(i));
      samples->future |= future;
    }
    if (skipped > 0)
      out_.progress.find(
          fmt::format("progress {} replay: {}, but batch {} has {} samples of series {} that are not in "
                      "the tier yet; expected {} at most",
                      tier_.name(), progress_.replay, batch, skipped, column.series, batch));
  }

  void check_row() {
    const auto bucket = rows_.integer(0), series = rows_.integer(1), count = rows_.integer(2);
    if (bucket < kept_from_s_) return;
    ++check_.rows;
    const auto known = expected_.find(key(bucket, series));
    const auto samples = known == expected_.end() ? Samples{} : known->second;
    if (known != expected_.end()) expected_.erase(known);
    if (!rules_.has(series)) return;  // told of with the references
    if (!tier_.has_detail() && !rules_.of(static_cast<std::uint32_t>(series)).tier_1s)
      return report(bucket, series,
                    fmt::format("a row with count {}, expected none: series.tier_1s is 0", count));
    const bool raw_is_gone = early_are_gone_ || ns(bucket) < rules_.of(static_cast<std::uint32_t>(series)).raw_from_ns;
    if (bucket >= frontier_s(series) && count > 0) {
      ++out_.frontiers.rows;
      if (samples.count == 0 && raw_is_gone) {
        ++out_.frontiers.left_out;
        return;
      }
      if (samples.count == 0)
        return out_.frontiers.find(
            place(tier_.name(), bucket, series) +
            fmt::format("a row with count {}, expected none: the frontier is {}", count, frontier_s(series)));
      out_.frontiers.future += samples.future;
    }
    if (count > samples.count && raw_is_gone)
      ++check_.left_out;
    else if (count != samples.count)
      report(bucket, series, fmt::format("count {}, expected {}", count, samples.count));
    else if (count > 0 && !samples.rounded && (rows_.real(3) != samples.min || rows_.real(4) != samples.max))
      report(bucket, series,
             fmt::format("min {} and max {}, expected {} and {}", rows_.real(3), rows_.real(4), samples.min,
                         samples.max));
  }

  void report(std::int64_t bucket, std::int64_t series, const std::string& what) {
    const auto from_ns = ns(bucket), to_ns = plus(from_ns, tier_.width_ns());
    if (std::any_of(damaged_.begin(), damaged_.end(),
                    [&](const auto& d) { return d.min_ns < to_ns && d.max_ns >= from_ns; }))
      ++check_.left_out;
    else
      check_.find(place(tier_.name(), bucket, series) + what + " by the raw samples");
  }

  Database& database_;
  Verified& out_;
  Verified::Check& check_;
  TierTable tier_;
  SeriesRules rules_;
  Progress progress_;
  std::int64_t kept_from_s_;
  Statement next_row_, rows_, batches_;
  RawReader sealed_;
  Statement batch_;
  std::span<const RawSample> block_;  // of it; those before at_ are done
  std::size_t at_ = 0;
  std::int64_t from_id_;  // batches before it have nothing for this window and later ones, but for odd_
  std::map<std::int64_t, std::vector<std::int64_t>> odd_;  // batches by window
  std::vector<Span> damaged_;
  bool early_are_gone_;  // rows may have samples of batches that were deleted when the time of these had not
                         // come yet
  std::int64_t window_ = 0;  // s
  std::unordered_map<std::uint64_t, Samples> expected_;
};

}  // namespace

void verify_samples(Database& database, const std::string& tier, Verified& out, const Told& told) {
  SampleCheck(database, tier, out, tier == "tier_1s" ? out.samples_1s : out.samples_1m).run(told);
}

}  // namespace ringdown
