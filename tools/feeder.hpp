// feeder.hpp: pushes any number of series into a ring and accounts for every sample.
//
// A producer has room for 65,535 series and for as many definitions as its lane's arena holds. The feeder takes one
// more producer, of this same thread, whenever the last one is full.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "losses.hpp"
#include "ring/producer.hpp"

namespace ringdown {

class Feeder {
 public:
  struct Handle {
    std::uint32_t producer = 0;
    ring::Series series = {};
  };
  /// pushed = accepted + lost
  struct Tally {
    std::uint64_t pushed = 0, accepted = 0, left_behind = 0;
    Losses by_reason = {};
    std::uint64_t lost() const noexcept { return pushed - accepted; }
  };
  /// Hears, once, what keeps it from recording, and once that nothing does any more.
  using Tell = std::function<void(const std::string&)>;

  /// Throws ring::Error when the ring cannot be used.
  Feeder(std::string ring, ring::Options options, Tell tell);

  /// The same definition gives the same handle. Throws ring::Error(bad_argument) for what is outside the grammar or
  /// the ring's limits, and any other failure when there is no lane for one more producer.
  Handle define(ring::Definition definition);

  bool push(Handle handle, double value, std::int64_t time_ns) noexcept {
    const bool accepted = producers_[handle.producer]->push(handle.series, value, time_ns);
    ++tally_.pushed;
    tally_.accepted += accepted;
    return accepted;
  }

  /// About once a second: finds a ring that was deleted and made again.
  void maintain();
  /// Of everything up to now.
  const Tally& tally();

 private:
  void add_producer();
  /// Takes in what the producers have counted since the last time: they begin again whenever they attach.
  void settle() noexcept;

  std::string ring_;
  ring::Options options_;
  Tell tell_;
  std::vector<std::unique_ptr<ring::Producer>> producers_;
  std::vector<Losses> seen_;  // by producer
  std::unordered_map<ring::Definition, Handle, ring::DefinitionHash> handles_;
  ring::Failure told_ = ring::Failure::none;
  Tally tally_;
};

}  // namespace ringdown
