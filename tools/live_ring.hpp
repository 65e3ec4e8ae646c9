// live_ring.hpp: the samples of a ring that a database does not have yet.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bus_guard.hpp"
#include "lane_follower.hpp"
#include "ring/segment.hpp"

namespace ringdown {

class LiveRing {
 public:
  struct Held {
    std::uint64_t seq;
    std::int64_t time_ns;
    double value;
    std::uint32_t series;
  };
  using Cursors = std::map<std::uint32_t, std::uint64_t>;  // by lane: the first sequence that is not stored
  using SeriesId = std::function<std::uint32_t(const ring::Definition&)>;
  using Visit = std::function<void(const Held&)>;

  /// @param series_id  of a definition that a lane has
  LiveRing(ring::Segment segment, SeriesId series_id);

  /// Reads what came since the last time, and holds it; nothing in the ring changes. `fresh` gets each, lane by lane.
  void read(const Visit& fresh = [](const Held&) {});
  /// From now on nothing before these is held. `stored` gets what was. The same or later ones than before.
  void pass(const Cursors& cursors, const Visit& stored = [](const Held&) {});
  void for_each(const Visit& visit) const;

  const ring::Segment& segment() const noexcept { return segment_; }

 private:
  struct Lane {
    explicit Lane(const inspect::LaneFollower& from) : follower(from) {}
    inspect::LaneFollower follower;
    std::uint64_t arenas = 0;
    std::vector<std::uint32_t> series = {};  // by id in the lane's arena
    std::deque<Held> held = {};
  };

  std::uint64_t first_of(std::uint32_t index) const;
  void find_lanes();
  static std::uint32_t series_of(Lane& lane, std::uint32_t id, const SeriesId& series_id);

  ring::Segment segment_;
  BusGuard guard_;
  SeriesId series_id_;
  Cursors cursors_;
  std::map<std::uint32_t, Lane> lanes_;
};

}  // namespace ringdown
