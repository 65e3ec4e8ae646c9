#include "inspect_lane.hpp"

#include "ring/claim.hpp"
#include "store.hpp"

namespace inspect {
namespace {

constexpr std::int64_t rate_window_ns = 10'000'000'000;

std::optional<ring::Epoch> epoch_at(const ring::LaneView& view, std::uint64_t seq) {
  ring::EpochReader reader;
  ring::RecordCopy record;
  for (std::uint32_t part = 0; part < ring::abi::epoch_records; ++part)
    if (ring::read(view, seq + part, record) != ring::Read::record || !record.is_control()) return {};
    else if (reader.take(record)) return reader.epoch();
  return {};
}

void read_records(const ring::LaneView& view, LaneReport& lane) {
  // A copy's now is its newest record's.
  auto now = ring::clock_ns(CLOCK_REALTIME);
  if (ring::RecordCopy newest;
      !lane.alive.has_value() && ring::read(view, lane.written, newest) == ring::Read::record)
    now = newest.time_ns;
  std::uint64_t recent = 0;
  std::int64_t oldest_ns = now;
  lane.last.resize(lane.series.size());
  ArenaReach reach(view);
  std::vector<std::uint64_t> last_seq(lane.series.size());
  for_each_back(view, lane.written, [&](const ring::RecordCopy& record) {
    if (record.series == ring::abi::control_epoch)
      if (const auto epoch = epoch_at(view, record.seq)) lane.epochs.push_back(*epoch);
    const bool has_meaning = reach.takes(record);
    if (record.is_control()) return true;
    if (has_meaning && record.series < lane.last.size() && !lane.last[record.series]) {
      lane.last[record.series] = record.value;
      last_seq[record.series] = record.seq;
    }
    if (record.time_ns <= now && record.time_ns > now - rate_window_ns) {
      ++recent;
      oldest_ns = std::min(oldest_ns, record.time_ns);
    }
    return true;
  });
  for (std::size_t i = 0; i < last_seq.size(); ++i)
    if (last_seq[i] < reach.first()) lane.last[i].reset();
  const bool whole_window = recent < view.capacity / 2;
  const auto span_ns = whole_window ? rate_window_ns : std::max<std::int64_t>(now - oldest_ns, 1);
  lane.rate_hz = static_cast<double>(recent) * 1e9 / static_cast<double>(span_ns);
}

}  // namespace

LaneReport report(const ring::Segment& segment, std::uint32_t index) {
  const auto view = segment.lane(index);
  LaneReport lane;
  lane.index = index;
  lane.claims = ring::words::load(view.header->claims, std::memory_order_acquire);
  if (lane.claims == 0) return lane;
  if (!segment.is_copy()) lane.alive = ring::lock::is_held(segment.descriptor(), index);
  lane.owner = ring::read_identity(view.header->owner);
  lane.stored = ring::words::load(view.header->tail);
  lane.written = ring::find_head(view) - 1;
  for (std::uint32_t r = 0; r < ring::abi::producer_losses; ++r)
    if (const auto count = ring::words::load(view.header->losses[r]))
      lane.lost[ringdown::loss_name(ring::abi::Loss{r})] = count;
  try {
    lane.series = ring::detail::read_arena(view);
  } catch (const ring::Error& e) {
    lane.trouble = e.what();
  }
  read_records(view, lane);
  return lane;
}

std::vector<RecordReport> last_records(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                                       std::size_t count) {
  std::vector<RecordReport> all;
  for (const auto& lane : lanes) {
    std::size_t taken = 0;
    const auto view = segment.lane(lane.index);
    ArenaReach reach(view);
    for_each_back(view, lane.written, [&](const ring::RecordCopy& record) {
      if (!reach.takes(record)) return false;
      if (!record.is_control()) all.push_back({lane.index, record}), ++taken;
      return taken < count;
    });
    while (taken > 0 && all.back().record.seq < reach.first()) all.pop_back(), --taken;
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.record.time_ns != b.record.time_ns ? a.record.time_ns < b.record.time_ns
                                                : a.lane == b.lane && a.record.seq < b.record.seq;
  });
  if (all.size() > count) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(count));
  return all;
}

std::vector<LaneReport> report_lanes(const ring::Segment& segment) {
  std::vector<LaneReport> lanes;
  for (std::uint32_t i = 0; i < segment.geometry().lanes; ++i)
    if (auto lane = report(segment, i); lane.claims > 0) lanes.push_back(std::move(lane));
  return lanes;
}

}  // namespace inspect
