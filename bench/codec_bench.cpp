// codec_bench.cpp: how small a chunk of one series gets, and what packing and unpacking it costs; beside
// Gorilla and Zstandard.
//
// Every case packs all series of a set, each into one chunk, unpacks them and compares every bit. Ours are
// two blobs, of time stamps and of values. CPU is this thread's. With --csv=FILE (lines of name,time in
// ns,value; of a name in time order) that file is a set too.
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "codec_rivals.hpp"
#include "control_loop.hpp"
#include "fleet.hpp"
#include "link_series.hpp"
#include "machine.hpp"
#include "ring/epoch.hpp"

namespace {

using bench::NamedSeries;
using Set = std::vector<NamedSeries>;

std::int64_t cpu_ns() { return ring::clock_ns(CLOCK_THREAD_CPUTIME_ID); }

/// CPU of everything called, in ns.
class Meter {
 public:
  template <class Call>
  void run(Call&& call) {
    const auto from = cpu_ns();
    call();
    ns_ += cpu_ns() - from;
  }
  double per(std::size_t samples) const { return static_cast<double>(ns_) / static_cast<double>(samples); }

 private:
  std::int64_t ns_ = 0;
};

bool same(const Set& set, std::size_t s, const bench::Times& times, const bench::Values& values) {
  const auto& points = set[s].points;
  if (times.size() != points.size() || values.size() != points.size()) return false;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (times[i] != points[i].time_ns || std::memcmp(&values[i], &points[i].value, sizeof(double)) != 0)
      return false;
  return true;
}

template <class Codec>
void codec(benchmark::State& state, const Set& set) {
  Meter encode, decode, decode_times, decode_values;
  std::vector<bench::Packed> blobs(set.size());
  bench::Times times;
  bench::Values values;
  std::size_t samples = 0, bytes = 0;
  for (auto _ : state) {
    bytes = 0;
    encode.run([&] {
      for (std::size_t s = 0; s < set.size(); ++s) Codec::encode(set[s].points, blobs[s]);
    });
    decode.run([&] {
      for (const auto& packed : blobs) Codec::decode(packed, times, values);
    });
    if constexpr (std::is_same_v<Codec, bench::Ours>) {
      decode_times.run([&] {
        for (const auto& packed : blobs) ringdown::decode_times(packed.times, times);
      });
      decode_values.run([&] {
        for (const auto& packed : blobs) ringdown::decode_values(packed.values, values);
      });
    }
    for (std::size_t s = 0; s < set.size(); ++s) {
      samples += set[s].points.size();
      bytes += blobs[s].times.size() + blobs[s].values.size();
    }
  }
  for (std::size_t s = 0; s < set.size(); ++s) {
    Codec::decode(blobs[s], times, values);
    if (!same(set, s, times, values)) return state.SkipWithError("what came back differs");
  }
  const auto once = static_cast<double>(samples / state.iterations());
  auto& c = state.counters;
  c["B"] = static_cast<double>(bytes) / once;
  c["encode_ns"] = encode.per(samples);
  c["decode_ns"] = decode.per(samples);
  if constexpr (std::is_same_v<Codec, bench::Ours>) {
    std::size_t times_bytes = 0, shared_bytes = 0;
    std::set<bench::Bytes> different;
    for (const auto& packed : blobs) {
      times_bytes += packed.times.size();
      shared_bytes += packed.values.size();
      if (different.insert(packed.times).second) shared_bytes += packed.times.size();
    }
    c["times_B"] = static_cast<double>(times_bytes) / once;
    c["shared_B"] = static_cast<double>(shared_bytes) / once;
    c["times_ns"] = decode_times.per(samples);
    c["values_ns"] = decode_values.per(samples);
  }
}

Set control_loop(std::size_t cycles) {
  Set out;
  for (std::size_t metric = 0; metric < 26; ++metric) {
    out.push_back({"metric_" + std::to_string(metric), {}});
    for (std::size_t cycle = 0; cycle < cycles; ++cycle)
      out.back().points.push_back({1'700'000'040'000'000'000 + static_cast<std::int64_t>(cycle) * 50'000'000,
                                   bench::control_loop_value(metric, cycle)});
  }
  return out;
}

Set fleet(std::size_t series, std::size_t seconds, bench::Fleet::Values values) {
  Set out(series);
  for (std::size_t s = 0; s < series; ++s) out[s].name = bench::Fleet::name(s);
  bench::Fleet fleet(series, 1, values);
  ringdown::Batch batch;
  for (std::size_t second = 0; second < seconds; ++second) {
    fleet.next_second(batch);
    for (const auto& sample : batch.samples)
      out[sample.series - 1].points.push_back({sample.time_ns, sample.value});
  }
  return out;
}

Set csv(const std::string& path) {
  std::map<std::string, std::vector<ringdown::Point>> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto value_at = line.rfind(','), time_at = line.rfind(',', value_at - 1);
    all[line.substr(0, time_at)].push_back(
        {std::stoll(line.substr(time_at + 1)), std::stod(line.substr(value_at + 1))});
  }
  Set out;
  for (auto& [name, points] : all) out.push_back({name, std::move(points)});
  return out;
}

template <class Codec>
void add(const std::string& name, const Set& set) {
  benchmark::RegisterBenchmark(name.c_str(), [&set](benchmark::State& state) { codec<Codec>(state, set); });
}
void add_all(const std::string& name, const Set& set) {
  add<bench::Ours>(name + "/ours", set);
  add<bench::Gorilla>(name + "/gorilla", set);
  add<bench::RawZstd>(name + "/zstd", set);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::size_t quarter_s = 15 * 60, hz = 20;
  std::map<std::string, Set> sets{
      {"control_loop", control_loop(quarter_s * hz)},
      {"link", bench::link_series(quarter_s * hz, 0)},
      {"link_late", bench::link_series(quarter_s * hz, 5)},
      {"fleet", fleet(400, quarter_s, bench::Fleet::Values::fleet)},
      {"fleet_full_precision", fleet(400, quarter_s, bench::Fleet::Values::full_precision)}};
  const std::string csv_option = "--csv=";
  if (argc > 1 && std::string(argv[argc - 1]).starts_with(csv_option))
    sets["csv"] = csv(std::string(argv[--argc]).substr(csv_option.size()));
  for (const auto* whole : {"link", "csv"})  // each of its series is a set too
    for (const auto& series : Set(sets[whole])) sets[whole + ("/" + series.name)] = {series};
  for (const auto& [name, set] : sets)
    if (!set.empty()) add_all(name, set);
  return bench::run(argc, argv);
}
