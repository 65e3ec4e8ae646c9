#include "import_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ring/error.hpp"

namespace ringdown {

ImportFile::ImportFile(const std::string& file, Store& store)
    : table_(file), ring_(store.ring_id(table_.path(), "import", realtime_ns())) {
  const auto cursors = store.cursors(ring_);
  try {
    load(cursors);
  } catch (const nlohmann::json::exception& e) {
    store.database().fail_damaged("the cursors of ring " + std::to_string(ring_) + ", an import of " + path() + ": " +
                                  e.what());
  }
}

void ImportFile::load(const std::map<std::uint32_t, CursorRow>& cursors) {
  for (const auto& [number, cursor] : cursors) {
    if (number >= granularity_count) continue;
    auto& lane = lanes_[number];
    const auto ledger = nlohmann::json::parse(cursor.ledger);
    lane.done = static_cast<std::int64_t>(cursor.next_seq) - 1;
    lane.tally.stored = static_cast<std::int64_t>(cursor.stored);
    lane.tally.covered = ledger.value("covered", std::int64_t{0});
    for (std::size_t d = 0; d < doubt_count; ++d)
      lane.tally.doubts[d] = ledger.value(doubt_names[d], std::int64_t{0});
    lane.before = lane.tally;
    if (const auto anchor = ledger.find("anchor"); anchor != ledger.end())
      check_anchor({anchor->at(0).get<std::int64_t>(), anchor->at(1).get<std::uint64_t>()});
    if (number != old_raw) continue;
    newest_s = ledger.value("newest_s", std::int64_t{0});
    own_from_s = ledger.value("own_from_s", std::int64_t{0});
    own_to_s = ledger.value("own_to_s", std::int64_t{0});
    folded = ledger.value("folded", std::int64_t{-1});
  }
}

/// A row that the old daemon has deleted since tells nothing.
void ImportFile::check_anchor(const OldTable::Anchor& known) {
  if (known.id == 0) return;
  const auto found = table_.anchor(known.id);
  const bool is_other = found.id == known.id && found.hash != known.hash;
  if (!is_other && table_.last_id() >= known.id) return;
  throw ring::Error(
      ring::Failure::bad_argument,
      fmt::format("import {}: its rows up to {} were imported, but {}: another table has the name now. Import it "
                  "by another name (a link does not count)",
                  path(), known.id,
                  is_other ? "that row is another one" : fmt::format("its highest id is {}", table_.last_id())));
}

void ImportFile::read(Granularity granularity, std::int64_t now_s) {
  granularity_ = granularity;
  table_.read(granularity, done(granularity), now_s);
}

bool ImportFile::next(OldSeries& series, Row& row) {
  while (table_.next(row_)) {
    const auto found =
        row_.doubt ? OldSeries::Found{0, *row_.doubt} : series.find(row_.wan, row_.metric, row_.labels);
    if (found.id == 0) doubt(row_.id, found.why);
    if (found.id == 0 && doubtful_.size() < doubtful_max) continue;
    row = {row_.id, row_.time_ns, row_.is_whole_second, row_.value, found.id};
    return true;
  }
  return false;
}

void ImportFile::doubt(std::int64_t id, Doubt why) {
  ++reading().tally.doubts[static_cast<std::size_t>(why)];
  doubtful_.push_back({id, why});
}

CursorRow ImportFile::cursor(Granularity granularity, std::int64_t through_id) {
  auto& lane = lanes_[granularity];
  lane.done = std::max(lane.done, through_id);
  const auto anchor = table_.anchor(lane.done);
  nlohmann::json ledger{{"covered", lane.tally.covered}, {"anchor", {anchor.id, anchor.hash}}};
  for (std::size_t d = 0; d < doubt_count; ++d)
    if (lane.tally.doubts[d] > 0) ledger[doubt_names[d]] = lane.tally.doubts[d];
  if (granularity == old_raw) {
    ledger["newest_s"] = newest_s;
    ledger["own_from_s"] = own_from_s;
    ledger["own_to_s"] = own_to_s;
    ledger["folded"] = folded;
  }
  CursorRow row;
  row.ring = ring_;
  row.lane = granularity;
  row.next_seq = static_cast<std::uint64_t>(lane.done + 1);
  row.stored = static_cast<std::uint64_t>(lane.tally.stored);
  row.ledger = ledger.dump();
  return row;
}

}  // namespace ringdown
