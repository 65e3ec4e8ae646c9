// fold.hpp: rolls committed batches up into tier_1s or tier_1m, each sample once.
//
// A sample with time t of batch b is in the tier exactly when b <= done and (t < frontier or t >= future(b)); the
// latter, from a minute ahead on, do not wait for their time. All four are in the tier's progress row, which moves in
// the transactions that write rows. Reading is ahead of that: rows whose bucket is still open are kept in memory, and
// after a restart they are made again from the batches since `replay`. So a row is written once, when its bucket is
// over, and merged only with samples that come later than that. A sample so late that retention has begun to delete its
// time goes into the finest tier that has it still, so that counts are conserved. Writing goes series by series, and `series` says how
// far: the job can be left or killed between any two.
//
// What a counter grew and how long a state held depends on the sample before. A sample older than the newest of its
// series comes too late for that: its bucket is marked in `dirty`, and made again from the batches (redo.hpp).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "batch.hpp"
#include "budget.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"

namespace ringdown {

/// How far a tier is made: its row in `progress`.
struct Progress {
  std::int64_t done = 0, replay = 1, target = 0, series = 0;
  std::int64_t frontier_s = 0, next_frontier_s = 0;
  std::int64_t expired_s = 0;  // only read; retention moves it
};
/// Throws a SqliteError that is_damage() if there is none.
Progress read_progress(Database& database, const std::string& job);
void write_progress(Database& database, const std::string& job, const Progress& progress);

/// Samples from this far ahead of their commit on are from the future.
inline constexpr std::int64_t future_ns = 60'000'000'000;

class Fold {
 public:
  /// @param rules       shared by all jobs
  /// @param tier        tier_1s or tier_1m
  /// @param interval_s  from one writing of rows to the next
  Fold(Database& database, SeriesRules& rules, const std::string& tier, std::int64_t interval_s);

  static constexpr std::int64_t everything = std::numeric_limits<std::int64_t>::max();
  /// One slice. Reads what was committed; writes the rows of the buckets that are over.
  /// @param horizon_ns  samples up to this time are committed, but for those that come late; `everything`: no more
  ///                    will come, and the buckets that are still open are written, too
  /// @return whether there is more to do now
  bool run(std::int64_t horizon_ns, Budget& budget);
  /// What is in memory is read again: it may have begun with another sample than it should.
  void forget() noexcept { stale_ = true; }

  const std::string& name() const noexcept { return tier_.name(); }
  /// Buckets that start before it are made, s since the epoch.
  std::int64_t frontier_s() const noexcept { return progress_.frontier_s; }
  /// Batches up to it are in the tier, but while is_writing() some rows have later ones.
  std::int64_t done() const noexcept { return progress_.done; }
  bool is_writing() const noexcept { return is_writing_ || progress_.series > 0; }

 private:
  struct Row {
    Accumulator row;
    std::int64_t bucket_ns;
    std::int64_t first_batch;
    bool future;
    bool disordered = false;  // has a sample older than the newest of its series
  };
  using Rows = std::vector<Row>;  // of one series, by bucket; of one bucket, what was from the future comes first

  bool slice(std::int64_t horizon_ns, Budget& budget);
  bool read(Budget& budget);
  bool is_full() const;
  bool next_batch(std::int64_t newest);
  void take_columns();
  /// Whether read_through_ is in rows_ in part.
  bool is_amid_batch() const noexcept { return column_ < view_.series(); }
  void take_column(std::int64_t batch, std::int64_t future_from_ns, const BatchView::Column& column);
  Row& row(std::uint32_t series, std::int64_t bucket_ns, bool future, std::int64_t batch);
  bool is_over(const Row& row) const noexcept;
  void drop_over(Rows& rows);
  std::optional<Point> before(const SeriesRule& rule, const std::optional<Point>& latest, std::int64_t bucket_ns) const;
  std::int64_t closed_s(std::int64_t horizon_ns) const;
  void begin_writing(std::int64_t next_frontier_s);
  void write(Budget& budget);
  void write_series(std::uint32_t series);
  void write_row(std::uint32_t series, Row& made);
  void carry(std::uint32_t series, std::int64_t from_ns, std::int64_t to_ns);
  void merge(std::uint32_t series, const Row& made, const Rollup& later);
  void mark_dirty(std::int64_t bucket_s, std::uint32_t series);
  void mark_wide(std::int64_t bucket_s, std::uint32_t series);
  bool is_expired(std::int64_t bucket_s) const noexcept;
  void merge_wide(std::int64_t bucket_s, std::uint32_t series, const Rollup& row);
  void reload();
  void finish_writing();
  std::optional<Point>& at(std::vector<std::optional<Point>>& points, std::uint32_t series);

  Database& database_;
  TierTable tier_;
  std::int64_t interval_s_;
  SeriesRules& rules_;
  Statement batches_, newest_, latest_row_, dirty_, damaged_, anomaly_;
  Progress progress_;
  std::int64_t read_through_;   // batches up to it are in rows_
  std::int64_t read_committed_ns_ = 0;              // when the last of them was committed
  bool stale_ = false;
  bool is_writing_ = false;
  std::vector<Rows> rows_;                          // by series: in memory, not written yet
  std::size_t row_count_ = 0, longest_ = 0;         // in all of them; in one of them, at most
  std::int64_t next_replay_ = 1;
  std::vector<TierTable> wider_;                    // tier_5m and tier_1h
  Progress wide_, widest_;                          // theirs
  std::int64_t expired_s_ = 0;                      // of this tier
  std::vector<std::optional<Point>> latest_;        // by series: newest sample read
  std::vector<std::optional<Point>> stored_;        // and newest sample in the tier
  BatchView view_;                                  // of batch read_through_
  std::uint32_t column_ = 0;                        // the next of it
  std::vector<Point> points_;
  struct Damaged {
    std::int64_t batch, samples;
    std::string why;
  };
  std::vector<Damaged> damaged_batches_;
  std::int64_t late_ = 0, future_ = 0;              // samples since the last writing
};

}  // namespace ringdown
