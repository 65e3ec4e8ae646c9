// life_bench.cpp: what a sample costs in its whole life, by stage, with the bytes it ends up as and those written on its
// way.
#include "folder.hpp"
#include "life.hpp"
#include "machine.hpp"

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
  life<bench::ControlLoop>(state, hours * 3600, 1 << 14, with_1s);
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
  life<bench::ControlLoop>(state, 4 * 3600, 1 << 14, false, rules);
}
void fleet(benchmark::State& state, bool with_1s) { life<bench::FleetProfile>(state, 1800, 1 << 16, with_1s); }
BENCHMARK_CAPTURE(control_loop, without_1s, 4, false)->Apply(once);
BENCHMARK_CAPTURE(control_loop, with_1s, 4, true)->Apply(once);
BENCHMARK_CAPTURE(control_loop, hours_31, 31, true)->Apply(once);
BENCHMARK(rounded)->Apply(once);
BENCHMARK_CAPTURE(fleet, without_1s, false)->Apply(once);
BENCHMARK_CAPTURE(fleet, with_1s, true)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
