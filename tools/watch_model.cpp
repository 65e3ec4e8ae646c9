#include "watch_model.hpp"

#include <algorithm>
#include <cmath>

#include "cli.hpp"
#include "inspect_lane.hpp"

namespace inspect {
namespace {

constexpr double rate_over_s = 3;
constexpr std::int64_t second_ns = 1'000'000'000;

}  // namespace

double& Minute::at(std::int64_t second) {
  constexpr auto size = static_cast<std::int64_t>(seconds + 1);
  if (first_ < 0) first_ = last_ = second;
  for (auto passed = std::max(last_, second - size); passed < second; ++passed)
    values_[static_cast<std::size_t>((passed + 1) % size)] = 0;
  last_ = std::max(last_, second);
  return values_[static_cast<std::size_t>(second % size)];
}

std::vector<double> Minute::columns(std::size_t columns, std::int64_t second) const {
  constexpr auto size = static_cast<std::int64_t>(seconds + 1);
  std::vector<double> out(columns, -1);
  for (std::size_t i = 0; i < seconds && columns > 0; ++i) {
    const auto of = second - static_cast<std::int64_t>(seconds - i);
    if (first_ < 0 || of < first_ || of <= last_ - size) continue;
    auto& column = out[i * columns / seconds];
    column = std::max(column, of > last_ ? 0.0 : values_[static_cast<std::size_t>(of % size)]);
  }
  return out;
}

WatchModel::WatchModel(const ring::Segment& segment, std::int64_t steady_ns, std::int64_t now_ns)
    : segment_(segment), found_(segment.geometry().lanes), looked_ns_(steady_ns) {
  figures_.now_ns = now_ns;
  look(steady_ns, now_ns);
}

void WatchModel::find_lanes() {
  for (std::uint32_t i = 0; i < found_.size(); ++i) {
    const auto view = segment_.lane(i);
    if (found_[i] || ring::words::load(view.header->claims, std::memory_order_acquire) == 0) continue;
    found_[i] = true;
    LaneFollower follower(view);
    const auto next = follower.next();
    lanes_.push_back(std::make_unique<Lane>(Lane{std::move(follower), next, 0, {}, {}}));
    figures_.lanes.push_back({i, {}, {}, {}, 0, 0, 0, {}, {}, {}});
    take_definitions(*lanes_.back(), i);
    read_past(*lanes_.back());
  }
}

/// The last values that are in the lane already.
void WatchModel::read_past(Lane& lane) {
  ArenaReach reach(lane.follower.lane());
  std::vector<std::uint64_t> seqs(lane.series.size());
  auto left = lane.series.size();
  for_each_back(lane.follower.lane(), lane.next - 1, [&](const ring::RecordCopy& record) {
    if (!reach.takes(record) || left == 0) return false;
    if (record.is_control() || record.series >= seqs.size() || seqs[record.series] != 0) return true;
    seqs[record.series] = record.seq;
    lane.series[record.series].last = record.value;
    lane.series[record.series].time_ns = record.time_ns;
    --left;
    return true;
  });
  for (std::size_t i = 0; i < seqs.size(); ++i)
    if (seqs[i] < reach.first()) lane.series[i].last.reset();
}

void WatchModel::take_definitions(Lane& lane, std::uint32_t index) {
  lane.follower.read_definitions();
  if (lane.arenas != lane.follower.arenas()) {
    lane.arenas = lane.follower.arenas();
    lane.series.clear();
    lane.counts.clear();
  }
  const auto& known = lane.follower.series();
  for (auto i = lane.series.size(); i < known.size(); ++i)
    lane.series.push_back({std::make_shared<SeriesInfo>(SeriesInfo{
                               index, known[i], ringdown::printable(ringdown::series_text(known[i]))}),
                           {}, 0, 0});
  lane.counts.resize(lane.series.size());
}

void WatchModel::look(Lane& lane, LaneFigures& figures, double seconds) {
  const auto& view = lane.follower.lane();
  const auto& header = *view.header;
  std::fill(lane.counts.begin(), lane.counts.end(), 0);
  lane.follower.poll(view.capacity, [&](const ring::RecordCopy& record) {
    if (lane.arenas != lane.follower.arenas() || record.series >= lane.series.size())
      take_definitions(lane, figures.index);
    if (record.series >= lane.series.size()) return;
    auto& series = lane.series[record.series];
    series.last = record.value;
    series.time_ns = record.time_ns;
    ++lane.counts[record.series];
    ++figures_.records;
  });
  take_definitions(lane, figures.index);
  const auto weight = seconds > 0 ? 1 - std::exp(-seconds / rate_over_s) : 0;
  const auto move = [&](double& rate, double count) {
    rate += weight * ((seconds > 0 ? count / seconds : 0) - rate);
  };
  for (std::size_t i = 0; i < lane.series.size(); ++i) move(lane.series[i].rate_hz, lane.counts[i]);

  const auto written = static_cast<double>(lane.follower.next() - lane.next);
  lane.next = lane.follower.next();
  const auto owner = ring::read_identity(header.owner);
  figures.owner = owner.name();
  figures.pid = owner.pid;
  if (!segment_.is_copy()) figures.alive = ring::lock::is_held(segment_.descriptor(), figures.index);
  const auto newest = lane.next - 1, stored = ring::words::load(header.tail);
  figures.waiting = std::min(newest - std::min(newest, stored), view.capacity);
  std::uint64_t lost = 0;
  for (const auto& count : header.losses) lost += ring::words::load(count);
  const bool is_first = figures_.second < 0;
  move(figures.rate_hz, written);
  if (is_first) figures.lost = lost;  // of before: not this minute's
  figures.rates.add(looked_ns_ / second_ns, written);
  figures.waits.raise(looked_ns_ / second_ns, static_cast<double>(figures.waiting));
  figures.losses.add(looked_ns_ / second_ns, static_cast<double>(lost - std::min(lost, figures.lost)));
  figures.lost = lost;
}

void WatchModel::look(std::int64_t steady_ns, std::int64_t now_ns) {
  find_lanes();
  const auto seconds = static_cast<double>(steady_ns - std::exchange(looked_ns_, steady_ns)) / 1e9;
  figures_.missed = 0;
  figures_.series.clear();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    look(*lanes_[i], figures_.lanes[i], seconds);
    figures_.missed += lanes_[i]->follower.missed();
    figures_.series.insert(figures_.series.end(), lanes_[i]->series.begin(), lanes_[i]->series.end());
  }
  figures_.second = steady_ns / second_ns;
  figures_.now_ns = now_ns;
}

}  // namespace inspect
