// import_file.hpp: one old file during an import: how far it is imported, and what has become of its rows.
//
// Its place in the database is a row in `rings`, with the file's path as name, and four cursors: a lane for each
// granularity, whose next_seq is the id of the next row and whose ledger is JSON with the counts of rows that are not
// stored. They move in the transactions that store the rows, so an import can be killed anywhere and run again.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "import_tally.hpp"
#include "old_series.hpp"
#include "old_table.hpp"
#include "store.hpp"

namespace ringdown {

class ImportFile {
 public:
  /// Throws ring::Error when the file is in no old shape, or is not the one that was imported under its name before.
  ImportFile(const std::string& file, Store& store);

  const std::string& path() const noexcept { return table_.path(); }
  OldTable& table() noexcept { return table_; }
  /// Rows up to it are imported.
  std::int64_t done(Granularity granularity) const noexcept { return lanes_[granularity].done; }
  /// All runs together, and what there was before this one.
  const Tally& tally(Granularity granularity) const noexcept { return lanes_[granularity].tally; }
  const Tally& tally_before(Granularity granularity) const noexcept { return lanes_[granularity].before; }

  /// Begins to read what is not imported yet.
  void read(Granularity granularity, std::int64_t now_s);
  struct Row {
    std::int64_t id = 0;
    std::int64_t time_ns = 0;
    bool is_whole_second = true;
    double value = 0;
    std::uint32_t series = 0;  // 0: an ambiguous row, so that the many before it can be committed
  };
  static constexpr std::size_t doubtful_max = 1 << 16;  // between two commits
  /// The next row that is not ambiguous for itself. @return whether there is one
  bool next(OldSeries& series, Row& row);
  /// What has become of the row that next() gave last.
  void stored() noexcept { ++reading().tally.stored; }
  void covered() noexcept { ++reading().tally.covered; }
  void doubt(std::int64_t id, Doubt why);

  /// All rows up to it have become something; to be committed with them.
  CursorRow cursor(Granularity granularity, std::int64_t through_id);
  /// Ambiguous rows since the last call.
  std::vector<DoubtfulRow> take_doubtful() { return std::exchange(doubtful_, {}); }

  // Of raw rows. Where the file's own samples may be in the tiers already: see ImportRaw.
  std::int64_t newest_s = 0;    // time of the newest raw row that is stored
  std::int64_t own_from_s = 0;  // minutes between it and own_to_s have samples of this file
  std::int64_t own_to_s = 0;
  std::int64_t folded = -1;  // how many batches tier_1m had when that was so; -1: not known

 private:
  struct Lane {
    std::int64_t done = std::numeric_limits<std::int64_t>::min();
    Tally tally = {}, before = {};
  };
  Lane& reading() noexcept { return lanes_[granularity_]; }
  void load(const std::map<std::uint32_t, CursorRow>& cursors);
  void check_anchor(const OldTable::Anchor& anchor);

  OldTable table_;
  std::int64_t ring_;
  std::array<Lane, granularity_count> lanes_;
  Granularity granularity_ = old_raw;
  OldTable::Row row_;
  std::vector<DoubtfulRow> doubtful_;
};

}  // namespace ringdown
