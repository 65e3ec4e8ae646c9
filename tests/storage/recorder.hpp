// recorder.hpp: two small rings, one of each mode, a producer in each, and the persister's loop at the test's
// own time.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "loop.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

namespace storage {

class Recorder {
 public:
  explicit Recorder(std::filesystem::path database, std::int64_t first_value = 0);
  ~Recorder();

  /// One sample after the other, each with the next number as its value.
  void push(int count);
  /// A persister starts. @return false when it could not, and ended again
  bool start();
  /// It ends, without a last drain or commit.
  void end() { loop_.reset(); }
  /// One round, and time goes on, so far that everything is due in the next. When the database is gone,
  /// another persister starts. @return false without a persister
  bool round();
  /// Rounds until all that was pushed is stored and rolled up, if that ever happens.
  void settle();
  /// All that was pushed is stored once or counted as lost, and the tiers agree. For Catch.
  void check();
  /// How often a database was gone.
  int databases_gone() const noexcept { return databases_gone_; }
  /// The values a database has of a lane, in the order stored; and what that lane's producer has pushed.
  static std::vector<double> values(const std::string& database, const std::string& lane);
  std::int64_t accepted(std::size_t lane) const noexcept { return lanes_[lane].accepted; }
  std::int64_t refused(std::size_t lane) const noexcept { return lanes_[lane].refused; }

  const std::string& database() const noexcept { return database_; }
  ringdown::StoreOptions& store_options() noexcept { return settings_.store; }
  /// By lane, in the order of their names: the ring, and the last record pushed, and released.
  using Sequences = std::array<std::uint64_t, 2>;
  const std::string& ring(std::size_t lane) const noexcept { return lanes_[lane].ring; }
  Sequences pushed() const { return {lanes_[0].producer->sequence(), lanes_[1].producer->sequence()}; }
  Sequences released() const { return {tail(0), tail(1)}; }

 private:
  struct Lane {
    std::string name;
    std::string ring = support::unique_ring();
    std::unique_ptr<ring::Producer> producer = {};
    ring::Series series = {};
    std::optional<ring::Segment> segment = {};
    std::int64_t accepted = 0, refused = 0;
  };
  std::uint64_t tail(std::size_t lane) const {
    return ring::words::load(lanes_[lane].segment->lane(0).header->tail);
  }

  std::string database_;
  std::int64_t first_value_;
  std::array<Lane, 2> lanes_{Lane{"drop_newest"}, Lane{"overwrite_oldest"}};
  ringdown::Settings settings_;
  std::optional<ringdown::Loop> loop_;
  int databases_gone_ = 0;
  ringdown::Loop::Clock::time_point now_ = ringdown::Loop::Clock::now();
};

}  // namespace storage
