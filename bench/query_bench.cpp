// query_bench.cpp: how long questions about a day of the control loop take inside a program, as the tools and the
// SQLite extension ask them: samples of one series or of all by RawReader, what they come to by raw_totals, rows of a
// tier by SQL. Warm: asked once before.
#include "folder.hpp"
#include "life.hpp"
#include "machine.hpp"
#include "raw_totals.hpp"

namespace {

using namespace ringdown;
constexpr std::int64_t day_s = 86'400, second_ns = bench::life_second_ns;

/// A day, made at the first use, with the last quarters of an hour not sealed yet.
class Day {
 public:
  Day() {
    bench::ControlLoop profile;
    bench::Life life(folder_.database(), profile, 1 << 14, false);
    life.run_open(day_s);
  }
  std::string database() const { return folder_.database(); }
  static Day& get() {
    static Day day;
    return day;
  }

 private:
  bench::Folder folder_;
};

RawReader::Selection last(std::int64_t seconds, std::vector<std::uint32_t> series) {
  const auto end_ns = bench::life_first_ns + day_s * second_ns;
  return {.series = std::move(series), .from_ns = end_ns - seconds * second_ns, .to_ns = end_ns};
}

/// @return samples, and a sum so that they are looked at
std::pair<std::int64_t, double> ask(Database& database, const RawReader::Selection& selection) {
  RawReader reader(database, selection, [](const auto& what, auto, auto) { throw std::runtime_error(what); });
  std::pair<std::int64_t, double> out{};
  for (auto samples = reader.next(); !samples.empty(); samples = reader.next()) {
    out.first += static_cast<std::int64_t>(samples.size());
    for (const auto& sample : samples) out.second += sample.value;
  }
  return out;
}

/// @param sealed_only  not the last minutes, which are in batches
void raw(benchmark::State& state, std::int64_t seconds, std::vector<std::uint32_t> series, bool sealed_only) {
  Database database(Day::get().database(), Database::Access::read_only);
  auto selection = last(seconds, std::move(series));
  selection.sealed_only = sealed_only;
  ask(database, selection);
  std::int64_t samples = 0;
  for (auto _ : state) {
    const auto [count, sum] = ask(database, selection);
    benchmark::DoNotOptimize(sum);
    samples = count;
  }
  state.counters["samples"] = static_cast<double>(samples);
  state.counters["peak_MiB"] = bench::peak_mib();
}

/// Count, extremes, sum and ends. @param step_s  0: of all of it
void totals(benchmark::State& state, std::vector<std::uint32_t> series, std::int64_t step_s, bool sealed_only) {
  Database database(Day::get().database(), Database::Access::read_only);
  auto selection = last(day_s, std::move(series));
  selection.sealed_only = sealed_only;
  std::int64_t samples = 0;
  for (auto _ : state) {
    samples = 0;
    double sum = 0;
    for (const auto& row : raw_totals(database, selection, step_s * second_ns,
                                      [](const auto& what, auto, auto) { throw std::runtime_error(what); })) {
      samples += row.total.count;
      sum += row.total.sum();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.counters["samples"] = static_cast<double>(samples);
}

void tier(benchmark::State& state, const std::string& name) {
  Database database(Day::get().database(), Database::Access::read_only);
  Statement rows(database, "SELECT bucket, sum, count FROM " + name + " WHERE bucket >= ? AND bucket < ? AND series = 1");
  const auto from_s = bench::life_first_ns / second_ns;
  std::int64_t count = 0;
  for (auto _ : state) {
    count = 0;
    for (rows.bind(1, from_s).bind(2, from_s + day_s); rows.step();) ++count;
    rows.reset();
  }
  state.counters["rows"] = static_cast<double>(count);
}

void ms(benchmark::internal::Benchmark* benchmark) { benchmark->Unit(benchmark::kMillisecond); }
BENCHMARK_CAPTURE(raw, one_1h, 3600, {1}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_full_precision_1h, 3600, {5}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_24h, day_s, {1}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_full_precision_24h, day_s, {5}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, all_5min, 300, {}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, all_1h, 3600, {}, false)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_24h_sealed, day_s, {1}, true)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h, {1}, 0, false)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed, {1}, 0, true)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed_by_1h, {1}, 3600, true)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed_by_1m, {1}, 60, true)->Apply(ms);
BENCHMARK_CAPTURE(totals, all_24h_sealed, {}, 0, true)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_24h_1m, "tier_1m")->Apply(ms);
BENCHMARK_CAPTURE(tier, one_24h_5m, "tier_5m")->Apply(ms);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
