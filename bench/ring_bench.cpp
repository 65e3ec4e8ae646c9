// ring_bench.cpp: what one push costs the control loop.
//
// So that a lane never fills, each timed block is half a lane of pushes, and then the reader's tail is moved
// to the newest record: one store, and one rereading of the tail by the producer, in 2,048 pushes or more
// (both are in the figure, below 0.01 ns a push). Nobody reads the records, but in push/read_*: elsewhere the
// lane's cache lines never leave the producer's core. Times are CPU time per push unless the name says real
// time. Every case checks that all its pushes were accepted, or all refused, and fails otherwise.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <optional>
#include <thread>

#include "figures.hpp"
#include "machine.hpp"
#include "ring/consumer.hpp"
#include "ring/producer.hpp"

namespace {

constexpr std::size_t cycle_values = 26;  // what one link controller records in a cycle

/// A producer and the reading end of its lane. The name is gone at once: nothing is left behind.
class Lane {
 public:
  explicit Lane(std::uint32_t records, ring::Clock clock = ring::Clock::realtime)
      : Lane("ring-bench-" + std::to_string(::getpid()), records, clock) {}

  ring::Producer& producer() noexcept { return producer_; }
  ring::Consumer& consumer() noexcept { return consumer_; }
  ring::Series series(std::size_t i) const noexcept { return series_[i]; }
  std::span<const ring::Series> series() const noexcept { return series_; }
  std::uint32_t records() const noexcept { return consumer_.segment().geometry().lane_records; }
  void release() noexcept { consumer_.release(0, producer_.sequence()); }

 private:
  Lane(const std::string& ring, std::uint32_t records, ring::Clock clock)
      : consumer_(ring, geometry(records)), producer_(ring, options(clock)) {
    ring::Segment::remove(ring);
    for (std::size_t i = 0; i < series_.size(); ++i)
      series_[i] = producer_.gauge("bench_value", {{"metric", std::to_string(i)}});
  }
  static ring::Geometry geometry(std::uint32_t records) {
    ring::Geometry out;
    out.lanes = 1;
    out.lane_records = records;
    return out;
  }
  static ring::Options options(ring::Clock clock) {
    ring::Options out;
    out.create = false;
    out.clock = clock;
    return out;
  }

  ring::Consumer consumer_;
  ring::Producer producer_;
  std::array<ring::Series, cycle_values> series_;
};

/// Values from memory, as a control loop has them.
const auto values = [] {
  std::array<double, 64> out{};
  std::iota(out.begin(), out.end(), 22.25);
  return out;
}();

/// Pushes `count` values. @return how many were accepted
template <class Push>
std::uint64_t push_block(std::uint64_t count, Push&& push) {
  std::uint64_t accepted = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    accepted += push(values[i % values.size()]);
    benchmark::ClobberMemory();  // the next push starts from memory again
  }
  return accepted;
}

void expect(benchmark::State& state, std::uint64_t accepted, std::int64_t expected) {
  if (accepted != static_cast<std::uint64_t>(expected))
    state.SkipWithError(
        (std::to_string(accepted) + " pushes were accepted, not " + std::to_string(expected)).c_str());
}

template <class Push>
void push_and_release(benchmark::State& state, Lane& lane, Push&& push) {
  const auto block = lane.records() / 2;
  std::uint64_t accepted = 0;
  while (state.KeepRunningBatch(block)) {
    accepted += push_block(block, push);
    lane.release();
  }
  expect(state, accepted, state.iterations());
}

void push(benchmark::State& state) {
  Lane lane(static_cast<std::uint32_t>(state.range(0)));
  std::int64_t time_ns = 0;
  push_and_release(state, lane, [&, series = lane.series(0)](double value) {
    return lane.producer().push(series, value, ++time_ns);
  });
}
BENCHMARK(push)->Name("push/caller_time")->ArgName("lane_records")->Arg(4096)->Arg(65536);

void push_with(benchmark::State& state, ring::Clock clock) {
  Lane lane(65536, clock);
  push_and_release(state, lane, [&, series = lane.series(0)](double value) {
    return lane.producer().push(series, value);
  });
}
BENCHMARK_CAPTURE(push_with, coarse, ring::Clock::coarse)->Name("push/clock_coarse");
BENCHMARK_CAPTURE(push_with, counter, ring::Clock::counter)->Name("push/clock_counter");
BENCHMARK_CAPTURE(push_with, realtime, ring::Clock::realtime)->Name("push/clock_realtime");

/// A cycle of 26 values under one time stamp; the time is per value.
void push_many(benchmark::State& state) {
  Lane lane(static_cast<std::uint32_t>(state.range(0)));
  const auto block = lane.records() / 2 / cycle_values * cycle_values;
  std::uint64_t accepted = 0;
  std::int64_t time_ns = 0;
  while (state.KeepRunningBatch(block)) {
    for (std::uint64_t i = 0; i < block; i += cycle_values) {
      accepted += lane.producer().push_many(++time_ns, lane.series(), std::span(values).first(cycle_values));
      benchmark::ClobberMemory();
    }
    lane.release();
  }
  expect(state, accepted, state.iterations());
  state.counters["s/cycle"] = benchmark::Counter(static_cast<double>(state.iterations()) / cycle_values,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(push_many)->Name("push_many/26")->ArgName("lane_records")->Arg(4096)->Arg(65536);

/// The same 26 values, one push each. @return how many were accepted
std::uint64_t push_cycle(Lane& lane, std::int64_t time_ns) {
  std::uint64_t accepted = 0;
  for (std::size_t k = 0; k < cycle_values; ++k) {
    accepted += lane.producer().push(lane.series(k), values[k], time_ns);
    benchmark::ClobberMemory();
  }
  return accepted;
}

void push_cycles(benchmark::State& state) {
  Lane lane(65536);
  const auto block = lane.records() / 2 / cycle_values * cycle_values;
  std::uint64_t accepted = 0;
  std::int64_t time_ns = 0;
  while (state.KeepRunningBatch(block)) {
    for (std::uint64_t i = 0; i < block; i += cycle_values) accepted += push_cycle(lane, ++time_ns);
    lane.release();
  }
  expect(state, accepted, state.iterations());
}
BENCHMARK(push_cycles)->Name("push/26_series");

/// The reader never frees a slot: each push is refused, and counted by reason.
void push_refused(benchmark::State& state) {
  Lane lane(4096);
  std::int64_t time_ns = 0;
  const auto one = [&, series = lane.series(0)](double value) {
    return lane.producer().push(series, value, ++time_ns);
  };
  push_block(lane.records(), one);  // fills it
  std::uint64_t accepted = 0;
  while (state.KeepRunningBatch(1024)) accepted += push_block(1024, one);
  expect(state, accepted, 0);
}
BENCHMARK(push_refused)->Name("push/full_lane");

/// No ring of that name: the producer is inert.
void push_inert(benchmark::State& state) {
  ring::Options options;
  options.create = false;
  ring::Producer producer("ring-bench-none-" + std::to_string(::getpid()), options);
  const auto series = producer.gauge("bench_value");
  std::int64_t time_ns = 0;
  std::uint64_t accepted = 0;
  while (state.KeepRunningBatch(1024))
    accepted += push_block(1024, [&](double value) { return producer.push(series, value, ++time_ns); });
  expect(state, accepted, 0);
}
BENCHMARK(push_inert)->Name("push/inert");

/// A reader on another CPU that takes records up to a given sequence, and frees them.
class Reader {
 public:
  explicit Reader(ring::Consumer& consumer) : consumer_(consumer), thread_([this] { run(); }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  void allow(std::uint64_t seq) noexcept { allowed_ = seq; }
  /// Returns when everything up to `seq` is read and freed.
  void read_to(std::uint64_t seq) noexcept {
    if (allowed_ < seq) allow(seq);
    while (consumer_.tail(0) < seq) ::sched_yield();
  }

 private:
  struct Sum {
    double value = 0;
    void record(const ring::RecordCopy& record) noexcept { value += record.value; }
    void overwritten(std::uint64_t, std::uint64_t) noexcept {}
  };
  void run() {
    bench::pin_to(1);
    Sum sum;
    for (std::uint64_t next = 1; !stop_;) {
      const auto before = next;
      const auto allowed = allowed_.load();
      if (next <= allowed) consumer_.drain(0, next, std::min<std::uint64_t>(allowed - next + 1, 4096), sum);
      if (next != before) consumer_.release(0, next - 1);
    }
    benchmark::DoNotOptimize(sum.value);
  }

  ring::Consumer& consumer_;
  std::atomic<std::uint64_t> allowed_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

bool two_cpus(benchmark::State& state) {
  const bool enough = bench::cpus().size() > 1;
  if (!enough) state.SkipWithError("needs two CPUs, for example taskset -c 0,1");
  return enough;
}

/// Half a lane is pushed in real time, with the reader either waiting until the block is over (the persister
/// between two drains: the lines were last in its cache) or right behind the producer (the worst case).
void push_read(benchmark::State& state, bool at_once) {
  if (!two_cpus(state)) return;
  Lane lane(65536);
  Reader reader(lane.consumer());
  if (at_once) reader.allow(~std::uint64_t{0} >> 1);
  const auto block = lane.records() / 2;
  std::int64_t time_ns = 0;
  std::uint64_t accepted = 0;
  while (state.KeepRunningBatch(block)) {
    const auto start_ns = ring::clock_ns(CLOCK_MONOTONIC);
    accepted += push_block(block, [&, series = lane.series(0)](double value) {
      return lane.producer().push(series, value, ++time_ns);
    });
    state.SetIterationTime(static_cast<double>(ring::clock_ns(CLOCK_MONOTONIC) - start_ns) / 1e9);
    reader.read_to(lane.producer().sequence());
  }
  expect(state, accepted, state.iterations());
}
BENCHMARK_CAPTURE(push_read, later, false)->Name("push/read_later")->UseManualTime();
BENCHMARK_CAPTURE(push_read, at_once, true)->Name("push/read_at_once")->UseManualTime();

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->Unit(benchmark::kMillisecond);
}

/// How evenly a control loop's cycles of 26 pushes go. One push is shorter than a reading of the clock, so a
/// cycle is timed; the reading's own cost is in each figure, and stands beside them as clock_ns. With a
/// reader, each cycle is read before the next begins, and its slots were last in the reader's cache.
void push_spread(benchmark::State& state, bool with_reader) {
  if (with_reader && !two_cpus(state)) return;
  constexpr std::size_t cycles = 100'000, release_cycles = 1000;
  Lane lane(65536);
  std::optional<Reader> reader;
  if (with_reader) reader.emplace(lane.consumer());
  std::vector<std::int64_t> took_ns(cycles), nothing_ns(cycles);
  std::int64_t time_ns = 0;
  std::uint64_t accepted = 0;
  for (auto _ : state) {
    for (std::size_t c = 0; c < cycles; ++c) {
      const auto start = ring::clock_ns(CLOCK_MONOTONIC);
      const auto from = ring::clock_ns(CLOCK_MONOTONIC);
      accepted += push_cycle(lane, ++time_ns);
      took_ns[c] = ring::clock_ns(CLOCK_MONOTONIC) - from;
      nothing_ns[c] = from - start;
      if (reader)
        reader->read_to(lane.producer().sequence());
      else if (c % release_cycles == 0)
        lane.release();
    }
    std::sort(took_ns.begin(), took_ns.end());
    std::sort(nothing_ns.begin(), nothing_ns.end());
  }
  expect(state, accepted, state.iterations() * static_cast<std::int64_t>(cycles * cycle_values));
  state.counters["p50_ns"] = bench::percentile(took_ns, 0.5);
  state.counters["p99_ns"] = bench::percentile(took_ns, 0.99);
  state.counters["p999_ns"] = bench::percentile(took_ns, 0.999);
  state.counters["max_ns"] = bench::percentile(took_ns, 1);
  state.counters["clock_ns"] = bench::percentile(nothing_ns, 0.5);
}
BENCHMARK_CAPTURE(push_spread, alone, false)->Name("cycle_of_26/unread")->Apply(once);
BENCHMARK_CAPTURE(push_spread, read, true)->Name("cycle_of_26/read")->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
