// store_bench.cpp: what it costs to store a sample: our store beside tables with a row a sample.
//
// Everybody gets the same samples (fleet.hpp) in the same commits, one for each second of them, and
// checkpoints as the persister does: passively, from 250 WAL pages on. The samples are made between the
// commits, where no clock runs. CPU is this thread's (CLOCK_THREAD_CPUTIME_ID); latencies are by the clock on
// the wall.
#include <filesystem>

#include "figures.hpp"
#include "folder.hpp"
#include "machine.hpp"
#include "row_tables.hpp"

namespace {

using bench::Fleet;

constexpr int checkpoint_pages = 250;  // as Settings::checkpoint_pages
constexpr double frame_bytes = 4096 + 24;

std::int64_t cpu_ns() { return ring::clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::int64_t wall_ns() { return ring::clock_ns(CLOCK_MONOTONIC); }

/// A table with the fleet that fills it, and what that cost since the last reset().
template <class Table>
class Filling {
 public:
  Filling(std::size_t series, std::size_t hz, Fleet::Values values)
      : fleet_(series, hz, values), table_(folder_.database(), fleet_), empty_bytes_(file_bytes()) {}

  /// Whole seconds, `samples` samples or a few more.
  void fill(std::size_t samples) {
    for (std::size_t done = 0; done < samples; done += batch_.samples.size()) {
      fleet_.next_second(batch_);
      Table::order(batch_);
      commit();
    }
  }
  void reset() {
    commit_cpu_ns_ = checkpoint_cpu_ns_ = frames_ = 0;
    samples_ = 0;
    commits_.clear();
    checkpoints_.clear();
  }

  double commit_ns() const { return static_cast<double>(commit_cpu_ns_) / static_cast<double>(samples_); }
  double checkpoint_ns() const {
    return static_cast<double>(checkpoint_cpu_ns_) / static_cast<double>(samples_);
  }
  double wal_bytes() const {
    return frame_bytes * static_cast<double>(frames_) / static_cast<double>(samples_);
  }

  void report(benchmark::State& state) {
    std::sort(commits_.begin(), commits_.end());
    std::sort(checkpoints_.begin(), checkpoints_.end());
    auto& c = state.counters;
    c["commit_ns"] = commit_ns();
    c["checkpoint_ns"] = checkpoint_ns();
    c["wal_B"] = wal_bytes();
    c["pages/commit"] = static_cast<double>(frames_) / static_cast<double>(commits_.size());
    c["p50_us"] = bench::percentile(commits_, 0.5) / 1e3;
    c["p99_us"] = bench::percentile(commits_, 0.99) / 1e3;
    c["max_us"] = bench::percentile(commits_, 1) / 1e3;
    c["checkpoint_p99_us"] = bench::percentile(checkpoints_, 0.99) / 1e3;
    std::int64_t sum = 0;
    for (const auto ns : commits_) sum += ns;
    state.SetIterationTime(static_cast<double>(sum) / 1e9);
  }
  /// After all of it: what is in the file, whose WAL is emptied for that.
  void weigh(benchmark::State& state) {
    table_.database().checkpoint_truncate();
    state.counters["disk_B"] =
        static_cast<double>(file_bytes() - empty_bytes_) / static_cast<double>(all_samples_);
    if (table_.stored() != all_samples_) state.SkipWithError("not every sample was stored");
  }

 private:
  void commit() {
    auto& db = table_.database();
    const auto pages = db.wal_pages();
    const auto wall = wall_ns(), cpu = cpu_ns();
    table_.commit(batch_);
    commit_cpu_ns_ += cpu_ns() - cpu;
    commits_.push_back(wall_ns() - wall);
    frames_ += db.wal_pages() - pages;
    samples_ += batch_.samples.size();
    all_samples_ += static_cast<std::int64_t>(batch_.samples.size());
    if (db.wal_pages() >= checkpoint_pages) checkpoint();
  }
  void checkpoint() {
    const auto wall = wall_ns(), cpu = cpu_ns();
    if (table_.database().checkpoint_passive() != 0)
      throw std::runtime_error("a checkpoint left pages in the WAL");
    checkpoint_cpu_ns_ += cpu_ns() - cpu;
    checkpoints_.push_back(wall_ns() - wall);
  }
  std::int64_t file_bytes() {
    table_.database().checkpoint_truncate();
    return static_cast<std::int64_t>(std::filesystem::file_size(folder_.database()));
  }

  bench::Folder folder_;
  Fleet fleet_;
  Table table_;
  std::int64_t empty_bytes_;
  ringdown::Batch batch_;
  std::int64_t commit_cpu_ns_ = 0, checkpoint_cpu_ns_ = 0, frames_ = 0, all_samples_ = 0;
  std::size_t samples_ = 0;
  std::vector<std::int64_t> commits_, checkpoints_;  // ns on the wall
};

/// From an empty table on.
template <class Table, Fleet::Values values = Fleet::Values::fleet>
void commit(benchmark::State& state) {
  for (auto _ : state) {
    Filling<Table> filling(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
                           values);
    filling.fill(static_cast<std::size_t>(state.range(2)) * 1000);
    filling.report(state);
    filling.weigh(state);
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return bench::percentile(values, 0.5);
}

/// A table that has many samples already, in turns with one that has a million: rounds of 100 commits each.
template <class Table>
void growth(benchmark::State& state) {
  constexpr std::size_t million = 1'000'000, series = 1000, rounds = 21;
  for (auto _ : state) {
    Filling<Table> young(series, 1, Fleet::Values::fleet), old(series, 1, Fleet::Values::fleet);
    young.fill(million);
    for (std::int64_t m = 0; m < state.range(0); ++m) {
      old.reset();  // its latencies would fill the memory
      old.fill(million);
    }
    std::vector<double> ratios;
    young.reset();
    old.reset();
    double young_ns = 0, old_ns = 0;  // up to the round before
    for (std::size_t round = 1; round <= rounds; ++round) {
      young.fill(100 * series);
      old.fill(100 * series);
      const auto total = [&](const auto& f) {
        return (f.commit_ns() + f.checkpoint_ns()) * static_cast<double>(round);
      };
      ratios.push_back((total(old) - old_ns) / (total(young) - young_ns));
      young_ns = total(young);
      old_ns = total(old);
    }
    old.report(state);
    old.weigh(state);
    state.counters["young_ns"] = young.commit_ns() + young.checkpoint_ns();
    state.counters["old/young"] = median(ratios);
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
/// {series, Hz, thousand samples}: a commit has series * Hz samples.
void loads(benchmark::internal::Benchmark* benchmark, std::int64_t ksamples) {
  once(benchmark);
  benchmark->ArgNames({"series", "hz", "ksamples"});
  for (const auto& [series, hz] : {std::pair{40, 1}, {1000, 1}, {20'000, 1}, {1000, 10}})
    benchmark->Args({series, hz, ksamples});
}
void fast(benchmark::internal::Benchmark* benchmark) { loads(benchmark, 1000); }
void slow(benchmark::internal::Benchmark* benchmark) {  // a sample takes 20 to 100 times as long
  loads(benchmark, 100);
  benchmark->Args({1000, 1, 1000});
}
void grown(benchmark::internal::Benchmark* benchmark) {
  once(benchmark);
  benchmark->ArgName("million");
}

BENCHMARK(commit<bench::Ours>)->Name("commit/ours")->Apply(fast);
BENCHMARK(commit<bench::Ours, Fleet::Values::full_precision>)
    ->Name("commit/ours_full_precision")
    ->Apply(fast);
BENCHMARK(commit<bench::OursUnsynced>)->Name("commit/ours_unsynced")->Apply(fast);
BENCHMARK(commit<bench::OursWithoutCursors>)->Name("commit/ours_without_cursors")->Apply(fast);
BENCHMARK(commit<bench::Append>)->Name("commit/append")->Apply(fast);
BENCHMARK(commit<bench::TimeMajor>)->Name("commit/time_major")->Apply(fast);
BENCHMARK(commit<bench::SeriesMajor>)->Name("commit/series_major")->Apply(slow);
BENCHMARK(commit<bench::Naive>)->Name("commit/naive")->Apply(slow);
BENCHMARK(growth<bench::Ours>)->Name("growth/ours")->Apply(grown)->Arg(1)->Arg(10)->Arg(100);
BENCHMARK(growth<bench::OursUnsynced>)->Name("growth/ours_unsynced")->Apply(grown)->Arg(1)->Arg(1000);
BENCHMARK(growth<bench::Append>)->Name("growth/append")->Apply(grown)->Arg(1)->Arg(10);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
