#include "query_live.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "inspect_open.hpp"
#include "query_time.hpp"
#include "raw_reader.hpp"
#include "ring/error.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

std::string encoded(const ring::Definition& definition) {
  const auto bytes = ring::encode(definition);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Live::Live(Database& database, const std::vector<std::string>& rings) : database_(database) {
  constexpr std::uint32_t room = 1 << 16;  // for series that a persister stores meanwhile
  learn_series();
  next_id_ = known_ + room;
  auto names = rings;
  if (rings.empty()) {
    Statement known(database, "SELECT DISTINCT name FROM rings ORDER BY name");
    while (known.step()) names.push_back(known.text(0));
  }
  for (const auto& name : names) open(name, !rings.empty());
  if (rings_.empty())
    throw ring::Error(ring::Failure::no_ring,
                      fmt::format("--live: none of the database's rings is here ({}); ask without --live for what is stored, or "
                                  "name one that is here with --ring{}",
                                  names.empty() ? "it knows none" : fmt::format("{}", fmt::join(names, ", ")),
                                  inspect::offer_rings(names.empty() ? "" : names.front())));
  for (const auto& ring : rings_) ring->pass(cursors_of(*ring));
  for (const auto& ring : rings_) ring->read();
}

void Live::open(const std::string& name, bool is_named) {
  try {
    rings_.push_back(std::make_unique<LiveRing>(inspect::open_ring(name), [this](const auto& d) { return series_id(d); }));
  } catch (const ring::Error& e) {
    if (is_named || e.failure() != ring::Failure::no_ring) throw;
  }
}

void Live::learn_series() {
  for (auto& row : read_series(database_, known_ + std::int64_t{1})) {
    known_ = row.id;
    const auto [at, is_new] = ids_.try_emplace(encoded(row.definition), row.id);
    if (!is_new) stored_ids_[std::exchange(at->second, row.id)] = row.id;
    series_.insert_or_assign(row.id, Series(std::move(row)));
  }
}

std::uint32_t Live::stored_id(std::uint32_t id) const {
  const auto at = stored_ids_.find(id);
  return at == stored_ids_.end() ? id : at->second;
}

std::uint32_t Live::series_id(const ring::Definition& definition) {
  const auto [at, is_new] = ids_.try_emplace(encoded(definition), next_id_);
  if (is_new) series_.emplace(next_id_, Series({next_id_, definition})), ++next_id_;
  return at->second;
}

LiveRing::Cursors Live::cursors_of(const LiveRing& ring) {
  LiveRing::Cursors out;
  auto& rows = database_.prepared("SELECT lane, next_seq FROM cursors WHERE ring = (SELECT id FROM rings WHERE name = ? AND "
                                  "generation = ?)");
  const auto generation = ring.segment().generation().hex();
  rows.bind(1, std::string_view(ring.segment().ring())).bind(2, std::string_view(generation));
  while (rows.step()) out[static_cast<std::uint32_t>(rows.integer(0))] = static_cast<std::uint64_t>(rows.integer(1));
  rows.reset();
  return out;
}

void Live::stand_in() {
  database_.execute("PRAGMA temp_store = MEMORY");
  Transaction transaction(database_);
  for (const auto& ring : rings_) ring->pass(cursors_of(*ring));
  stood_for_ = newest_batch(database_);
  learn_series();
  database_.execute(fmt::format(
      "CREATE TEMP TABLE live_batches AS SELECT * FROM main.batches WHERE 0;"
      "CREATE TEMP TABLE live_series AS SELECT * FROM main.series WHERE 0;"
      "CREATE TEMP TABLE progress AS SELECT * FROM main.progress;"
      "CREATE TEMP VIEW batches AS SELECT * FROM main.batches WHERE id <= {} UNION ALL SELECT * FROM temp.live_batches;"
      "CREATE TEMP VIEW series AS SELECT * FROM main.series WHERE id <= {} UNION ALL SELECT * FROM temp.live_series",
      stood_for_, known_));
  fill_series();
  fill_batches();
  transaction.commit();
}

void Live::stand_aside() {
  database_.execute("DROP VIEW temp.batches; DROP VIEW temp.series; DROP TABLE temp.progress; DROP TABLE temp.live_batches; "
                    "DROP TABLE temp.live_series");
}

/// They are rolled up as their kinds are: the persister's rules are not known here.
void Live::fill_series() {
  Statement insert(database_, "INSERT INTO temp.live_series (id, name, labels, kind, unit, states, aggregation, on_change, "
                              "interval_ns, tier_1s, raw_from_ns, resolution) VALUES (?, ?, ?, ?, ?, ?, ?4, 0, 0, 1, 0, 0)");
  std::vector<std::uint32_t> ids;
  for (const auto& [id, series] : series_)
    if (id > known_ && stored_id(id) == id) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const auto id : ids) {
    const auto& d = series_.at(id).definition;
    const auto labels = labels_json(d.labels), states = nlohmann::json(d.states).dump();
    insert.bind(1, std::int64_t{id}).bind(2, std::string_view(d.name)).bind(3, std::string_view(labels));
    insert.bind(4, std::string_view(kind_name(d.kind))).bind(5, std::string_view(d.unit));
    insert.bind(6, std::string_view(states)).run();
  }
}

void Live::fill_batches() {
  constexpr std::size_t samples_max = 1 << 20;  // of one
  auto id = stood_for_;
  std::vector<Sample> samples;
  std::vector<std::byte> blob;
  auto earliest_ns = std::numeric_limits<std::int64_t>::max();
  Statement insert(database_, "INSERT INTO temp.live_batches (id, committed_ns, min_ns, max_ns, samples, blob) "
                              "VALUES (?, ?, ?, ?, ?, ?)");
  auto committed_ns = std::max(realtime_ns(), database_.query_integer("SELECT max(committed_ns) FROM main.batches"));
  const auto put = [&] {
    if (samples.empty()) return;
    const auto [first, last] = std::minmax_element(samples.begin(), samples.end(),
                                                   [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
    earliest_ns = std::min(earliest_ns, first->time_ns);
    encode_batch(samples, blob);
    insert.bind(1, ++id).bind(2, ++committed_ns).bind(3, first->time_ns).bind(4, last->time_ns);
    insert.bind(5, static_cast<std::int64_t>(samples.size())).bind(6, std::span<const std::byte>(blob)).run();
    samples.clear();
  };
  for (const auto& ring : rings_)
    ring->for_each([&](const LiveRing::Held& held) {
      samples.push_back(sample(held));
      if (samples.size() == samples_max) put();
    });
  put();
  fill_progress(earliest_ns);
}

/// Of what the rollups have already, samples in the ring are late, and so may those be that were stored and not rolled up yet.
/// Those that are not very late count all the same: from there on no row is taken, which is why the samples must still be
/// there, as all are for 10 minutes.
void Live::fill_progress(std::int64_t earliest_ns) {
  constexpr std::int64_t late_s_max = 360;
  const auto made_s = database_.query_integer("SELECT frontier FROM temp.progress WHERE job = 'tier_1m'");
  auto from_s = whole_seconds(earliest_ns);
  Statement open(database_, "SELECT min(min_ns) / 1000000000 FROM main.batches WHERE id > (SELECT done FROM temp.progress WHERE "
                            "job = 'tier_1m') UNION ALL SELECT min(bucket) FROM main.dirty");
  while (open.step())
    if (!open.is_null(0)) from_s = std::min(from_s, open.integer(0));
  Statement lower(database_, "UPDATE temp.progress SET frontier = min(frontier, ?) WHERE frontier > 0");
  lower.bind(1, std::max(from_s, made_s - late_s_max)).run();
}

std::vector<Sample> Live::read() {
  std::vector<Sample> out;
  for (const auto& ring : rings_)
    ring->read([&](const LiveRing::Held& held) { out.push_back(sample(held)); });
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
  return out;
}

Live::Key Live::key(const Sample& sample) {
  return {sample.series, sample.time_ns, std::bit_cast<std::uint64_t>(sample.value)};
}

std::int64_t Live::take_stored(std::multiset<Key>& stored) {
  const Snapshot snapshot(database_);
  learn_series();
  for (const auto& ring : rings_)
    ring->pass(cursors_of(*ring), [&](const LiveRing::Held& held) { stored.insert(key(sample(held))); });
  return newest_batch(database_);
}

}  // namespace ringdown
