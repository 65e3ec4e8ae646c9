// engines_bench.cpp: the same samples through Ringdown's whole life (bench::Life) and into VictoriaMetrics and Prometheus,
// by remote write over loopback; what they cost in CPU, bytes on disk after merging, bytes written and memory, and how long
// the same questions take. Each engine is a process of its own on one core, its feeder on another. See engines.sh.
#include <cstring>
#include <set>
#include <thread>

#include "engine.hpp"
#include "folder.hpp"
#include "life.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using bench::Engine, bench::Which;
constexpr std::int64_t second_ns = 1'000'000'000;

double ms_since(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

double folder_bytes(const std::filesystem::path& folder) {
  double out = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, gone))
    if (entry.is_regular_file(gone)) out += static_cast<double>(entry.file_size(gone));
  return out;
}

/// Waits until all is merged. @return the folder whose bytes count
std::filesystem::path settle(Engine& engine, Which which, const std::filesystem::path& folder) {
  if (which == Which::prometheus) {
    engine.post("/api/v1/admin/tsdb/snapshot", "");
    return folder / "data" / "snapshots";
  }
  engine.get("/internal/force_flush");
  engine.get("/internal/force_merge");
  for (int i = 0; i < 600; ++i) {  // until three looks in a row see nothing under way and the same bytes
    static double before;
    const auto now = folder_bytes(folder);
    const auto metrics = engine.get("/metrics");
    const bool busy = metrics.find("vm_active_force_merges 0") == std::string::npos ||
                      metrics.find("vm_active_merges{type=\"storage/big\"} 0") == std::string::npos;
    if (!busy && now == before && i > 20) break;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return folder;
}

/// The questions, each asked five times; the median in ms. `ask` gives the bytes of the answer.
struct Question {
  const char* name;
  const char* selector;
  std::int64_t seconds, step_s;  // 0: raw samples
};
constexpr Question questions[] = {{"one_1h_raw", "rtt_ms{wan=\"a\"}", 3600, 0},
                                  {"one_4h_raw", "rtt_ms{wan=\"a\"}", 4 * 3600, 0},
                                  {"one_4h_1m", "rtt_ms{wan=\"a\"}", 4 * 3600, 60},
                                  {"all_5min_raw", "{wan=~\".+\"}", 300, 0},
                                  {"all_1h_raw", "{wan=~\".+\"}", 3600, 0}};
template <class Ask>
void ask_all(benchmark::State& state, Ask&& ask) {
  for (const auto& question : questions) {
    std::vector<double> took;
    double bytes = 0;
    for (int i = 0; i < 5; ++i) {
      const auto from = Clock::now();
      bytes = ask(question);
      took.push_back(ms_since(from));
    }
    std::sort(took.begin(), took.end());
    state.counters[std::string(question.name) + "_ms"] = took[2];
    state.counters[std::string(question.name) + "_B"] = bytes;
  }
}

template <class Profile>
void engine(benchmark::State& state, Which which, std::int64_t seconds, bool asks) {
  for (auto _ : state) {
    const bench::Folder folder;
    Engine engine(which, folder.path());
    const auto& process = engine.process();
    bench::pin_to(1);
    Profile profile;
    bench::Feed feed(profile.series(), [&](const std::string& body, const httplib::Headers& headers) {
      engine.post("/api/v1/write", body, headers);
    });
    // Ends now: Prometheus refuses what is old once it has newer samples, and ours begins at the same second of an hour.
    const auto end_ns = ring::clock_ns(CLOCK_REALTIME) / (3600 * second_ns) * (3600 * second_ns);
    const auto from = Clock::now();
    const auto cpu_from = process.cpu_ns(), written_from = bench::written_bytes(process.pid());
    for (std::int64_t s = 0; s < seconds; ++s) {
      profile.second(end_ns - (seconds - s) * second_ns,
                     [&](std::size_t i, double value, std::int64_t at_ns) { feed.add(i, value, at_ns); });
      feed.flush(false);
    }
    feed.flush(true);
    const auto data = settle(engine, which, folder.path());
    state.SetIterationTime(ms_since(from) / 1e3);
    const auto a_sample = 1.0 / static_cast<double>(feed.samples());
    state.counters["samples"] = static_cast<double>(feed.samples());
    state.counters["cpu_ns"] = (process.cpu_ns() - cpu_from) * a_sample;
    state.counters["disk_B"] = folder_bytes(data) * a_sample;
    state.counters["written_B"] = (bench::written_bytes(process.pid()) - written_from) * a_sample;
    state.counters["peak_MiB"] = bench::peak_mib(process.pid());
    if (!asks) continue;
    const auto end_s = end_ns / second_ns;
    ask_all(state, [&](const Question& question) {
      const std::string selector = question.selector;
      const auto range = [](std::int64_t s) { return "[" + std::to_string(s) + "s]"; };
      if (question.step_s == 0)
        return static_cast<double>(
            engine.get("/api/v1/query", {{"query", selector + range(question.seconds)}, {"time", std::to_string(end_s)}}).size());
      return static_cast<double>(
          engine.get("/api/v1/query_range", {{"query", "avg_over_time(" + selector + range(question.step_s) + ")"},
                                             {"start", std::to_string(end_s - question.seconds + question.step_s)},
                                             {"end", std::to_string(end_s)},
                                             {"step", std::to_string(question.step_s)}})
              .size());
    });
  }
}

/// What `ring-query` answers, from its start to its end.
double query_bytes(const std::string& program, const std::string& database, const Question& question) {
  const auto end_s = bench::life_first_ns / second_ns + 4 * 3600;
  const auto command = program + " --db " + database + " '" + question.selector + "' --from " +
                       std::to_string(end_s - question.seconds) + " --to " + std::to_string(end_s) + " --step " +
                       (question.step_s ? "1m" : "raw") + " --format csv";
  FILE* const pipe = ::popen(command.c_str(), "r");
  double bytes = 0;
  static char buffer[1 << 16];
  while (const auto n = std::fread(buffer, 1, sizeof buffer, pipe)) bytes += static_cast<double>(n);
  ::pclose(pipe);
  return bytes;
}

template <class Profile>
void ringdown_life(benchmark::State& state, std::int64_t seconds, std::uint32_t lane_records, bool with_1s, bool asks) {
  bench::pin_to(0);
  for (auto _ : state) {
    const bench::Folder folder;
    Profile profile;
    bench::Life life(folder.database(), profile, lane_records, with_1s);
    const auto from = Clock::now();
    life.run(seconds);
    state.SetIterationTime(ms_since(from) / 1e3);
    bench::report(state, life, folder.database());
    if (!asks) continue;
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ring-query";
    ask_all(state, [&](const Question& question) { return query_bytes(program, folder.database(), question); });
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
constexpr std::int64_t loop_s = 4 * 3600, fleet_s = 1800;
void control_loop(benchmark::State& state, bool with_1s) {
  ringdown_life<ringdown::ControlLoop>(state, loop_s, 1 << 14, with_1s, !with_1s);
}
void control_loop_in(benchmark::State& state, Which which) { engine<ringdown::ControlLoop>(state, which, loop_s, true); }
void fleet(benchmark::State& state) { ringdown_life<ringdown::FleetProfile>(state, fleet_s, 1 << 16, false, false); }
void fleet_in(benchmark::State& state, Which which) { engine<ringdown::FleetProfile>(state, which, fleet_s, false); }
BENCHMARK_CAPTURE(control_loop, ringdown, false)->Apply(once);
BENCHMARK_CAPTURE(control_loop, ringdown_1s, true)->Apply(once);
BENCHMARK_CAPTURE(control_loop_in, victoria, Which::victoria)->Apply(once);
BENCHMARK_CAPTURE(control_loop_in, prometheus, Which::prometheus)->Apply(once);
BENCHMARK_CAPTURE(fleet_in, victoria, Which::victoria)->Apply(once);
BENCHMARK_CAPTURE(fleet_in, prometheus, Which::prometheus)->Apply(once);
BENCHMARK(fleet)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
