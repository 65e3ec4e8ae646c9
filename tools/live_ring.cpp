#include "live_ring.hpp"

#include <algorithm>

#include "ring/error.hpp"

namespace ringdown {

namespace words = ring::words;

LiveRing::LiveRing(ring::Segment segment, SeriesId series_id)
    : segment_(std::move(segment)),
      guard_(&segment_.header(), segment_.geometry().segment_bytes()),
      series_id_(std::move(series_id)) {}

/// Where a persister of this database would go on. What is before the tail and not stored was drained into another one.
std::uint64_t LiveRing::first_of(std::uint32_t index) const {
  const auto lane = segment_.lane(index);
  const auto cursor = cursors_.find(index);
  const auto next = std::max(cursor == cursors_.end() ? 1 : cursor->second, words::load(lane.header->tail) + 1);
  if (lane.mode == ring::abi::Mode::drop_newest) return next;
  const auto head = ring::find_head(lane);
  return std::max(next, head - std::min(head - 1, lane.capacity));
}

void LiveRing::find_lanes() {
  for (std::uint32_t i = 0; i < segment_.geometry().lanes; ++i)
    if (!lanes_.contains(i) && words::load(segment_.lane(i).header->claims, std::memory_order_acquire) > 0)
      lanes_.try_emplace(i, inspect::LaneFollower(segment_.lane(i), first_of(i)));
}

void LiveRing::read(const Visit& fresh) {
  constexpr std::uint64_t laps_max = 4;  // no persister takes so long to commit what it has read
  find_lanes();
  for (auto& [index, lane] : lanes_) {
    const auto cursor = cursors_.find(index);
    const auto first = cursor == cursors_.end() ? 0 : cursor->second;
    lane.follower.poll(2 * lane.follower.lane().capacity, [&, &of = lane](const ring::RecordCopy& record) {
      if (record.seq < first) return;
      of.held.push_back({record.seq, record.time_ns, record.value, series_of(of, record.series, series_id_)});
      fresh(of.held.back());
    });
    const auto most = laps_max * lane.follower.lane().capacity;
    if (lane.held.size() > most) lane.held.erase(lane.held.begin(), lane.held.end() - static_cast<std::ptrdiff_t>(most));
  }
  if (guard_.hit())
    throw ring::Error(ring::Failure::foreign, "ring \"" + segment_.ring() + "\": truncated while it was read; delete /dev/shm/" +
                                                  ring::object_name(segment_.ring()) + " when its producers have stopped");
}

std::uint32_t LiveRing::series_of(Lane& lane, std::uint32_t id, const SeriesId& series_id) {
  if (lane.arenas != lane.follower.arenas()) lane.series.clear(), lane.arenas = lane.follower.arenas();
  for (auto i = lane.series.size(); i <= id; ++i) lane.series.push_back(series_id(lane.follower.series()[i]));
  return lane.series[id];
}

void LiveRing::pass(const Cursors& cursors, const Visit& stored) {
  cursors_ = cursors;
  for (auto& [index, lane] : lanes_) {
    const auto cursor = cursors_.find(index);
    if (cursor == cursors_.end()) continue;
    for (; !lane.held.empty() && lane.held.front().seq < cursor->second; lane.held.pop_front()) stored(lane.held.front());
  }
}

void LiveRing::for_each(const Visit& visit) const {
  for (const auto& [index, lane] : lanes_)
    for (const auto& held : lane.held) visit(held);
}

}  // namespace ringdown
