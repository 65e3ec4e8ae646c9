// tier_bench.cpp: what rollups and retention cost a raw sample, beside SQL's GROUP BY, and what they do to a drain.
#include <benchmark/benchmark.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "control_loop.hpp"
#include "figures.hpp"
#include "fleet.hpp"
#include "folder.hpp"
#include "loop.hpp"
#include "machine.hpp"
#include "maintenance.hpp"
#include "ring/producer.hpp"
#include "schema.hpp"

namespace {

using namespace ringdown;
using bench::Folder;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t first_ns = 1'700'006'400 * second_ns;  // the start of an hour
constexpr auto slice = std::chrono::milliseconds(5);

std::int64_t wall_now_ns = 0;  // 0: the real time
std::int64_t wall_ns() { return wall_now_ns ? wall_now_ns : realtime_ns(); }
std::int64_t cpu_ns() { return ring::clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::int64_t elapsed_ns(Clock::time_point from) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - from).count();
}

/// Percentiles of some durations in ms.
void report(benchmark::State& state, const std::string& what, std::vector<std::int64_t>& ns) {
  std::sort(ns.begin(), ns.end());
  for (const auto& [name, share] : {std::pair{"_p50", 0.5}, {"_p99", 0.99}, {"_max", 1.0}})
    state.counters[what + name + "_ms"] = bench::percentile(ns, share) / 1e6;
}

/// Series of one shape, a second of samples at a time.
struct Workload {
  std::size_t series, hz;
  std::function<ring::Kind(std::size_t series)> kind;
  std::function<double(std::size_t series, std::size_t cycle)> value;

  void definitions(Batch& batch) const {
    batch.clear();
    for (std::size_t s = 0; s < series; ++s)
      batch.series.push_back({static_cast<std::uint32_t>(s + 1), {kind(s), "v" + std::to_string(s), "", {}, {}}});
  }
  void second(Batch& batch, std::size_t second, std::int64_t start_ns) const {
    batch.clear();
    for (std::size_t c = 0; c < hz; ++c)
      for (std::size_t s = 0; s < series; ++s)
        batch.samples.push_back({start_ns + static_cast<std::int64_t>(second) * second_ns +
                                     static_cast<std::int64_t>(c) * second_ns / static_cast<std::int64_t>(hz),
                                 value(s, second * hz + c), static_cast<std::uint32_t>(s + 1)});
  }
};

ring::Kind loop_kind(std::size_t s) {
  const auto metric = s % 26;
  return metric >= 18 && metric < 21 ? ring::Kind::state : metric == 25 ? ring::Kind::counter : ring::Kind::gauge;
}
Workload control_loop() {
  return {bench::series_count, 20, loop_kind,
          [](std::size_t s, std::size_t cycle) { return bench::control_loop_value(s % 26, cycle + s / 26 * 7); }};
}
/// 1,000 series at 1 Hz that change like the control loop's of that kind, or of all kinds.
Workload thousand(std::optional<ring::Kind> kind = {}) {
  static const std::vector<std::size_t> of_kind[] = {{0, 2, 3, 4, 5, 6, 7, 12, 13, 14}, {25}, {18, 19, 20}};
  return {1000, 1, [kind](std::size_t s) { return kind ? *kind : loop_kind(s); },
          [kind](std::size_t s, std::size_t cycle) {
            if (!kind) return bench::control_loop_value(s % 26, cycle + s);
            const auto& metrics = of_kind[static_cast<std::size_t>(*kind) - 1];
            return bench::control_loop_value(metrics[s % metrics.size()], cycle + s);
          }};
}

/// An hour and a bit of it, committed each second and rolled up as it comes, as ring-persister does.
/// CPU of the rollups only; the checkpoints between are not in it.
void ours(benchmark::State& state, const Workload& workload, bool with_1s) {
  constexpr std::size_t seconds = 3700;
  Batch batch;
  for (auto _ : state) {
    Folder folder;
    Tiers tiers{{forever_s, with_1s ? forever_s : 0, forever_s, forever_s, forever_s}, 0};
    const Rules rules(tiers, {});
    Store store(folder.database(), {.rules = rules, .wall_ns = &wall_ns});
    wall_now_ns = first_ns;
    workload.definitions(batch);
    store.commit(batch);
    Maintenance maintenance(store.database(), rules, 1);
    std::int64_t cpu = 0, samples = 0;
    const auto from = Clock::now();
    for (std::size_t s = 0; s < seconds; ++s) {
      workload.second(batch, s, first_ns);
      wall_now_ns = first_ns + static_cast<std::int64_t>(s + 1) * second_ns;
      store.commit(batch);
      samples += static_cast<std::int64_t>(batch.samples.size());
      const auto cpu_from = cpu_ns();
      for (bool more = true; more;) {
        Budget budget{Clock::now() + slice};
        more = maintenance.run(s + 1 < seconds ? wall_now_ns : Fold::everything, wall_now_ns, Clock::now(), budget);
      }
      cpu += cpu_ns() - cpu_from;
      if (store.database().wal_pages() >= 250) store.database().checkpoint_passive();
    }
    state.SetIterationTime(static_cast<double>(elapsed_ns(from)) / 1e9);
    auto& db = store.database();
    state.counters["cpu_ns/sample"] = static_cast<double>(cpu) / static_cast<double>(samples);
    for (const std::string tier : {"tier_1m", "tier_5m", "tier_1h"}) {
      const auto value = [&](const std::string& sql) { return static_cast<double>(db.query_integer(sql)); };
      const auto rows = value("SELECT count(*) FROM " + tier);
      state.counters[tier + "_B/row"] = value("SELECT sum(pgsize) FROM dbstat WHERE name = '" + tier + "'") / rows;
      state.counters[tier + "_detail_B"] =
          value("SELECT sum(ifnull(length(sketch), 0) + ifnull(length(states), 0)) FROM " + tier) / rows;
    }
  }
  wall_now_ns = 0;
}

/// The same by SQL, from a table with a row a sample in time order: count, sum, min and max of each series, no more.
void group_by(benchmark::State& state, const Workload& workload) {
  constexpr std::size_t seconds = 3700;
  Batch batch;
  for (auto _ : state) {
    Folder folder;
    Database db(folder.database(), Database::Access::read_write_create);
    db.execute(std::string(schema::creation) + schema::every_open);
    db.execute("CREATE TABLE raw (time_ns INTEGER, series INTEGER, value REAL, PRIMARY KEY (time_ns, series)) WITHOUT ROWID");
    for (const std::string tier : {"tier_1m", "tier_5m", "tier_1h"})
      db.execute("CREATE TABLE " + tier + " (bucket INTEGER, series INTEGER, count INTEGER, sum REAL, min REAL, max REAL, "
                                          "PRIMARY KEY (bucket, series)) WITHOUT ROWID");
    Statement insert(db, "INSERT INTO raw VALUES (?, ?, ?)");
    Statement minute(db, "INSERT INTO tier_1m SELECT ?1, series, count(*), sum(value), min(value), max(value) FROM raw "
                         "WHERE time_ns >= ?1 * 1000000000 AND time_ns < (?1 + 60) * 1000000000 GROUP BY series");
    const auto wider = [&](const std::string& from, const std::string& to, const std::string& width) {
      return Statement(db, "INSERT INTO " + to + " SELECT ?1, series, sum(count), sum(sum), min(min), max(max) FROM " + from +
                               " WHERE bucket >= ?1 AND bucket < ?1 + " + width + " GROUP BY series");
    };
    auto five = wider("tier_1m", "tier_5m", "300"), hour = wider("tier_5m", "tier_1h", "3600");
    std::int64_t cpu = 0, samples = 0;
    const auto from = Clock::now();
    for (std::size_t s = 0; s < seconds; ++s) {
      workload.second(batch, s, first_ns);
      Transaction transaction(db);
      for (const auto& sample : batch.samples)
        insert.bind(1, sample.time_ns).bind(2, std::int64_t{sample.series}).bind(3, sample.value).run();
      transaction.commit();
      samples += static_cast<std::int64_t>(batch.samples.size());
      if (db.wal_pages() >= 250) db.checkpoint_passive();
      const auto cpu_from = cpu_ns();
      const auto end_s = first_ns / second_ns + static_cast<std::int64_t>(s) + 1;
      for (const auto& [job, width_s] : {std::pair{&minute, 60}, {&five, 300}, {&hour, 3600}})
        if (end_s % width_s == 0) job->bind(1, end_s - width_s).run();
      cpu += cpu_ns() - cpu_from;
    }
    state.SetIterationTime(static_cast<double>(elapsed_ns(from)) / 1e9);
    state.counters["cpu_ns/sample"] = static_cast<double>(cpu) / static_cast<double>(samples);
    state.counters["tier_1m_B/row"] =
        static_cast<double>(db.query_integer("SELECT sum(pgsize) FROM dbstat WHERE name = 'tier_1m'")) /
        static_cast<double>(db.query_integer("SELECT count(*) FROM tier_1m"));
  }
}

/// A database that nobody has maintained for hours: `samples` of the control loop up to now, in full commits.
void make_backlog(const std::string& path, std::size_t samples, const Rules& rules) {
  Store store(path, {.rules = rules, .wall_ns = &wall_ns});
  const auto workload = control_loop();
  const auto seconds = samples / (workload.series * workload.hz);
  const auto start_ns = realtime_ns() / second_ns * second_ns - static_cast<std::int64_t>(seconds) * second_ns;
  Batch batch, more;
  workload.definitions(batch);
  for (std::size_t s = 0; s < seconds; ++s) {
    workload.second(more, s, start_ns);
    batch.samples.insert(batch.samples.end(), more.samples.begin(), more.samples.end());
    if ((s + 1) % 48 != 0 && s + 1 < seconds) continue;
    wall_now_ns = start_ns + static_cast<std::int64_t>(s + 1) * second_ns;
    store.commit(batch);
    batch.clear();
    if (store.database().wal_pages() >= 250) store.database().checkpoint_passive();
  }
  wall_now_ns = 0;
  store.stop();
}

/// Raw and 1m are over after the least time there is: most of the backlog is to be folded, rolled up and deleted.
Rules short_ages() { return Rules({{age_s_min[tier_raw], 900, age_s_min[tier_1m], 86'400, forever_s}, 0}, {}); }

/// 100,000 records/s arrive while 10 million samples wait for all of maintenance; then the same without a backlog.
/// A round is late by what it ends after the next one was due.
void backlog(benchmark::State& state) {
  for (auto _ : state) {
    Folder folder;
    make_backlog(folder.database(), 10'000'000, short_ages());
    Settings settings;
    settings.rings = {"tier-bench-" + std::to_string(::getpid())};
    settings.database = folder.database();
    settings.geometry = {.lanes = 1, .lane_records = 65'536, .arena_bytes = 1 << 16};
    settings.store.rules = short_ages();
    settings.check_after_unclean = false;
    spdlog::set_level(spdlog::level::err);
    std::atomic<bool> ends{false};
    std::atomic<std::int64_t> refused{0}, pushed{0};
    {
      Loop loop(settings);
      std::thread producing([&] {
        bench::pin_to(1);
        ring::Producer producer(settings.rings.front(), {.geometry = settings.geometry});
        std::vector<ring::Series> series;
        for (int s = 0; s < 100; ++s) series.push_back(producer.gauge("fast_" + std::to_string(s)));
        std::vector<double> values(series.size());
        auto next = Clock::now();
        for (std::int64_t cycle = 0; !ends; ++cycle, next += std::chrono::milliseconds(1)) {
          std::this_thread::sleep_until(next);
          for (std::size_t s = 0; s < values.size(); ++s)
            values[s] = bench::control_loop_value(s % 26, static_cast<std::size_t>(cycle));
          const auto taken = static_cast<std::int64_t>(producer.push_many(producer.now_ns(), series, values));
          pushed += taken;
          refused += static_cast<std::int64_t>(values.size()) - taken;
        }
      });
      std::vector<std::int64_t> late[2];
      Database reader(settings.database, Database::Access::read_only);
      const auto start = Clock::now();
      auto calm_from = Clock::time_point::max();
      const auto waits = [&] {  // of the backlog, what is not folded, not sealed and not deleted
        return reader.query_integer("SELECT count(*) FROM batches WHERE id <= 180") > 0;
      };
      int rounds = 0;
      for (auto now = start; now < start + std::chrono::minutes(3); now = Clock::now()) {
        const auto next = loop.round(now).value_or(now);
        const bool calm = now > calm_from;
        late[calm].push_back(std::max<std::int64_t>(0, elapsed_ns(next)));
        if (!calm && calm_from == Clock::time_point::max() && ++rounds % 10 == 0 && !waits()) {
          state.counters["backlog_s"] = static_cast<double>(elapsed_ns(start)) / 1e9;
          calm_from = Clock::now() + std::chrono::seconds(2);
        }
        if (calm && Clock::now() > calm_from + std::chrono::seconds(20)) break;
        std::this_thread::sleep_until(next);
      }
      ends = true;
      producing.join();
      state.SetIterationTime(static_cast<double>(elapsed_ns(start)) / 1e9);
      report(state, "late", late[0]);
      report(state, "late_calm", late[1]);
    }
    ring::Segment::remove(settings.rings.front());
    state.counters["refused"] = static_cast<double>(refused.load());
    state.counters["pushed"] = static_cast<double>(pushed.load());
  }
}

/// Slices of 5 ms over the same backlog: how much longer they take, by the longest and by the CPU they use. The checkpoints
/// between are not in them.
void slices(benchmark::State& state) {
  for (auto _ : state) {
    Folder folder;
    make_backlog(folder.database(), 10'000'000, short_ages());
    Store store(folder.database(), {.rules = short_ages()});
    Maintenance maintenance(store.database(), short_ages(), 1);
    constexpr int looks_max = 100;  // for work, some seconds of the jobs' clock apart, without finding any
    std::vector<std::int64_t> over, over_cpu, of_job[Maintenance::job_count];
    const auto start = Clock::now();
    const auto slice_ns = std::chrono::nanoseconds(slice).count();
    for (int looks = 0; looks < looks_max;) {
      const auto from = Clock::now();
      const auto cpu_from = cpu_ns();
      Budget budget{from + slice};
      const auto before = maintenance.work();
      const bool more = maintenance.run(realtime_ns(), realtime_ns(), from + looks * std::chrono::seconds(3), budget);
      if (!more) ++looks;
      for (std::size_t job = 0; more && job < Maintenance::job_count; ++job)
        if (maintenance.work()[job].slices > before[job].slices)
          of_job[job].push_back(std::max<std::int64_t>(0, cpu_ns() - cpu_from - slice_ns));
      over.push_back(std::max<std::int64_t>(0, elapsed_ns(from) - slice_ns));
      over_cpu.push_back(std::max<std::int64_t>(0, cpu_ns() - cpu_from - slice_ns));
      if (store.database().wal_pages() >= 250) store.database().checkpoint_passive();
    }
    state.SetIterationTime(static_cast<double>(elapsed_ns(start)) / 1e9);
    state.counters["slices"] = static_cast<double>(over.size());
    report(state, "over", over);
    report(state, "over_cpu", over_cpu);
    for (std::size_t job = 0; job < Maintenance::job_count; ++job)
      if (!of_job[job].empty()) report(state, Maintenance::name(static_cast<Maintenance::Job>(job)) + std::string("_cpu"), of_job[job]);
  }
}

/// A gigabyte of raw samples that are too old, given back to the file system in slices of 5 ms.
void reclaim(benchmark::State& state) {
  for (auto _ : state) {
    Folder folder;
    const Rules rules({{age_s_min[tier_raw], 0, forever_s, forever_s, forever_s}, 0}, {});
    Store store(folder.database(), {.rules = rules, .wall_ns = &wall_ns});
    auto& db = store.database();
    bench::Fleet fleet(1000, 50, bench::Fleet::Values::full_precision);
    Batch batch;
    wall_now_ns = first_ns;
    fleet.definitions(batch, store.ring_id("fleet", "0123456789abcdef0123456789abcdef", 0));
    store.commit(batch);
    std::int64_t samples = 0;
    const auto bytes = [&] { return db.query_integer("PRAGMA page_count") * 4096; };
    while (bytes() < 1 << 30) {
      fleet.next_second(batch);
      wall_now_ns += second_ns;
      store.commit(batch);
      samples += static_cast<std::int64_t>(batch.samples.size());
      if (db.wal_pages() >= 250) db.checkpoint_passive();
    }
    // As if they were in every tier.
    db.execute("UPDATE progress SET done = (SELECT max(id) FROM batches), target = (SELECT max(id) FROM batches), "
               "replay = (SELECT max(id) + 1 FROM batches)");
    db.checkpoint_truncate();
    const auto size = [&] { return static_cast<double>(std::filesystem::file_size(folder.database())) / (1 << 20); };
    state.counters["before_MiB"] = size();
    Retention retention(db, rules);
    std::vector<std::int64_t> held;
    std::int64_t cpu = 0;
    const auto start = Clock::now();
    for (bool more = true; more;) {
      const auto from = Clock::now();
      const auto cpu_from = cpu_ns();
      Budget budget{from + slice};
      more = retention.run(wall_now_ns + 86'400 * second_ns, true, 0, budget);
      cpu += cpu_ns() - cpu_from;
      held.push_back(elapsed_ns(from));
      if (db.wal_pages() >= 250) db.checkpoint_passive();
    }
    db.checkpoint_truncate();
    state.SetIterationTime(static_cast<double>(elapsed_ns(start)) / 1e9);
    state.counters["after_MiB"] = size();
    state.counters["cpu_ns/sample"] = static_cast<double>(cpu) / static_cast<double>(samples);
    report(state, "lock_held", held);
  }
  wall_now_ns = 0;
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(ours, control_loop, control_loop(), false)->Apply(once);
BENCHMARK_CAPTURE(ours, control_loop_1s, control_loop(), true)->Apply(once);
BENCHMARK_CAPTURE(group_by, control_loop, control_loop())->Apply(once);
BENCHMARK_CAPTURE(ours, thousand, thousand(), false)->Apply(once);
BENCHMARK_CAPTURE(ours, thousand_1s, thousand(), true)->Apply(once);
BENCHMARK_CAPTURE(group_by, thousand, thousand())->Apply(once);
BENCHMARK_CAPTURE(ours, gauges, thousand(ring::Kind::gauge), false)->Apply(once);
BENCHMARK_CAPTURE(ours, counters, thousand(ring::Kind::counter), false)->Apply(once);
BENCHMARK_CAPTURE(ours, states, thousand(ring::Kind::state), false)->Apply(once);
BENCHMARK(backlog)->Apply(once);
BENCHMARK(slices)->Apply(once);
BENCHMARK(reclaim)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
