// life_bench.cpp: what a sample costs in its whole life: drained from a ring, committed, rolled up into every tier,
// sealed, and checkpointed; by stage, with the bytes it ends up as and those written on its way. The clock of the store is
// made to run as fast as the machine can.
#include <benchmark/benchmark.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <functional>
#include <memory>
#include <random>

#include "drain.hpp"
#include "folder.hpp"
#include "link.hpp"
#include "machine.hpp"
#include "maintenance.hpp"
#include "ring/producer.hpp"
#include "ring/segment.hpp"

namespace {

using namespace ringdown;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t first_ns = 1'700'006'400 * second_ns;  // the start of an hour
constexpr auto slice = std::chrono::milliseconds(5);

std::int64_t now_ns = first_ns;
std::int64_t cpu_ns() { return ring::clock_ns(CLOCK_THREAD_CPUTIME_ID); }

/// What all of the process's threads handed to the kernel to write, bytes.
double written_bytes() {
  std::ifstream io("/proc/self/io");
  for (std::string key; io >> key;) {
    double value = 0;
    io >> value;
    if (key == "wchar:") return value;
  }
  return 0;
}
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;)
    if (key == "VmHWM:") {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  return 0;
}

std::vector<std::string> states(ring::Kind kind) {
  return kind == ring::Kind::state ? std::vector<std::string>{"none", "low", "some", "high", "all"} : std::vector<std::string>{};
}

/// A second of samples at a time.
class Source {
 public:
  virtual ~Source() = default;
  virtual void second(std::int64_t start_ns) = 0;
};

/// Two link controllers at 20 Hz, 26 values a cycle under one time stamp that is a little late.
class ControlLoop : public Source {
 public:
  explicit ControlLoop(ring::Producer& producer) : producer_(producer) {
    for (const auto* wan : {"a", "b"})
      for (std::size_t i = 0; i < bench::Link::names.size(); ++i) {
        const std::string name = bench::Link::names[i];
        const bool is_state = name.starts_with("state") || name == "congested";
        const auto kind = is_state ? ring::Kind::state : name.ends_with("_total") ? ring::Kind::counter : ring::Kind::gauge;
        series_.push_back(producer.define({kind, name, "", {{"wan", wan}}, states(kind)}));
      }
  }
  void second(std::int64_t start_ns) override {
    for (std::int64_t cycle = 0; cycle < 20; ++cycle)
      for (std::size_t link = 0; link < 2; ++link) {
        const auto time_ns = start_ns + cycle * 50'000'000 + static_cast<std::int64_t>(1e5 * late_(random_)) +
                             static_cast<std::int64_t>(link) * 3'000'000;
        const auto values = links_[link].next();
        for (std::size_t i = 0; i < values.size(); ++i) producer_.push(series_[link * values.size() + i], values[i], time_ns);
      }
  }

 private:
  ring::Producer& producer_;
  std::vector<ring::Series> series_;
  bench::Link links_[2]{bench::Link(1), bench::Link(2)};
  std::mt19937_64 random_{3};
  std::exponential_distribution<> late_{1};
};

/// 20,000 series at 1 Hz, 64 times of the second: half gauges rounded to 0.01 that wander, a quarter counters, a quarter
/// states and constants.
class Fleet : public Source {
 public:
  static constexpr std::size_t series = 20'000, producers = 64;
  explicit Fleet(ring::Producer& producer) : producer_(producer), level_(series), step_(series) {
    for (std::size_t i = 0; i < series; ++i) {
      const auto kind = i % 4 == 2 ? ring::Kind::counter : i % 8 == 3 ? ring::Kind::state : ring::Kind::gauge;
      series_.push_back(producer.define({kind, "v" + std::to_string(i), "", {{"host", std::to_string(i * producers / series)}}, states(kind)}));
      level_[i] = 1000 + below(100'000);
      step_[i] = i % 4 == 2 ? std::int64_t{1} << below(14) : 1 + below(50);
    }
  }
  void second(std::int64_t start_ns) override {
    for (std::size_t p = 0; p < producers; ++p) {
      const auto time_ns = start_ns + static_cast<std::int64_t>(p) * second_ns / 64 + below(200'000);
      for (auto i = series * p / producers; i < series * (p + 1) / producers; ++i) producer_.push(series_[i], next(i), time_ns);
    }
  }

 private:
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  double next(std::size_t i) {
    switch (i % 8) {
      case 2:
      case 6: return static_cast<double>(level_[i] += step_[i] + below(step_[i]));
      case 3: return static_cast<double>(below(100) == 0 ? (level_[i] = below(5)) : level_[i] % 5);
      case 7: return static_cast<double>(i);
      default: return static_cast<double>(level_[i] += below(2 * step_[i] + 1) - step_[i]) / 100;
    }
  }
  ring::Producer& producer_;
  std::vector<ring::Series> series_;
  std::vector<std::int64_t> level_, step_;
  std::mt19937_64 random_{4};
};

struct Stages {
  double drain = 0, commit = 0, maintenance = 0, checkpoint = 0;
};
template <class Work>
void timed(double& stage, Work&& work) {
  const auto from = cpu_ns();
  work();
  stage += static_cast<double>(cpu_ns() - from);
}
/// Slices until there is no more to do.
template <class Job>
void to_its_end(Job&& job) {
  for (bool more = true; more;) {
    Budget budget{Clock::now() + slice};
    more = job(budget);
  }
}

template <class Of>
void life(benchmark::State& state, bool with_1s, std::int64_t seconds, std::uint32_t lane_records) {
  spdlog::set_level(spdlog::level::err);
  for (auto _ : state) {
    bench::Folder folder;
    const auto ring = "life-bench-" + std::to_string(::getpid());
    const ring::Geometry geometry{.lanes = 1, .lane_records = lane_records, .arena_bytes = 4 << 20};
    Tiers tiers;
    if (!with_1s) tiers.age_s[tier_1s] = 0;
    const Rules rules(tiers, {});
    now_ns = first_ns;
    Store store(folder.database(), {.rules = rules, .wall_ns = [] { return now_ns; }});
    auto& db = store.database();
    Catalog catalog(store.series(), store.last_producer());
    auto drain = std::make_unique<Drain>(ring, geometry, store, catalog);
    ring::Producer producer(ring, {.geometry = geometry});
    Of source(producer);
    Maintenance maintenance(db, rules, 1);
    Stages cpu;
    Batch batch;
    std::int64_t samples = 0;
    const auto written_from = written_bytes();
    auto steady = Clock::now();  // a second goes by from commit to commit
    const auto maintain = [&](double& stage) {
      steady += std::chrono::seconds(1);
      timed(stage, [&] {
        to_its_end([&](Budget& budget) { return maintenance.run(now_ns, now_ns, steady, budget); });
      });
      if (db.wal_pages() >= 250) timed(cpu.checkpoint, [&] { db.checkpoint_passive(); });
    };
    const auto from = Clock::now();
    for (std::int64_t s = 0; s < seconds; ++s) {
      source.second(now_ns);
      now_ns += second_ns;
      timed(cpu.drain, [&] {
        while (!drain->drain(batch, batch_samples_max)) {
        }
        drain->add_cursors(batch);
      });
      samples += static_cast<std::int64_t>(batch.samples.size());
      timed(cpu.commit, [&] {
        store.commit(batch);
        drain->release();
        batch.clear();
      });
      maintain(cpu.maintenance);
    }
    const auto peak = peak_mib();
    now_ns += 3600 * second_ns;  // what is left is sealed, and belongs to its samples
    for (int i = 0; i < 30; ++i) maintain(cpu.maintenance);
    timed(cpu.checkpoint, [&] { db.checkpoint_truncate(); });
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - from).count());
    const auto a_sample = 1.0 / static_cast<double>(samples);
    const auto bytes = [&](const std::string& tables) {
      return static_cast<double>(db.query_integer("SELECT total(pgsize) FROM dbstat WHERE name IN (" + tables + ")")) * a_sample;
    };
    state.counters["samples"] = static_cast<double>(samples);
    state.counters["lost"] = static_cast<double>(db.query_integer("SELECT total(lost) FROM cursors"));
    state.counters["unsealed"] = static_cast<double>(db.query_integer("SELECT total(samples) FROM batches")) * a_sample;
    state.counters["drain_ns"] = cpu.drain * a_sample;
    state.counters["commit_ns"] = cpu.commit * a_sample;
    state.counters["maintenance_ns"] = cpu.maintenance * a_sample;
    state.counters["checkpoint_ns"] = cpu.checkpoint * a_sample;
    state.counters["cpu_ns"] = (cpu.drain + cpu.commit + cpu.maintenance + cpu.checkpoint) * a_sample;
    state.counters["raw_B"] = bytes("'batches', 'windows', 'windows_committed', 'chunks', 'columns'");
    state.counters["chunks_B"] = bytes("'chunks'");
    state.counters["tiers_B"] = bytes("'tier_1s', 'tier_1m', 'tier_5m', 'tier_1h'");
    state.counters["file_B"] = static_cast<double>(std::filesystem::file_size(folder.database())) * a_sample;
    state.counters["written_B"] = (written_bytes() - written_from) * a_sample;
    state.counters["peak_MiB"] = peak;
    ring::Segment::remove(ring);
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
void control_loop(benchmark::State& state, bool with_1s) { life<ControlLoop>(state, with_1s, 4 * 3600, 1 << 14); }
void fleet(benchmark::State& state, bool with_1s) { life<Fleet>(state, with_1s, 3600, 1 << 16); }
BENCHMARK_CAPTURE(control_loop, default, true)->Apply(once);
BENCHMARK_CAPTURE(control_loop, without_1s, false)->Apply(once);
BENCHMARK_CAPTURE(fleet, default, true)->Apply(once);
BENCHMARK_CAPTURE(fleet, without_1s, false)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
