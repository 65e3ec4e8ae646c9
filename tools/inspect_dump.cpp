#include "inspect_dump.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <queue>
#include <vector>

#include "drain.hpp"
#include "inspect_snapshot.hpp"
#include "maintenance.hpp"
#include "query_output.hpp"
#include "ring/claim.hpp"

namespace inspect {
namespace {

/// Goes through one lane of a snapshot.
class LaneSamples {
 public:
  /// @param series_id  of the last series before; every one of all lanes has its own
  LaneSamples(const ring::LaneView& lane, std::uint32_t& series_id, Dumped& counts)
      : lane_(lane), next_(ring::words::load(lane.header->tail) + 1), end_(ring::find_head(lane)), counts_(&counts) {
    try {
      for (auto& definition : ring::detail::read_arena(lane))
        series_.emplace_back(ringdown::SeriesRow{++series_id, std::move(definition)});
    } catch (const ring::Error&) {  // the definitions are what is left out
    }
    step();
  }
  bool is_at_end() const noexcept { return is_at_end_; }
  const ring::RecordCopy& sample() const noexcept { return sample_; }
  const ringdown::Series& series() const noexcept { return series_[sample_.series]; }

  /// To the next record that can be believed.
  void step() {
    while (next_ < end_) {
      if (ring::read(lane_, next_++, sample_) != ring::Read::record || sample_.is_control()) continue;
      if (sample_.series < series_.size() && std::isfinite(sample_.value)) return;
      ++counts_->left_out;
    }
    is_at_end_ = true;
  }

 private:
  ring::LaneView lane_;
  std::uint64_t next_, end_;
  Dumped* counts_;
  std::vector<ringdown::Series> series_;
  ring::RecordCopy sample_;
  bool is_at_end_ = false;
};

void roll_up(ringdown::Store& store, std::int64_t now_ns) {
  // As of the newest sample, lest what is old already is deleted.
  ringdown::Maintenance maintenance(store.database(), ringdown::Rules{}, 1);
  for (bool more = true; more;)
    more = maintenance.run(ringdown::Fold::everything, now_ns, ringdown::Budget::Clock::now(), ringdown::Budget{});
}

}  // namespace

Dumped dump_csv(const ring::Segment& segment) {
  const auto copy = take_snapshot(segment);
  Dumped counts;
  std::vector<LaneSamples> lanes;
  std::uint32_t series_id = 0;
  for (std::uint32_t i = 0; i < copy.geometry().lanes; ++i)
    if (ring::words::load(copy.lane(i).header->claims) > 0) lanes.emplace_back(copy.lane(i), series_id, counts);
  const auto later = [&](std::size_t a, std::size_t b) {
    const auto at = [&](std::size_t lane) { return std::pair(lanes[lane].sample().time_ns, lane); };
    return at(a) > at(b);
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> next(later);
  for (std::size_t i = 0; i < lanes.size(); ++i)
    if (!lanes[i].is_at_end()) next.push(i);
  const auto writer = ringdown::make_writer("csv");
  for (; !next.empty(); ++counts.samples) {
    const auto i = next.top();
    next.pop();
    writer->sample(lanes[i].series(), lanes[i].sample().time_ns, lanes[i].sample().value);
    lanes[i].step();
    if (!lanes[i].is_at_end()) next.push(i);
  }
  writer->finish();
  return counts;
}

Dumped dump_database(const ring::Segment& segment, const std::string& path) {
  constexpr std::size_t samples_max = 50'000;  // of a commit
  if (std::filesystem::exists(path))
    throw ring::Error(ring::Failure::bad_argument, "--dump-db " + path +
                                                       ": it is there already; expected the name of a "
                                                       "new file, as the dump is a database of its own");
  ringdown::Store store(path);
  ringdown::Catalog catalog(store.series(), store.last_producer());
  ringdown::Drain drain(ring::Consumer(take_snapshot(segment)), store, catalog);
  ringdown::Batch batch;
  auto newest_ns = segment.created_ns();
  for (bool drained = false; !drained;) {
    drained = drain.drain(batch, samples_max);
    drain.add_cursors(batch);
    for (const auto& sample : batch.samples) newest_ns = std::max(newest_ns, sample.time_ns);
    if (!batch.empty()) store.commit(batch);
    drain.release();
    batch.clear();
  }
  roll_up(store, newest_ns);
  store.stop();
  const auto& lost = drain.counts().lost;
  return {drain.counts().taken, lost[static_cast<std::size_t>(ring::abi::Loss::corrupt)]};
}

}  // namespace inspect
