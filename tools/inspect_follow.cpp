#include "inspect_follow.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "cli.hpp"
#include "lane_follower.hpp"
#include "no_match.hpp"
#include "query_output.hpp"
#include "store.hpp"

namespace inspect {
namespace {

constexpr std::chrono::milliseconds look_interval{50};

struct Row {
  std::uint32_t lane;
  ring::RecordCopy record;
  ring::Definition definition;
};

/// A lane, and which of its series are wanted.
class WantedSeries {
 public:
  WantedSeries(const ring::LaneView& lane, std::uint32_t index) : follower_(lane), index_(index) {}

  void poll(const ringdown::Selector& selector, std::vector<Row>& rows) {
    follower_.poll(follower_.lane().capacity, [&](const ring::RecordCopy& record) {
      if (wants(selector, record.series)) rows.push_back({index_, record, follower_.series()[record.series]});
    });
  }
  LaneFollower& follower() noexcept { return follower_; }

 private:
  bool wants(const ringdown::Selector& selector, std::uint32_t id) {
    if (arenas_ != follower_.arenas()) wanted_.clear(), arenas_ = follower_.arenas();
    for (auto i = wanted_.size(); i <= id; ++i) wanted_.push_back(selector.matches(follower_.series()[i]));
    return wanted_[id];
  }

  LaneFollower follower_;
  std::uint32_t index_;
  std::uint64_t arenas_ = 0;
  std::vector<bool> wanted_;  // by series
};

class Follow {
 public:
  Follow(const ring::Segment& segment, const FollowOptions& options)
      : segment_(segment), options_(options), selector_(options.selector) {
    find_lanes();
    std::vector<ring::Definition> known;
    for (auto& [index, lane] : lanes_)
      known.insert(known.end(), lane.follower().series().begin(), lane.follower().series().end());
    if (std::none_of(known.begin(), known.end(), [&](const auto& d) { return selector_.matches(d); }))
      throw ring::Error(ring::Failure::bad_argument, ringdown::no_match(selector_, known, "ring " + segment.ring()));
  }

  /// @return whether there may be more to come
  bool look() {
    find_lanes();
    rows_.clear();
    for (auto& [index, lane] : lanes_) lane.poll(selector_, rows_);
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const Row& a, const Row& b) { return a.record.time_ns < b.record.time_ns; });
    for (const auto& row : rows_) {
      output_.put(options_.json ? json_of(row) : text_of(row));
      if (++printed_ == options_.count) break;
    }
    output_.flush();
    return options_.count == 0 || printed_ < options_.count;
  }

 private:
  void find_lanes() {
    for (std::uint32_t i = 0; i < segment_.geometry().lanes; ++i)
      if (!lanes_.contains(i) && ring::words::load(segment_.lane(i).header->claims, std::memory_order_acquire) > 0)
        lanes_.try_emplace(i, segment_.lane(i), i);
  }
  static std::string loss_of(const ring::RecordCopy& record) {
    return record.lost_count()
               ? fmt::format("{} {} lost before", record.lost_count(), ringdown::loss_name(record.lost_reason()))
               : "";
  }
  static std::string text_of(const Row& row) {
    const auto loss = loss_of(row.record);
    return ringdown::printable(fmt::format("{}  {:>4}  {}  {}{}{}", ringdown::local_time(row.record.time_ns, 3),
                                           row.lane, ringdown::series_text(row.definition),
                                           ringdown::value_text(row.definition, row.record.value),
                                           loss.empty() ? "" : "  ", loss)) +
           "\n";
  }
  static std::string json_of(const Row& row) {
    using nlohmann::json;
    const json out{{"time_ns", row.record.time_ns}, {"lane", row.lane},           {"seq", row.record.seq},
                   {"series", ringdown::series_text(row.definition)}, {"value", row.record.value},
                   {"lost_before", row.record.lost_count()}};
    return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }

  const ring::Segment& segment_;
  const FollowOptions& options_;
  ringdown::Selector selector_;
  std::map<std::uint32_t, WantedSeries> lanes_;
  std::vector<Row> rows_;
  ringdown::Output output_;
  std::uint64_t printed_ = 0;
};

}  // namespace

void follow(const ring::Segment& segment, const ringdown::BusGuard& guard, const FollowOptions& options) {
  if (segment.is_copy())
    throw ring::Error(ring::Failure::bad_argument, "--follow: found a copy, which does not change; expected a ring's "
                                                   "name (--records N shows a copy's last records)");
  Follow follow(segment, options);
  for (bool is_current = true;;) {
    if (!follow.look()) return;
    if (!is_current || guard.hit())
      throw ring::Error(ring::Failure::no_ring, "ring \"" + segment.ring() + "\": it was deleted or replaced; start "
                                                                             "again to follow its successor");
    std::this_thread::sleep_for(look_interval);
    is_current = segment.is_current();
  }
}

}  // namespace inspect
