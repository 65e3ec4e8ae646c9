// watch_model.hpp: what --watch knows of a ring: each lane's last minute and each series' last value.
// Nothing here draws, and time comes from the caller.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lane_follower.hpp"
#include "ring/segment.hpp"

namespace inspect {

/// A value a second, of the last minute.
class Minute {
 public:
  static constexpr std::size_t seconds = 60;

  /// `second` only grows; what it passes by is 0.
  void add(std::int64_t second, double value) { at(second) += value; }
  void raise(std::int64_t second, double value) { at(second) = std::max(at(second), value); }
  /// The greatest of each of `columns` equal parts, oldest first, the second under way left out. Negative: not known
  /// yet.
  std::vector<double> columns(std::size_t columns, std::int64_t second) const;

 private:
  double& at(std::int64_t second);

  std::array<double, seconds + 1> values_{};  // by second % 61
  std::int64_t first_ = -1, last_ = -1;
};

/// What a series is, as it is shown.
struct SeriesInfo {
  std::uint32_t lane;
  ring::Definition definition;
  std::string text;  // name{label="value"}, fit for a terminal
};

struct SeriesFigures {
  std::shared_ptr<const SeriesInfo> info;
  std::optional<double> last;
  std::int64_t time_ns = 0;
  double rate_hz = 0;  // over some seconds
};

struct LaneFigures {
  std::uint32_t index = 0;
  std::string owner;
  std::uint32_t pid = 0;
  std::optional<bool> alive;
  double rate_hz = 0;             // records, over some seconds
  std::uint64_t waiting = 0, lost = 0;
  Minute rates, waits, losses;
};

struct WatchFigures {
  std::vector<LaneFigures> lanes;
  std::vector<SeriesFigures> series;  // by lane and id
  std::uint64_t records = 0;          // read by us, ever
  std::uint64_t missed = 0;           // that went by too fast for us
  std::int64_t second = -1;           // of the last look, by a clock that only grows
  std::int64_t now_ns = 0;            // CLOCK_REALTIME of the last look
};

class WatchModel {
 public:
  /// Reads what is there once, for the last values.
  WatchModel(const ring::Segment& segment, std::int64_t steady_ns, std::int64_t now_ns);

  /// Looks at every lane: at the slots that are newly written, and at its header.
  void look(std::int64_t steady_ns, std::int64_t now_ns);
  const WatchFigures& figures() const noexcept { return figures_; }

 private:
  struct Lane {
    LaneFollower follower;
    std::uint64_t next;                  // at the last look
    std::uint64_t arenas = 0;
    std::vector<SeriesFigures> series;   // by id
    std::vector<std::uint32_t> counts;   // since the last look
  };

  void find_lanes();
  void read_past(Lane& lane);
  static void take_definitions(Lane& lane, std::uint32_t index);
  void look(Lane& lane, LaneFigures& figures, double seconds);

  const ring::Segment& segment_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // of figures_.lanes
  std::vector<bool> found_;                   // by lane of the ring
  std::int64_t looked_ns_;
  WatchFigures figures_;
};

}  // namespace inspect
