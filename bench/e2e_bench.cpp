// e2e_bench.cpp: what a record costs from push to commit, and what the parts of that path cost alone.
//
// The producer is a forked child on the second CPU allowed. It pushes cycles of 52 series flat out under the
// time stamps of a 20 Hz loop; before a cycle it waits until the lane has room for it, so that no push is
// refused and none is lost. The persister's part runs in this thread, on the first CPU: cpu_ns/record is its
// CPU time (CLOCK_THREAD_CPUTIME_ID) without polls of an empty lane, records/s counts real time, from the
// first push to the last commit.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>

#include "control_loop.hpp"
#include "drain.hpp"
#include "fold.hpp"
#include "folder.hpp"
#include "machine.hpp"
#include "ring/producer.hpp"

namespace {

using bench::cycle_values;
using bench::Folder;
using bench::series_count;
using ringdown::Batch;
using ringdown::Store;

constexpr std::size_t commit_records = 50'000;                // as Settings::commit_records
constexpr int checkpoint_pages = 250;                         // as loop.cpp's
constexpr std::size_t run_records = 2'600'000;                // whole cycles and whole commits
constexpr std::int64_t cycle_ns = 50'000'000;                 // 20 Hz
constexpr std::int64_t first_ns = 1'700'000'040'000'000'000;  // a whole minute
constexpr std::int64_t silence_ns = 10'000'000'000;           // nothing for so long: the producer is dead

std::int64_t cpu_ns() { return ring::clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::int64_t now_ns() { return ring::clock_ns(CLOCK_MONOTONIC); }

ring::Definition definition(std::size_t series) {
  return {ring::Kind::gauge,
          "bench_value",
          "ms",
          {{"metric", std::to_string(series % 26)}, {"wan", series < 26 ? "first" : "second"}},
          {}};
}

/// The producer: a child process that attaches, waits for start(), pushes `records` and ends.
class Pusher {
 public:
  explicit Pusher(std::size_t records = run_records) : records_(records), ring_("e2e-bench-" + std::to_string(::getpid())) {
    int ready[2], go[2];
    if (::pipe(ready) != 0 || ::pipe(go) != 0) throw ring::system_error("make a pipe", errno);
    child_ = ::fork();
    if (child_ < 0) throw ring::system_error("fork the producer", errno);
    if (child_ == 0) push_all(ready[1], go[0]);
    ::close(ready[1]);
    ::close(go[0]);
    go_ = go[1];
    char byte = 0;
    attached_ = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
  }
  ~Pusher() {
    ::close(go_);
    ::kill(child_, SIGKILL);  // ended already, unless this side gave up
    ::waitpid(child_, nullptr, 0);
    ring::Segment::remove(ring_);
  }
  Pusher(const Pusher&) = delete;
  Pusher& operator=(const Pusher&) = delete;

  const std::string& ring() const noexcept { return ring_; }
  static ring::Geometry geometry() {
    ring::Geometry out;  // lanes of the default size
    out.lanes = 1;
    return out;
  }
  bool attached() const noexcept { return attached_; }
  void start() const {
    if (::write(go_, "g", 1) != 1) throw ring::system_error("start the producer", errno);
  }

 private:
  [[noreturn]] void push_all(int ready, int go) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench::pin_to(1);
    ring::Options options;
    options.geometry = geometry();
    ring::Producer producer(ring_, options);
    if (!producer.attached()) ::_exit(1);
    std::vector<ring::Series> series;
    for (std::size_t s = 0; s < series_count; ++s) series.push_back(producer.define(definition(s)));
    const auto segment = ring::Segment::open(ring_);
    const auto lane = segment.lane(producer.lane());
    bench::workload();
    char byte = 'r';
    if (::write(ready, &byte, 1) != 1 || ::read(go, &byte, 1) != 1) ::_exit(1);
    for (std::size_t cycle = 0; cycle < records_ / series_count; ++cycle) {
      while (producer.sequence() + series_count >
             ring::words::load(lane.header->tail, std::memory_order_acquire) + lane.capacity)
        ::sched_yield();
      producer.push_many(first_ns + static_cast<std::int64_t>(cycle) * cycle_ns, series, cycle_values(cycle));
    }
    ::_exit(0);
  }

  std::size_t records_;
  std::string ring_;
  pid_t child_ = -1;
  int go_ = -1;
  bool attached_ = false;
};

/// Sums what the passes of a case cost, part by part, and reports it a record.
class Report {
 public:
  explicit Report(benchmark::State& state) : state_(state) {}
  ~Report() {
    if (records_ == 0) return;
    const auto n = static_cast<double>(records_);
    std::int64_t busy_ns = 0;
    for (const auto& [part, ns] : parts_) {
      state_.counters[part + "_ns"] = static_cast<double>(ns) / n;
      if (part != "idle") busy_ns += ns;
    }
    state_.counters["cpu_ns/record"] = static_cast<double>(busy_ns) / n;
    state_.counters["records/s"] = benchmark::Counter(n, benchmark::Counter::kIsRate);
    if (bytes_ > 0) state_.counters["bytes/record"] = static_cast<double>(bytes_) / n;
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  /// A pass is what happens between start() and stop().
  void start() {
    start_ns_ = now_ns();
    lap_ns_ = cpu_ns();
  }
  /// Counts this thread's CPU since the last call as this part's. "idle" is kept out of the sum.
  void lap(const char* part) {
    const auto now = cpu_ns();
    parts_[part] += now - std::exchange(lap_ns_, now);
  }
  void stop(std::uint64_t records) {
    state_.SetIterationTime(static_cast<double>(now_ns() - start_ns_) / 1e9);
    records_ += records;
  }
  bool has(const char* part) const { return parts_.contains(part); }
  void on_disk(std::uintmax_t bytes) { bytes_ += bytes; }

 private:
  benchmark::State& state_;
  std::int64_t start_ns_ = 0, lap_ns_ = 0;
  std::uint64_t records_ = 0, bytes_ = 0;
  std::map<std::string, std::int64_t> parts_;
};

/// Checkpoints as loop.cpp does. A pass that never came to it did not do the persister's work: see weigh().
void checkpoint_if_due(Report& report, ringdown::Database& database) {
  if (database.wal_pages() < checkpoint_pages) return;
  database.checkpoint_passive();
  report.lap("checkpoint");
}

/// After the timing: empties the WAL into the file, and counts the file.
void weigh(benchmark::State& state, Report& report, Store& store) {
  if (!report.has("checkpoint"))
    state.SkipWithError("no checkpoint was due: Database::wal_pages() does not count");
  store.database().checkpoint_truncate();
  report.on_disk(std::filesystem::file_size(store.database().path()));
}

/// Drains the pusher's records, handing over each batch of `commit_records` or more, and the rest at the end.
/// @return false when the producer has died
template <class Finish>
bool drain_all(std::size_t records, Report& report, ringdown::Drain& drain, Finish&& finish) {
  Batch batch;
  batch.samples.reserve(commit_records + ringdown::turn_records);
  report.lap("idle");
  auto last_ns = now_ns();
  for (std::size_t done = 0; done < records;) {
    const auto before = batch.samples.size();
    drain.drain(batch, commit_records);
    const bool idle = batch.samples.size() == before;
    report.lap(idle ? "idle" : "drain");
    if (!idle) last_ns = now_ns();
    if (now_ns() - last_ns > silence_ns) return false;
    if (batch.samples.size() < commit_records && done + batch.samples.size() < records) continue;
    done += batch.samples.size();
    drain.add_cursors(batch);
    finish(batch);
    drain.release();
    batch.clear();
  }
  return true;
}

template <class Finish>
void through_drain(benchmark::State& state, std::size_t records, bool stores, Finish&& finish) {
  Report report(state);
  for (auto _ : state) {
    Folder folder;
    Pusher pusher(records);
    if (!pusher.attached()) return state.SkipWithError("the producer found no lane");
    Store store(folder.database());
    ringdown::Catalog catalog(store.series(), store.last_producer());
    ringdown::Drain drain(pusher.ring(), Pusher::geometry(), store, catalog);
    report.start();
    pusher.start();
    if (!drain_all(records, report, drain, [&](Batch& batch) { finish(report, store, batch); }))
      return state.SkipWithError("the producer has died");
    report.stop(records);
    if (!stores) continue;
    weigh(state, report, store);
    auto& db = store.database();
    const auto expected = static_cast<std::int64_t>(records);
    if (db.query_integer("SELECT sum(samples) FROM batches") != expected ||
        db.query_integer("SELECT sum(stored) - sum(lost) FROM cursors") != expected)
      return state.SkipWithError("not every record was stored");
  }
}

void push_to_commit(benchmark::State& state) {
  through_drain(state, static_cast<std::size_t>(state.range(0)), true, [](Report& report, Store& store, Batch& batch) {
    store.commit(batch);
    report.lap("commit");
    checkpoint_if_due(report, store.database());
  });
}

void push_to_blob(benchmark::State& state) {
  std::vector<std::byte> blob;
  through_drain(state, run_records, false, [&](Report& report, Store&, Batch& batch) {
    ringdown::encode_batch(batch.samples, blob);
    report.lap("encode");
    benchmark::DoNotOptimize(blob.data());
  });
}

/// The ring alone: a Consumer that adds the values up and frees each turn at once.
void push_to_nothing(benchmark::State& state) {
  struct Sum {
    double value = 0;
    void record(const ring::RecordCopy& record) noexcept { value += record.value; }
    void overwritten(std::uint64_t, std::uint64_t) noexcept {}
  } sum;
  Report report(state);
  for (auto _ : state) {
    Pusher pusher;
    if (!pusher.attached()) return state.SkipWithError("the producer found no lane");
    ring::Consumer consumer(pusher.ring(), Pusher::geometry());
    report.start();
    pusher.start();
    auto last_ns = now_ns();
    for (std::uint64_t next = 1; next <= run_records + ring::abi::epoch_records;) {
      const auto before = next;
      consumer.drain(0, next, ringdown::turn_records, sum);
      report.lap(next == before ? "idle" : "drain");
      if (next != before) consumer.release(0, next - 1), last_ns = now_ns();
      if (now_ns() - last_ns > silence_ns) return state.SkipWithError("the producer has died");
    }
    report.stop(run_records);
  }
  benchmark::DoNotOptimize(sum.value);
}

/// Fills `batch` with the next `count` samples of the workload, from sample `from` on.
void make_batch(Batch& batch, std::size_t from, std::size_t count) {
  batch.clear();
  for (std::size_t i = from; i < from + count; ++i) {
    const auto cycle = i / series_count, s = i % series_count;
    batch.samples.push_back({first_ns + static_cast<std::int64_t>(cycle) * cycle_ns, cycle_values(cycle)[s],
                             static_cast<std::uint32_t>(s + 1)});
  }
  if (from > 0) return;
  for (std::size_t s = 0; s < series_count; ++s)
    batch.series.push_back({static_cast<std::uint32_t>(s + 1), definition(s)});
}

/// The store alone: batches that are there already. 1,040 records are a second of the workload, and a commit
/// a second is what ring-persister does when it is not in a hurry.
void commit_alone(benchmark::State& state) {
  const auto records = static_cast<std::size_t>(state.range(0));
  Report report(state);
  std::vector<Batch> batches(run_records / records);
  for (std::size_t b = 0; b < batches.size(); ++b) make_batch(batches[b], b * records, records);
  for (auto _ : state) {
    Folder folder;
    Store store(folder.database());
    report.start();
    for (const auto& batch : batches) {
      store.commit(batch);
      report.lap("commit");
      checkpoint_if_due(report, store.database());
    }
    report.stop(run_records);
    weigh(state, report, store);
  }
}

/// Ten minutes of the workload in commits of one second, folded each time `every_s` seconds of it are there,
/// in slices of at most 50,000 samples as in loop.cpp. Only the folds are timed; checkpoints come outside.
void fold(benchmark::State& state, const char* tier) {
  constexpr std::size_t seconds = 600, second_samples = 20 * series_count;
  const auto every_s = static_cast<std::size_t>(state.range(0));
  std::int64_t cpu = 0, wall = 0, folded = 0, rows = 0;
  Batch batch;
  for (auto _ : state) {
    Folder folder;
    Store store(folder.database());
    ringdown::SeriesRules rules(store.database());
    ringdown::Fold job(store.database(), rules, tier, 1);
    wall = 0;
    for (std::size_t second = 0; second < seconds; ++second) {
      make_batch(batch, second * second_samples, second_samples);
      store.commit(batch);
      if (store.database().wal_pages() >= checkpoint_pages) store.database().checkpoint_passive();
      if ((second + 1) % every_s != 0) continue;
      const auto wall_from = now_ns(), cpu_from = cpu_ns();
      for (bool more = true; more;) {
        ringdown::Budget budget;
        const auto horizon_ns = second + 1 < seconds ? first_ns + static_cast<std::int64_t>(second + 1) * 1'000'000'000
                                                     : ringdown::Fold::everything;
        more = job.run(horizon_ns, budget);
      }
      cpu += cpu_ns() - cpu_from;
      wall += now_ns() - wall_from;
    }
    state.SetIterationTime(static_cast<double>(wall) / 1e9);
    rows = store.database().query_integer(std::string("SELECT count(*) FROM ") + tier);
    folded += store.database().query_integer(std::string("SELECT sum(count) FROM ") + tier);
  }
  if (folded != state.iterations() * static_cast<std::int64_t>(seconds * second_samples))
    return state.SkipWithError("not every sample was folded");
  state.counters["samples/s"] = benchmark::Counter(static_cast<double>(folded), benchmark::Counter::kIsRate);
  state.counters["cpu_ns/sample"] = static_cast<double>(cpu) / static_cast<double>(folded);
  state.counters["rows"] = static_cast<double>(rows);
  state.counters["cpu_ns/row"] = static_cast<double>(cpu) / static_cast<double>(rows * state.iterations());
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(push_to_commit)
    ->Name("e2e/push_to_commit")
    ->ArgName("records")
    ->Arg(run_records)
    ->Arg(240 * run_records)  // a minute or more
    ->Apply(once);
BENCHMARK(push_to_blob)->Name("limit/push_to_blob")->Apply(once);
BENCHMARK(push_to_nothing)->Name("limit/push_to_nothing")->Apply(once);
BENCHMARK(commit_alone)
    ->Name("limit/encode_and_commit")
    ->ArgName("records")
    ->Arg(50'000)
    ->Arg(1040)
    ->Apply(once);
BENCHMARK_CAPTURE(fold, tier_1s, "tier_1s")->ArgName("every_s")->Arg(5)->Arg(600)->Apply(once);
BENCHMARK_CAPTURE(fold, tier_1m, "tier_1m")->ArgName("every_s")->Arg(60)->Arg(600)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
