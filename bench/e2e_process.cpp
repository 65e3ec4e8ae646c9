// e2e_process.cpp: e2e_bench's cases with a ring-persister in a process of its own: its CPU and its memory.
//
// The producers are threads of this process on the first CPU; the persister has the second one.
#include <atomic>
#include <memory>
#include <sstream>

#include "control_loop.hpp"
#include "fleet.hpp"
#include "folder.hpp"
#include "persister_process.hpp"
#include "ring/producer.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::seconds;

struct Ring {
  std::string name = "e2e-bench-" + std::to_string(::getpid());
  ~Ring() { ring::Segment::remove(name); }
};

using Producers = std::vector<std::unique_ptr<ring::Producer>>;

std::unique_ptr<ring::Producer> producer(const Ring& ring, const ring::Geometry& geometry) {
  ring::Options options;
  options.geometry = geometry;
  auto out = std::make_unique<ring::Producer>(ring.name, options);
  if (!out->attached()) throw ring::Error(out->failure(), out->why());
  return out;
}

/// Measures a persister while `push` pushes, for the case's first argument; push(end) returns how many were
/// accepted, and starts and ends at any time near those.
template <class Push>
void measure(benchmark::State& state, const Ring& ring, const Producers& producers, Push&& push) {
  const bench::Folder folder;
  bench::PersisterProcess persister(ring.name, folder.database());
  const auto from = Clock::now();
  const auto cpu_from = persister.cpu_s();
  const std::int64_t pushed = push(from + seconds(state.range(0)));
  const auto took_s = duration<double>(Clock::now() - from).count();
  const auto cpu_s = persister.cpu_s() - cpu_from;
  auto& c = state.counters;
  c["cpu_percent"] = 100 * cpu_s / took_s;
  c["cpu_ns/record"] = cpu_s * 1e9 / static_cast<double>(pushed);
  c["records/s"] = static_cast<double>(pushed) / took_s;
  c["peak_MiB"] = persister.memory_mib("VmHWM");
  c["ring_MiB"] = persister.memory_mib("RssShmem");
  c["own_MiB"] = persister.memory_mib("RssAnon");
  std::uint64_t lost = 0;
  for (const auto& producer : producers) lost += producer->lost();
  c["lost"] = static_cast<double>(lost);
  state.SetIterationTime(took_s);
  persister.stop();
  if (persister.stored() != pushed) state.SkipWithError("not every record was stored");
}

/// Two controllers at 20 Hz with 26 values and one loop at 2 Hz with 23.
void control_loop(benchmark::State& state) {
  for (auto _ : state) {
    const Ring ring;
    Producers producers;
    std::vector<std::vector<ring::Series>> series(3);
    for (std::size_t p = 0; p < series.size(); ++p) {
      producers.push_back(producer(ring, {}));
      for (std::size_t s = 0; s < (p < 2 ? 26 : 23); ++s)
        series[p].push_back(
            producers[p]->gauge("bench_value_" + std::to_string(s), {{"loop", std::to_string(p)}}));
    }
    measure(state, ring, producers, [&](Clock::time_point end) {
      std::int64_t pushed = 0;
      auto next = Clock::now();
      for (std::size_t cycle = 0; next < end; ++cycle, next += std::chrono::milliseconds(50)) {
        std::this_thread::sleep_until(next);
        const auto values = bench::cycle_values(cycle);
        for (std::size_t p = 0; p < (cycle % 10 == 0 ? 3 : 2); ++p)
          pushed += static_cast<std::int64_t>(producers[p]->push_many(
              producers[p]->now_ns(), series[p], values.subspan(p % 2 * 26, series[p].size())));
      }
      return pushed;
    });
  }
}

/// 20,000 series at 1 Hz from 64 producers, evenly over the second. Lanes of so many records.
void fleet(benchmark::State& state) {
  for (auto _ : state) {
    const Ring ring;
    ring::Geometry geometry;
    geometry.lanes = 64;
    geometry.lane_records = static_cast<std::uint32_t>(state.range(1));
    bench::Fleet fleet(20'000, 1);
    ringdown::Batch batch;
    fleet.definitions(batch, 1);
    Producers producers;
    for (std::size_t p = 0; p < geometry.lanes; ++p) producers.push_back(producer(ring, geometry));
    std::vector<ring::Series> series;
    const auto owner = [&](std::size_t s) { return s * geometry.lanes / 20'000; };
    for (const auto& row : batch.series)
      series.push_back(producers[owner(series.size())]->define(row.definition));
    measure(state, ring, producers, [&](Clock::time_point end) {
      std::int64_t pushed = 0;
      for (auto second = Clock::now(); second < end; second += seconds(1)) {
        fleet.next_second(batch);
        for (std::size_t s = 0; s < batch.samples.size(); ++s) {
          const auto p = owner(s);
          if (s == 0 || owner(s - 1) != p)
            std::this_thread::sleep_until(second + seconds(1) * p / geometry.lanes);
          pushed += producers[p]->push(series[s], batch.samples[s].value);
        }
      }
      return pushed;
    });
  }
}

/// One producer that pushes whenever its lane, of so many records, has room.
void flat_out(benchmark::State& state) {
  for (auto _ : state) {
    const Ring ring;
    ring::Geometry geometry;
    geometry.lanes = 1;
    geometry.lane_records = static_cast<std::uint32_t>(state.range(1));
    Producers producers;
    producers.push_back(producer(ring, geometry));
    const auto& one = producers.front();
    std::vector<ring::Series> series;
    for (std::size_t s = 0; s < bench::series_count; ++s)
      series.push_back(one->gauge("bench_value_" + std::to_string(s)));
    const auto segment = ring::Segment::open(ring.name);
    const auto lane = segment.lane(one->lane());
    measure(state, ring, producers, [&](Clock::time_point end) {
      std::int64_t pushed = 0;
      for (std::size_t cycle = 0; Clock::now() < end; ++cycle) {
        while (one->sequence() + bench::series_count >
               ring::words::load(lane.header->tail, std::memory_order_acquire) + lane.capacity)
          ::sched_yield();
        pushed += static_cast<std::int64_t>(one->push_many(one->now_ns(), series, bench::cycle_values(cycle)));
      }
      return pushed;
    });
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(control_loop)->Name("process/control_loop")->ArgName("seconds")->Arg(60)->Apply(once);
BENCHMARK(fleet)
    ->Name("process/fleet")
    ->ArgNames({"seconds", "lane_records"})
    ->Args({70, 4096})
    ->Args({70, 65'536})
    ->Apply(once);
BENCHMARK(flat_out)
    ->Name("process/flat_out")
    ->ArgNames({"seconds", "lane_records"})
    ->Args({60, 65'536})
    ->Args({60, 1 << 20})
    ->Apply(once);

}  // namespace
