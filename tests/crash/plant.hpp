// plant.hpp: a small ring with a bystander and the persister's path, and the account of all pushes around one
// kill.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "drain.hpp"
#include "ring/producer.hpp"
#include "store.hpp"
#include "support.hpp"

namespace crash {

inline constexpr std::uint32_t bystander_lane = 0, victim_lane = 1;
inline constexpr int lane_records = 64;

// Every push has a serial number of its own. Its value tells it, and its time and its series follow from it.
inline std::int64_t time_of(std::uint64_t serial) { return static_cast<std::int64_t>(serial << 32 | serial); }
inline double value_of(std::uint64_t serial) {
  const auto high = serial * 0x9e37'79b9 & 0xbfff'ffff;  // finite
  return std::bit_cast<double>(high << 32 | serial);
}
inline std::uint64_t serial_of(double value) { return std::bit_cast<std::uint64_t>(value) & 0xffff'ffff; }
inline std::string series_of(std::uint64_t serial) { return serial % 2 ? "odd" : "even"; }

enum Outcome : std::uint8_t { unknown, accepted, refused };

/// What the pushes around one kill returned; shared with the victim.
struct Log {
  std::uint64_t first = 1;            // serial
  std::atomic<std::uint32_t> issued;  // serials given out since
  std::array<std::atomic<std::uint8_t>, 1024> outcome;
  std::array<std::atomic<std::uint64_t>, 1024> time_serial;  // whose time it has

  void start() {
    first += issued.exchange(0);
    for (auto& each : outcome) each = unknown;
  }
  std::uint64_t count(Outcome what) const {
    return static_cast<std::uint64_t>(std::count(outcome.begin(), outcome.begin() + issued, what));
  }
};

/// A producer that writes down what its pushes return.
class Pusher {
 public:
  Pusher(const std::string& ring, Log& log, const char* name)
      : producer_(ring, {.create = false, .name = name}), log_(log) {}

  /// In another order each arena has other bytes than its last one.
  void define(bool odd_first = false) {
    if (odd_first) series_[1] = producer_.counter("odd");
    series_[0] = producer_.gauge("even", {{"wan", "spectrum"}, {"direction", "download"}}, "ms");
    series_[1] = producer_.counter("odd");
  }
  bool push(bool finite = true) {
    const auto at = log_.issued.fetch_add(1);
    const auto serial = log_.first + at;
    log_.time_serial[at] = serial;
    const bool ok = producer_.push(series_[serial % 2], finite ? value_of(serial) : NAN, time_of(serial));
    log_.outcome[at] = ok ? accepted : refused;
    return ok;
  }
  void push_times(int count) {
    for (; count > 0; --count) push();
  }
  /// Three under one time stamp, the second not finite.
  void push_cycle() {
    constexpr std::size_t size = 3, bad = 1;
    const auto at = log_.issued.fetch_add(size);
    std::array<ring::Series, size> series;
    std::array<double, size> values;
    for (std::size_t i = 0; i < size; ++i) {
      const auto serial = log_.first + at + i;
      log_.time_serial[at + i] = log_.first + at;
      series[i] = series_[serial % 2];
      values[i] = i == bad ? NAN : value_of(serial);
    }
    if (producer_.push_many(time_of(log_.first + at), series, values) != size - 1) std::abort();
    for (std::size_t i = 0; i < size; ++i) log_.outcome[at + i] = i == bad ? refused : accepted;
  }
  void maintain() { producer_.maintain(); }
  const ring::Producer& producer() const { return producer_; }

 private:
  ring::Producer producer_;
  Log& log_;
  ring::Series series_[2];
};

/// A ring of two lanes with a bystander in the first, and a database for all that is ever pushed into it.
class Plant {
 public:
  explicit Plant(ring::abi::Mode mode);

  /// Begins the account of one kill; everything before it is stored.
  void start();
  /// The ring is deleted and made again; the victim's lane has had no owner.
  void new_ring();
  /// The persister takes what is there. Now and then it dies before the release, and another one starts.
  void store_all();
  void bystander_pushes();
  /// Another producer takes the victim's lane, and leaves it again. When it laps, it pushes more than the
  /// lane holds before the persister comes.
  void heir_comes(bool laps);
  /// Who else may have claimed a lane.
  void knows(const char* name, pid_t pid) { pids_[name] = pid; }
  /// What a kill has left in the lane, before anybody repairs it.
  void check_lane();
  /// Everything is stored: compares the database with what the pushes returned.
  void check_account();

  ring::LaneView lane() const { return drain_->consumer().lane(victim_lane); }
  std::span<const std::byte> lane_bytes() const {
    return {reinterpret_cast<const std::byte*>(lane().header), geometry_.lane_bytes()};
  }

  const std::string ring = support::unique_ring();
  bool victim_lives =
      false;  // it inherits the reader's lock from this process, so the persister may not restart
  Log& log = support::shared<Log>();
  const std::uint64_t seed = support::test_seed();
  std::mt19937_64 random{seed};

 private:
  struct Found {
    std::map<std::uint64_t, int> stored;  // serials
    std::uint64_t lost = 0, overwritten = 0;
    std::string last_owner;  // of the victim's lane
    bool whole = true, owners_known = true;
  };
  void open();
  void read_database();
  bool is_locked() const;

  ring::Geometry geometry_;
  std::filesystem::path folder_ = support::unique_folder();
  ringdown::Store store_{folder_ / "m.db"};
  std::optional<ringdown::Catalog> catalog_;
  std::optional<ringdown::Drain> drain_;
  std::optional<Pusher> bystander_;
  std::map<std::string, pid_t> pids_;
  std::int64_t last_batch_ = 0, last_loss_ = 0, last_producer_ = 0;
  Found found_;
};

}  // namespace crash
