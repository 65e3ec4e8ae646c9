#include "plant.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace crash {

using ring::abi::Mode;
using ringdown::Batch;
using ringdown::BatchView;
using ringdown::Statement;

Plant::Plant(Mode mode)
    : geometry_{.lanes = 2, .lane_records = lane_records, .arena_bytes = 4096, .mode = mode} {
  open();
  bystander_.emplace(ring, log, "bystander");
  bystander_->define();
  REQUIRE(bystander_->producer().lane() == bystander_lane);
}

void Plant::open() {
  drain_.reset();
  catalog_.emplace(store_.series(), store_.last_producer());
  drain_.emplace(ring, geometry_, store_, *catalog_);
}

void Plant::start() {
  log.start();
  found_ = {};
  pids_ = {{"bystander", ::getpid()}, {"heir", ::getpid()}, {"", 0}};  // "": killed while it wrote its name
}

void Plant::new_ring() {
  drain_.reset();
  ring::Segment::remove(ring);
  open();
  bystander_->maintain();
  REQUIRE(bystander_->producer().lane() == bystander_lane);
}

void Plant::store_all() {
  Batch batch;
  while (!drain_->drain(batch, 1000)) {
  }
  drain_->add_cursors(batch);
  store_.commit(batch);
  if (!victim_lives && random() % 4 == 0)
    open();
  else
    drain_->release();
}

void Plant::bystander_pushes() { CHECK(bystander_->push()); }

bool Plant::is_locked() const {
  return ring::lock::is_held(drain_->consumer().segment().descriptor(), victim_lane);
}

void Plant::check_lane() {
  CHECK_FALSE(is_locked());
  const auto& segment = drain_->consumer().segment();
  struct stat status {};
  REQUIRE(::fstat(segment.descriptor(), &status) == 0);
  if (drain_->consumer().used(victim_lane)) {
    CHECK(static_cast<std::uint64_t>(status.st_blocks) * 512 >= geometry_.segment_bytes());
    CHECK_NOTHROW(ring::detail::read_arena(lane()));
  }
}

void Plant::heir_comes(bool laps) {
  Pusher heir(ring, log, "heir");
  REQUIRE(heir.producer().why() == "");
  REQUIRE(heir.producer().lane() == victim_lane);
  heir.define(true);
  heir.push_times(laps ? lane_records + 16 : 3);
  store_all();
  CHECK(heir.push());
}

void Plant::read_database() {
  auto& db = store_.database();
  std::map<std::uint32_t, std::string> names;
  for (const auto& row : store_.series()) names[row.id] = row.definition.name;
  CHECK(names.size() <= 2);
  Statement batches(db, "SELECT id, blob FROM batches WHERE id > ?");
  for (batches.bind(1, last_batch_); batches.step(); last_batch_ = batches.integer(0)) {
    const BatchView view(batches.blob(1));
    for (std::uint32_t c = 0; c < view.series(); ++c) {
      const auto& column = view.column(c);
      for (std::uint32_t i = 0; i < column.count; ++i) {
        const auto serial = serial_of(column.value(i));
        ++found_.stored[serial];
        const auto at = serial - log.first;
        found_.whole &= at < log.issued && column.value(i) == value_of(serial) &&
                        column.time_ns(i) == time_of(log.time_serial[at]) &&
                        names[column.series] == series_of(serial);
      }
    }
  }
  Statement losses(db, "SELECT id, count, reason = 'overwritten' FROM losses WHERE id > ?");
  for (losses.bind(1, last_loss_); losses.step(); last_loss_ = losses.integer(0))
    (losses.integer(2) ? found_.overwritten : found_.lost) += static_cast<std::uint64_t>(losses.integer(1));
  Statement owners(db, "SELECT id, lane, name, pid FROM producers WHERE id > ? ORDER BY id");
  for (owners.bind(1, last_producer_); owners.step(); last_producer_ = owners.integer(0)) {
    const auto known = pids_.find(owners.text(2));
    found_.owners_known &= known != pids_.end() && known->second == owners.integer(3);
    if (owners.integer(1) == victim_lane) found_.last_owner = owners.text(2);
  }
}

void Plant::check_account() {
  CHECK_FALSE(is_locked());
  read_database();
  CHECK(found_.whole);
  CHECK(found_.owners_known);
  CHECK(found_.last_owner == "heir");
  std::uint64_t wrong = 0;
  for (std::uint32_t i = 0; i < log.issued; ++i) {
    const auto at = found_.stored.find(log.first + i);
    const int times = at == found_.stored.end() ? 0 : at->second;
    const int times_max = log.outcome[i] == refused ? 0 : 1;
    const int times_min = log.outcome[i] == accepted && geometry_.mode == Mode::drop_newest ? 1 : 0;
    wrong += times < times_min || times > times_max;
  }
  CHECK(wrong == 0);
  const auto under_way = log.count(unknown), returned = log.count(accepted) + log.count(refused);
  const auto sum = found_.stored.size() + found_.lost + found_.overwritten;
  CHECK(sum >= returned);
  CHECK(sum <= returned + under_way);
  CHECK(found_.lost >= log.count(refused));
  CHECK(found_.lost <= log.count(refused) + under_way);
  if (geometry_.mode == Mode::drop_newest) CHECK(found_.overwritten == 0);
}

}  // namespace crash
