#include "drain.hpp"

#include <spdlog/spdlog.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace ringdown {
namespace {

using ring::abi::Loss;

nlohmann::json ledger_json(const auto& ledger) {
  auto out = nlohmann::json::object();
  for (std::uint32_t r = 0; r < ledger.counted.size(); ++r)
    if (ledger.counted[r] || ledger.told[r])
      out[std::to_string(r)] = {ledger.counted[r], ledger.told[r]};
  return out;
}

void read_ledger(const std::string& text, auto& ledger) {
  const auto json = nlohmann::json::parse(text);
  for (std::uint32_t r = 0; r < ledger.counted.size(); ++r)
    if (const auto at = json.find(std::to_string(r)); at != json.end()) {
      ledger.counted[r] = at->at(0).template get<std::uint64_t>();
      ledger.told[r] = at->at(1).template get<std::uint64_t>();
    }
}

}  // namespace

Drain::Drain(const std::string& ring, const ring::Geometry& geometry, Store& store, Catalog& catalog)
    : consumer_(ring, geometry),
      catalog_(catalog),
      ring_id_(store.ring_id(ring, consumer_.segment().generation().hex(), consumer_.segment().created_ns())),
      lanes_(consumer_.lanes()) {
  for (auto& [index, cursor] : store.cursors(ring_id_))
    if (index < lanes_.size()) {
      read_ledger(cursor.ledger, lanes_[index].ledger);
      lanes_[index].cursor = cursor;
    }
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    auto& lane = lanes_[i];
    lane.cursor.ring = ring_id_;
    lane.cursor.lane = i;
    lane.released = consumer_.tail(i);
    // Killed between commit and release: the database is right, the ring hears of it now.
    if (lane.cursor.next_seq - 1 > lane.released) consumer_.release(i, lane.released = lane.cursor.next_seq - 1);
  }
}

struct Drain::Sink {
  Drain& self;
  Lane& lane;
  Batch& batch;
  void record(const ring::RecordCopy& record) { self.take_record(lane, record, batch); }
  void overwritten(std::uint64_t first, std::uint64_t count) {
    self.lose(lane, batch, Loss::overwritten, count, first, first + count, ring::clock_ns(CLOCK_REALTIME));
  }
};

bool Drain::drain(Batch& batch, std::size_t samples_max) {
  bool all_empty = true;
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    if (batch.samples.size() >= samples_max) return false;
    if (consumer_.used(i)) all_empty &= drain_lane(i, batch);
  }
  return all_empty;
}

bool Drain::drain_lane(std::uint32_t index, Batch& batch) {
  auto& lane = lanes_[index];
  const auto before = lane.cursor.next_seq;
  if (before - 1 < lane.released) {  // another database has stored these
    lose(lane, batch, Loss::skipped, lane.released - (before - 1), before, lane.released + 1,
         ring::clock_ns(CLOCK_REALTIME));
    lane.cursor.next_seq = lane.released + 1;
  }
  const auto counts = consumer_.losses(index);  // before the records: see Consumer::losses
  const bool empty = consumer_.drain(index, lane.cursor.next_seq, turn_records, Sink{*this, lane, batch});
  if (empty) take_counters(lane, counts, batch);
  if (lane.cursor.next_seq != before) lane.changed = true;
  return empty;
}

void Drain::take_record(Lane& lane, const ring::RecordCopy& record, Batch& batch) {
  if (const auto count = record.lost_count(); count > 0) {
    const auto r = static_cast<std::size_t>(record.lost_reason());
    if (r < ring::abi::producer_losses) {
      lane.ledger.told[r] += count;
      if (lane.ledger.told[r] > lane.ledger.counted[r]) {
        lose(lane, batch, record.lost_reason(), lane.ledger.told[r] - lane.ledger.counted[r], record.seq,
             record.seq, record.time_ns);
        lane.ledger.counted[r] = lane.ledger.told[r];
      }
      lane.changed = true;
    }
  }
  if (record.is_control()) {
    if (lane.epochs.take(record)) take_epoch(lane, lane.epochs.epoch(), batch);
    return;
  }
  if (record.series >= lane.series.size()) read_definitions(lane, batch);
  if (record.series >= lane.series.size() || !std::isfinite(record.value))
    return lose(lane, batch, Loss::corrupt, 1, record.seq, record.seq, record.time_ns);
  const auto series = lane.series[record.series];
  if (catalog_.is_duplicate(series, record.time_ns)) ++lane.cursor.duplicates;
  ++lane.cursor.stored;
  batch.samples.push_back({record.time_ns, record.value, series});
}

void Drain::take_epoch(Lane& lane, const ring::Epoch& epoch, Batch& batch) {
  // What the owner before left uncounted belongs to it, and the new one tells its own losses from here on.
  for (std::uint32_t r = 0; r < ring::abi::producer_losses; ++r) {
    if (epoch.losses[r] > lane.ledger.counted[r]) {
      lose(lane, batch, Loss{r}, epoch.losses[r] - lane.ledger.counted[r], epoch.seq, epoch.seq,
           epoch.holder.since_ns);
      lane.ledger.counted[r] = epoch.losses[r];
    }
    lane.ledger.told[r] = epoch.losses[r];
  }
  lane.cursor.producer = catalog_.new_producer_id();
  batch.producers.push_back({lane.cursor.producer, ring_id_, lane.cursor.lane, epoch.seq, epoch.holder});
  // The arena may have been started afresh, and another owner's definitions follow.
  lane.series.clear();
  lane.arena_read = 0;
  lane.changed = true;
}

/// The lane is read to its end: what its counters say beyond the records is lost before the next record.
void Drain::take_counters(Lane& lane, const ring::LossCounts& counts, Batch& batch) {
  for (std::uint32_t r = 0; r < counts.size(); ++r)
    if (counts[r] > lane.ledger.counted[r]) {
      lose(lane, batch, Loss{r}, counts[r] - lane.ledger.counted[r], lane.cursor.next_seq, lane.cursor.next_seq,
           ring::clock_ns(CLOCK_REALTIME));
      lane.ledger.counted[r] = counts[r];
    }
}

void Drain::read_definitions(Lane& lane, Batch& batch) {
  const auto view = consumer_.lane(lane.cursor.lane);
  const auto used = ring::words::load(view.header->defs_used, std::memory_order_acquire);  // SYNC definitions
  if (used > view.arena_bytes || used <= lane.arena_read) return;
  const std::vector<std::byte> bytes(view.arena + lane.arena_read, view.arena + used);
  std::size_t at = 0, consumed = 0;
  try {
    for (; at < bytes.size(); at += consumed)
      lane.series.push_back(catalog_.series_id(ring::decode(std::span(bytes).subspan(at), consumed), batch));
  } catch (const ring::Error& e) {
    spdlog::warn("ring {} lane {}: {}; its samples are counted as corrupt", consumer_.segment().ring(),
                 lane.cursor.lane, e.what());
    at = bytes.size();  // nothing behind it can be believed
  }
  lane.arena_read += at;
}

void Drain::lose(Lane& lane, Batch& batch, Loss reason, std::uint64_t count, std::uint64_t first_seq,
                 std::uint64_t last_seq, std::int64_t time_ns) {
  lane.cursor.lost += count;
  lane.changed = true;
  if (lane.loss_rows >= loss_rows_max) {
    for (auto row = batch.losses.rbegin(); row != batch.losses.rend(); ++row)
      if (row->lane == lane.cursor.lane && row->ring == ring_id_ && row->producer == lane.cursor.producer &&
          row->reason == reason) {
        row->count += count;
        row->last_seq = last_seq;
        return;
      }
  }
  ++lane.loss_rows;
  batch.losses.push_back({ring_id_, lane.cursor.lane, lane.cursor.producer, reason, count, first_seq, last_seq,
                          time_ns});
}

void Drain::add_cursors(Batch& batch) const {
  for (const auto& lane : lanes_) {
    if (!lane.changed) continue;
    batch.cursors.push_back(lane.cursor);
    batch.cursors.back().ledger = ledger_json(lane.ledger).dump();
  }
}

void Drain::release() {
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    auto& lane = lanes_[i];
    lane.loss_rows = 0;
    lane.changed = false;
    if (lane.cursor.next_seq - 1 != lane.released)
      consumer_.release(i, lane.released = lane.cursor.next_seq - 1);
  }
}

double Drain::fullness() const noexcept {
  std::uint64_t most = 0;
  for (const auto& lane : lanes_) most = std::max(most, lane.cursor.next_seq - 1 - lane.released);
  return static_cast<double>(most) / static_cast<double>(consumer_.segment().geometry().lane_records);
}

}  // namespace ringdown
