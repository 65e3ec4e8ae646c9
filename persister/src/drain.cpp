#include "drain.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
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
  if (ledger.overwritten)
    out["overwritten"] = {ledger.overwritten, ledger.overwritten_first, ledger.overwritten_last,
                          ledger.overwritten_producer, ledger.owner_gone ? 1 : 0};
  out["controls"] = {ledger.controls, ledger.last_control};
  return out;
}

void read_ledger(const std::string& text, auto& ledger) {
  const auto json = nlohmann::json::parse(text).get<nlohmann::json::object_t>();
  const auto word = [&](const std::string& key, std::size_t i) {
    const auto at = json.find(key);
    return at == json.end() ? 0 : at->second.at(i).template get<std::uint64_t>();
  };
  for (std::uint32_t r = 0; r < ledger.counted.size(); ++r) {
    ledger.counted[r] = word(std::to_string(r), 0);
    ledger.told[r] = word(std::to_string(r), 1);
  }
  ledger.overwritten = word("overwritten", 0);
  ledger.overwritten_first = word("overwritten", 1);
  ledger.overwritten_last = word("overwritten", 2);
  ledger.overwritten_producer = static_cast<std::int64_t>(word("overwritten", 3));
  ledger.owner_gone = word("overwritten", 4) != 0;
  ledger.controls = word("controls", 0);
  ledger.last_control = word("controls", 1);
}

}  // namespace

Drain::Drain(const std::string& ring, const ring::Geometry& geometry, Store& store, Catalog& catalog)
    : Drain(ring::Consumer(ring, geometry), store, catalog) {}

Drain::Drain(ring::Consumer consumer, Store& store, Catalog& catalog)
    : consumer_(std::move(consumer)),
      guard_(&consumer_.segment().header(), consumer_.segment().geometry().segment_bytes()),
      catalog_(catalog),
      ring_id_(store.ring_id(consumer_.segment().ring(), consumer_.segment().generation().hex(), consumer_.segment().created_ns())),
      lanes_(consumer_.lanes()) {
  for (auto& [index, cursor] : store.cursors(ring_id_))
    if (index < lanes_.size()) {
      try {
        read_ledger(cursor.ledger, lanes_[index].ledger);
      } catch (const nlohmann::json::exception& e) {
        store.database().fail_damaged("cursor of ring " + consumer_.segment().ring() + " lane " + std::to_string(index) + ": ledger: " +
                                      e.what());
      }
      lanes_[index].cursor = cursor;
    }
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].cursor.ring = ring_id_;
    lanes_[i].cursor.lane = i;
    resume(i);
    lanes_[i].looked_at = lanes_[i].cursor.next_seq;
  }
}

/// Brings the lane's tail and this database's cursor together.
void Drain::resume(std::uint32_t index) {
  auto& lane = lanes_[index];
  const auto stored = lane.cursor.next_seq - 1;
  lane.released = consumer_.tail(index);
  if (stored > lane.released) {  // killed between commit and release: the database is right
    const auto view = consumer_.lane(index);
    const auto newest = view.mode == ring::abi::Mode::drop_newest ? lane.released + view.capacity
                        : consumer_.used(index)                   ? ring::find_head(view) - 1
                                                                  : 0;
    if (stored > newest)
      quarantine(lane, "the database has it stored up to record " + std::to_string(stored) +
                           ", it cannot have more than " + std::to_string(newest));
    else
      consumer_.release(index, lane.released = stored);
  } else if (stored < lane.released) {
    // Another database has stored these, if the tail can be believed: a released record, or the one a lap later,
    // is in its slot.
    const auto view = consumer_.lane(index);
    const auto seq = consumer_.used(index) ? ring::words::load(view.slot(lane.released).seq) : 0;
    const bool being_written = seq == 0 && view.mode == ring::abi::Mode::overwrite_oldest &&
                               consumer_.used(index) && ring::find_head(view) > lane.released;
    const bool believable = seq >= lane.released && (seq - lane.released) % view.capacity == 0;
    if (lane.released - stored > losses_believable || !(believable || being_written))
      quarantine(lane, "its tail " + std::to_string(lane.released) + " is ahead of its records");
  }
}

void Drain::quarantine(Lane& lane, const std::string& why) {
  lane.quarantined = true;
  spdlog::error("ring {} lane {}: {}; something else than a producer has written there. The lane is not read any "
                "more; end its owner (see ring-inspect {}), and delete the ring when all have stopped",
                consumer_.segment().ring(), lane.cursor.lane, why, consumer_.segment().ring());
}

struct Drain::Sink {
  Drain& self;
  Lane& lane;
  Batch& batch;
  void record(const ring::RecordCopy& record) {
    if (lane.quarantined) return;
    self.take_record(lane, record, batch);
    if (!lane.quarantined) lane.cursor.next_seq = record.seq + 1;
  }
  void overwritten(std::uint64_t first, std::uint64_t count) {
    if (lane.quarantined) return;
    if (count > losses_believable)
      return self.quarantine(lane, "record " + std::to_string(first) + " is overtaken by " + std::to_string(count));
    lane.cursor.next_seq = first + count;
    auto& ledger = lane.ledger;
    if (ledger.overwritten == 0) {
      ledger.overwritten_first = first;
      ledger.overwritten_producer = lane.cursor.producer;
    }
    ledger.owner_gone = true;
    ledger.overwritten += count;
    ledger.overwritten_last = first + count;
    lane.changed = true;
    // An epoch that started the arena afresh may be among them.
    self.enter_arena(lane, ring::words::load(self.consumer_.lane(lane.cursor.lane).header->arena_epoch));
  }
};

bool Drain::drain(Batch& batch, std::size_t samples_max) {
  if (!truncated_ && guard_.hit()) {
    truncated_ = true;
    spdlog::error("ring {}: its object was truncated; it is not read any more. Delete /dev/shm/{} when its "
                  "producers have stopped", consumer_.segment().ring(), ring::object_name(consumer_.segment().ring()));
  }
  if (truncated_) return true;
  taken_ = 0;
  for (auto& lane : lanes_) lane.taken = 0;
  for (bool all_empty = false; !all_empty;) {
    all_empty = true;
    for (auto left = lanes_.size(); left > 0; --left) {
      if (batch.samples.size() >= samples_max) return false;
      const auto i = turn_;
      turn_ = (turn_ + 1) % consumer_.lanes();
      if (consumer_.used(i)) all_empty &= drain_lane(i, batch);
    }
    if (taken_ > consumer_.segment().geometry().lane_records) return all_empty;  // more comes meanwhile than anybody could drain
  }
  return true;
}

bool Drain::drain_lane(std::uint32_t index, Batch& batch) {
  auto& lane = lanes_[index];
  if (lane.quarantined) return true;
  const auto before = lane.cursor.next_seq;
  if (before - 1 < lane.released) {
    lose(lane, batch, Loss::skipped, lane.released - (before - 1), before, lane.released + 1,
         ring::clock_ns(CLOCK_REALTIME));
    lane.cursor.next_seq = lane.released + 1;
    lane.controls_known = false;  // how many were among the skipped is not known
    lane.ledger.owner_gone = true;
  }
  // Both before the records: see Consumer::losses.
  const auto counts = consumer_.losses(index);
  const auto view = consumer_.lane(index);
  lane.controls_word = ring::words::load(view.header->controls, std::memory_order_acquire);
  // A producer counts each before the next: of those seen earlier, only the last can be uncounted (for ever, if
  // its writer was killed and nobody has claimed the lane since).
  lane.uncounted = ring::abi::is_uncounted(lane.controls_word, lane.ledger.last_control) ? 1 : 0;
  // No producer of a drop-newest lane is further ahead of the tail than the lane is long.
  const auto records_max = view.mode == ring::abi::Mode::drop_newest
                               ? std::min(turn_records, lane.released + view.capacity + 1 - lane.cursor.next_seq)
                               : turn_records;
  auto next = lane.cursor.next_seq;
  bool empty = consumer_.drain(index, next, records_max, Sink{*this, lane, batch}) || records_max < turn_records;
  if (empty && !lane.quarantined) {
    take_counters(lane, counts, batch);
    take_overwritten(lane, batch);
    empty = !pass_gap(lane, view, batch);
  }
  if (lane.cursor.next_seq != before) lane.changed = true;
  lane.taken += lane.cursor.next_seq - before;
  taken_ = std::max(taken_, lane.taken);
  return empty || lane.quarantined;
}

/// The lane is read to its end: what the next record's slot holds instead must be a producer's as well. A record
/// that is missing while the one behind it is there was damaged: it is passed by, and counted.
bool Drain::pass_gap(Lane& lane, const ring::LaneView& view, Batch& batch) {
  const auto next = lane.cursor.next_seq;
  const auto behind = ring::words::load(view.slot(next + 1).seq, std::memory_order_acquire);  // SYNC record
  const auto seq = ring::words::load(view.slot(next).seq);
  if (seq > next && !ring::is_later_lap(view, next, seq))
    quarantine(lane, "record " + std::to_string(next) + "'s slot holds " + std::to_string(seq));
  else if (behind == next + 1 && seq != next && view.mode == ring::abi::Mode::drop_newest) {
    lose(lane, batch, Loss::corrupt, 1, next, next, ring::clock_ns(CLOCK_REALTIME));
    lane.cursor.next_seq = next + 1;
    return true;
  }
  return false;
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
    ++lane.ledger.controls;
    lane.ledger.last_control = record.seq;
    lane.uncounted += ring::abi::is_uncounted(lane.controls_word, record.seq);
    if (lane.epochs.take(record)) take_epoch(lane, lane.epochs.epoch(), batch);
    return;
  }
  if (record.series >= lane.series.size()) read_definitions(lane, batch);
  if (record.series >= lane.series.size() || !std::isfinite(record.value))
    return lose(lane, batch, Loss::corrupt, 1, record.seq, record.seq, record.time_ns);
  const auto series = lane.series[record.series];
  if (series == 0) return lose(lane, batch, Loss::series_limit, 1, record.seq, record.seq, record.time_ns);
  if (catalog_.is_duplicate(series, record.time_ns)) ++lane.cursor.duplicates, ++counts_.duplicates;
  ++lane.cursor.stored;
  ++counts_.taken;
  batch.samples.push_back({record.time_ns, record.value, series});
}

void Drain::take_epoch(Lane& lane, const ring::Epoch& epoch, Batch& batch) {
  // What the owner before left uncounted belongs to it, and the new one tells its own losses from here on.
  for (std::uint32_t r = 0; r < ring::abi::producer_losses; ++r)
    if (epoch.losses[r] > lane.ledger.counted[r] + losses_believable)
      return quarantine(lane, "an epoch tells of " + std::to_string(epoch.losses[r]) + " losses");
  for (std::uint32_t r = 0; r < ring::abi::producer_losses; ++r) {
    if (epoch.losses[r] > lane.ledger.counted[r]) {
      lose(lane, batch, Loss{r}, epoch.losses[r] - lane.ledger.counted[r], epoch.seq, epoch.seq,
           epoch.holder.since_ns);
      lane.ledger.counted[r] = epoch.losses[r];
    }
    lane.ledger.told[r] = epoch.losses[r];
  }
  lane.cursor.producer = catalog_.new_producer_id();
  lane.ledger.owner_gone = false;
  batch.producers.push_back({lane.cursor.producer, ring_id_, lane.cursor.lane, epoch.seq, epoch.holder});
  lane.changed = true;
  enter_arena(lane, epoch.arena_epoch);
}

/// Forgets the lane's definitions when others follow. A claim starts the arena afresh only after a release, so
/// more often than once (and once more to learn the first number) is no producer's work.
void Drain::enter_arena(Lane& lane, std::uint64_t epoch) {
  if (epoch == lane.arena_epoch) return;
  lane.arena_epoch = epoch;
  lane.series.clear();
  lane.arena_read = 0;
  if (++lane.arena_changes > 2) quarantine(lane, "its arena was started afresh before its records were stored");
}

/// The lane is read to its end: what its counters say beyond the records is lost before the next record.
void Drain::take_counters(Lane& lane, const ring::LossCounts& counts, Batch& batch) {
  for (std::uint32_t r = 0; r < counts.size(); ++r) {
    if (counts[r] <= lane.ledger.counted[r]) continue;
    const auto count = counts[r] - lane.ledger.counted[r];
    if (count > losses_believable)
      return quarantine(lane, "its loss counter " + std::string(loss_name(Loss{r})) + " jumps by " + std::to_string(count));
    lose(lane, batch, Loss{r}, count, lane.cursor.next_seq, lane.cursor.next_seq, ring::clock_ns(CLOCK_REALTIME));
    lane.ledger.counted[r] = counts[r];
  }
}

/// The lane is read to its end: the control records that we have not seen were among the overwritten.
void Drain::take_overwritten(Lane& lane, Batch& batch) {
  auto& ledger = lane.ledger;
  constexpr auto wrapped = 64 - ring::abi::control_count_bits;
  const auto missing = static_cast<std::int64_t>((lane.controls_word - (ledger.controls - lane.uncounted)) << wrapped) >>
                       wrapped;
  const bool known = std::exchange(lane.controls_known, true);
  const auto unseen =
      known ? std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(missing, 0)), ledger.overwritten) : 0;
  ledger.controls += known ? unseen : static_cast<std::uint64_t>(missing);
  if (ledger.overwritten > unseen)
    lose(lane, batch, Loss::overwritten, ledger.overwritten - unseen, ledger.overwritten_first,
         ledger.overwritten_last, ring::clock_ns(CLOCK_REALTIME), ledger.overwritten_producer);
  ledger.overwritten = 0;
  if (unseen > 0 || !known) take_owner(lane, batch);
}

/// If the epoch that named the present owner is gone, the lane's header still names it.
void Drain::take_owner(Lane& lane, Batch& batch) {
  if (!std::exchange(lane.ledger.owner_gone, false)) return;
  ring::Holder owner = ring::read_identity(consumer_.lane(lane.cursor.lane).header->owner);
  lane.cursor.producer = catalog_.new_producer_id();
  batch.producers.push_back({lane.cursor.producer, ring_id_, lane.cursor.lane, lane.cursor.next_seq, owner});
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
    tell_of_limit(lane);
  } catch (const ring::Error& e) {
    spdlog::warn("ring {} lane {}: {}; its samples are counted as corrupt", consumer_.segment().ring(),
                 lane.cursor.lane, e.what());
    at = bytes.size();  // nothing behind it can be believed
  }
  lane.arena_read += at;
}

void Drain::tell_of_limit(const Lane& lane) {
  if (limit_told_ || std::find(lane.series.begin(), lane.series.end(), 0u) == lane.series.end()) return;
  limit_told_ = true;
  spdlog::error("ring {} lane {}: the database has {} series, as many as --series-max allows; samples of further ones "
                "are counted as lost, reason series_limit", consumer_.segment().ring(), lane.cursor.lane,
                catalog_.size());
}

void Drain::lose(Lane& lane, Batch& batch, Loss reason, std::uint64_t count, std::uint64_t first_seq,
                 std::uint64_t last_seq, std::int64_t time_ns, std::optional<std::int64_t> producer) {
  const auto whose = producer.value_or(lane.cursor.producer);
  lane.cursor.lost += count;
  counts_.lost[static_cast<std::size_t>(reason)] += count;
  lane.changed = true;
  auto& at = lane.loss_row[static_cast<std::size_t>(reason)];
  if (lane.loss_rows >= loss_rows_max && at < batch.losses.size()) {
    auto& row = batch.losses[at];
    if (row.lane == lane.cursor.lane && row.ring == ring_id_ && row.producer == whose && row.reason == reason) {
      row.count += count;
      row.last_seq = last_seq;
      return;
    }
  }
  at = batch.losses.size();
  ++lane.loss_rows;
  batch.losses.push_back({ring_id_, lane.cursor.lane, whose, reason, count, first_seq, last_seq, time_ns});
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
    lane.arena_changes = 0;
    lane.changed = false;
    if (!lane.quarantined && lane.cursor.next_seq - 1 != lane.released)
      consumer_.release(i, lane.released = lane.cursor.next_seq - 1);
  }
}

bool Drain::has_writers() const noexcept {
  for (std::uint32_t i = 0; i < lanes_.size(); ++i)
    if (!lanes_[i].quarantined && ring::lock::is_held(consumer_.segment().descriptor(), i)) return true;
  return false;
}

void Drain::look_for_writers(std::vector<std::uint32_t>& written, std::vector<std::uint32_t>& left) {
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    auto& lane = lanes_[i];
    if (lane.quarantined || lane.series.empty()) continue;
    const bool is_held = ring::lock::is_held(consumer_.segment().descriptor(), i);
    const bool is_released = !lane.changed && lane.cursor.next_seq - 1 == lane.released &&
                             ring::words::load(consumer_.lane(i).slot(lane.cursor.next_seq).seq) != lane.cursor.next_seq;
    if (!is_held && !is_released) continue;
    auto& out = is_held ? written : left;
    const bool was_written = lane.has_writer || lane.cursor.next_seq != lane.looked_at;
    if (is_held || was_written) out.insert(out.end(), lane.series.begin(), lane.series.end());
    lane.has_writer = is_held;
    lane.looked_at = lane.cursor.next_seq;
  }
}

bool Drain::finish(Batch& batch, std::size_t samples_max) {
  if (has_writers() || !drain(batch, samples_max)) return false;
  return std::none_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.changed && !lane.quarantined; });
}

double Drain::taken() const noexcept {
  return static_cast<double>(taken_) / static_cast<double>(consumer_.segment().geometry().lane_records);
}

bool Drain::is_pressed() const noexcept {
  for (std::uint32_t i = 0; i < lanes_.size(); ++i) {
    const auto& lane = lanes_[i];
    const auto view = consumer_.lane(i);
    if (lane.quarantined || lane.taken < view.capacity / 64) continue;  // others would only be mapped by the look
    const auto middle = lane.released + view.capacity / 2;
    if (ring::words::load(view.slot(middle).seq) >= middle) return true;
  }
  return false;
}

double Drain::fullness() const noexcept {
  std::uint64_t most = 0;
  for (const auto& lane : lanes_)
    if (!lane.quarantined) most = std::max(most, lane.cursor.next_seq - 1 - lane.released);
  return static_cast<double>(most) / static_cast<double>(consumer_.segment().geometry().lane_records);
}

}  // namespace ringdown
