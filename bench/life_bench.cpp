// life_bench.cpp: what a sample costs in its whole life, by stage, with the bytes it ends up as and those written on its
// way.
#include "folder.hpp"
#include "life.hpp"
#include "machine.hpp"
#include "verify.hpp"

namespace {

template <class Profile>
void life(benchmark::State& state, std::int64_t seconds, std::uint32_t lane_records, bool with_1s,
          const std::vector<ringdown::Rule>& rules = {}) {
  for (auto _ : state) {
    const bench::Folder folder;
    Profile profile;
    bench::Life life(folder.database(), profile, lane_records, with_1s, rules);
    const auto from = std::chrono::steady_clock::now();
    life.run(seconds);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    bench::report(state, life, folder.database());
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
void control_loop(benchmark::State& state, std::int64_t hours, bool with_1s) {
  life<ringdown::ControlLoop>(state, hours * 3600, 1 << 14, with_1s);
}
/// The seven series in full precision mean no more than thousandths.
void rounded(benchmark::State& state) {
  std::vector<ringdown::Rule> rules;
  for (const auto* name : {"baseline_ms", "load_ms", "delta_ms", "jitter_ms", "variance", "deviation_ms", "confidence"}) {
    ringdown::Rule rule;
    rule.name = name;
    rule.resolution = 0.001;
    rules.push_back(rule);
  }
  life<ringdown::ControlLoop>(state, 4 * 3600, 1 << 14, false, rules);
}
/// Thirty days, verified at the end of each, with ages that are over several times in them. What is behind the first
/// horizons does not grow, and the hours have every sample.
void month(benchmark::State& state) {
  using namespace ringdown;
  constexpr std::int64_t day_s = 86'400;
  for (auto _ : state) {
    const bench::Folder folder;
    ringdown::ControlLoop profile;
    bench::Life life(folder.database(), profile, 1 << 14,
                     Rules(Tiers{{day_s / 4, 900, 2 * day_s, 8 * day_s, forever_s}, 0}, {}));
    const auto from = std::chrono::steady_clock::now();
    const auto count = [&](const std::string& sql) { return life.database().query_integer(sql); };
    double mib_day_10 = 0, mib_most = 0;
    for (int day = 1; day <= 30; ++day) {
      life.run_open(day_s);
      const auto found = verify(life.database(), [](const std::string&, double) {});
      const auto above = count("SELECT sum(count) FROM tier_1h"), open = 2 * life.samples / day / 24;
      const auto mib = static_cast<double>(std::filesystem::file_size(folder.database())) / (1 << 20);
      std::fprintf(stderr, "day %2d: %lld samples, %lld in tier_1h, file %.1f MiB, %lld findings\n", day,
                   static_cast<long long>(life.samples), static_cast<long long>(above), mib,
                   static_cast<long long>(found.findings()));
      if (found.findings() > 0) return state.SkipWithError(verified_text(found).c_str());
      if (above < life.samples - open || above > life.samples)
        return state.SkipWithError("tier_1h does not have every sample of the hours that are over");
      if (day == 10) mib_day_10 = mib;
      if (day > 10) mib_most = std::max(mib_most, mib);
    }
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    state.counters["day_10_MiB"] = mib_day_10;
    state.counters["most_later_MiB"] = mib_most;
    bench::report(state, life, folder.database());
  }
}
void fleet(benchmark::State& state, bool with_1s) { life<ringdown::FleetProfile>(state, 1800, 1 << 16, with_1s); }
BENCHMARK_CAPTURE(control_loop, without_1s, 4, false)->Apply(once);
BENCHMARK_CAPTURE(control_loop, with_1s, 4, true)->Apply(once);
BENCHMARK_CAPTURE(control_loop, hours_31, 31, true)->Apply(once);
BENCHMARK(rounded)->Apply(once);
BENCHMARK(month)->Apply(once);
BENCHMARK_CAPTURE(fleet, without_1s, false)->Apply(once);
BENCHMARK_CAPTURE(fleet, with_1s, true)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
