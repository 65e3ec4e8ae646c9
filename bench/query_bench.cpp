// query_bench.cpp: how long questions about a day of the control loop take inside a program, as the tools and the
// SQLite extension ask them: samples of one series or of all by RawReader, what they come to by raw_totals, rows of a
// tier by SQL; and the same of the naive table.
//
// Warm: on one connection, asked once before. Cold: every time on a new connection, whose opening counts, after the
// file was taken out of the page cache (page_cache.hpp).
#include <filesystem>
#include <functional>

#include "machine.hpp"
#include "page_cache.hpp"
#include "query_plants.hpp"
#include "raw_totals.hpp"

namespace {

using namespace ringdown;
using bench::day_s, bench::week_s;
constexpr std::int64_t second_ns = bench::life_second_ns;
constexpr std::uint32_t rounded = 1, full_precision = 5;  // series

/// What an answer has: samples or rows, and a sum so that they are looked at.
struct Answer {
  std::int64_t count = 0;
  double sum = 0;
};
using Ask = std::function<Answer(Database&)>;
enum class Cache { warm, cold };

void measure(benchmark::State& state, const std::string& path, Cache cache, const Ask& ask) {
  std::optional<Database> database;
  Answer answer;
  double cached_mib = 0;
  if (cache == Cache::warm) {
    database.emplace(path, Database::Access::read_only);
    ask(*database);
  }
  for (auto _ : state) {
    if (cache == Cache::cold) {
      state.PauseTiming();
      database.reset();
      bench::drop_from_page_cache(path);
      cached_mib = std::max(cached_mib, bench::page_cache_mib(path));
      state.ResumeTiming();
      database.emplace(path, Database::Access::read_only);
    }
    answer = ask(*database);
    benchmark::DoNotOptimize(answer.sum);
  }
  state.counters["count"] = static_cast<double>(answer.count);
  state.counters["file_MiB"] = static_cast<double>(std::filesystem::file_size(path)) / (1 << 20);
  if (cache == Cache::cold) {
    state.counters["cached_before_MiB"] = cached_mib;
    state.counters["cached_after_MiB"] = bench::page_cache_mib(path);
  } else {
    state.counters["peak_MiB"] = bench::peak_mib();
  }
}

RawReader::Selection last(std::int64_t seconds, std::vector<std::uint32_t> series) {
  const auto end_ns = bench::life_first_ns + day_s * second_ns;
  return {.series = std::move(series), .from_ns = end_ns - seconds * second_ns, .to_ns = end_ns};
}

void on_damage(const std::string& what, std::int64_t, std::int64_t) { throw std::runtime_error(what); }

/// @param sealed_only  not the last minutes, which are in batches
void raw(benchmark::State& state, std::int64_t seconds, std::vector<std::uint32_t> series, bool sealed_only,
         Cache cache) {
  auto selection = last(seconds, std::move(series));
  selection.sealed_only = sealed_only;
  measure(state, bench::Day::get().database(), cache, [&](Database& database) {
    RawReader reader(database, selection, on_damage);
    Answer out;
    for (auto samples = reader.next(); !samples.empty(); samples = reader.next()) {
      out.count += static_cast<std::int64_t>(samples.size());
      for (const auto& sample : samples) out.sum += sample.value;
    }
    return out;
  });
}

/// Count, extremes, sum and ends.
void totals(benchmark::State& state, std::vector<std::uint32_t> series, std::int64_t step_s, bool sealed_only,
            Cache cache) {
  auto selection = last(day_s, std::move(series));
  selection.sealed_only = sealed_only;
  measure(state, bench::Day::get().database(), cache, [&](Database& database) {
    Answer out;
    for (const auto& row : raw_totals(database, selection, step_s * second_ns, on_damage)) {
      out.count += row.total.count;
      out.sum += row.total.sum();
    }
    return out;
  });
}

/// Of a day or of a week.
void tier(benchmark::State& state, const std::string& name, std::int64_t seconds, Cache cache) {
  const auto from_s = bench::life_first_ns / second_ns;
  measure(state, seconds == week_s ? bench::Week::get().database() : bench::Day::get().database(), cache,
          [&](Database& database) {
            auto& rows = database.prepared("SELECT bucket, sum, count FROM " + name +
                                           " WHERE bucket >= ? AND bucket < ? AND series = 1");
            Answer out;
            for (rows.bind(1, from_s).bind(2, from_s + seconds); rows.step(); ++out.count) out.sum += rows.real(1);
            rows.reset();
            return out;
          });
}

/// The same of the naive table. `sql`: two parameters, from and to in seconds; column 0 is added up.
void naive(benchmark::State& state, const std::string& sql, std::int64_t seconds, Cache cache) {
  const auto end_s = bench::life_first_ns / second_ns + day_s;
  measure(state, bench::NaiveDay::get().database(), cache, [&](Database& database) {
    auto& rows = database.prepared(sql);
    Answer out;
    for (rows.bind(1, end_s - seconds).bind(2, end_s); rows.step(); ++out.count) out.sum += rows.real(0);
    rows.reset();
    return out;
  });
}
std::string of_naive(const std::string& what, const std::string& metric) {
  return "SELECT " + what + " FROM metrics WHERE wan_name = 'plant' AND metric_name = '" + metric +
         "' AND timestamp >= ? AND timestamp < ?";
}
const std::string sample = "value, timestamp", by_minute = " GROUP BY CAST(timestamp / 60 AS INTEGER)",
                  total = "sum(value), count(*), min(value), max(value)";

void ms(benchmark::internal::Benchmark* benchmark) { benchmark->Unit(benchmark::kMillisecond); }
constexpr auto warm = Cache::warm, cold = Cache::cold;
BENCHMARK_CAPTURE(raw, one_1h, 3600, {rounded}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_full_precision_1h, 3600, {full_precision}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_24h, day_s, {rounded}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_24h_cold, day_s, {rounded}, false, cold)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_24h_sealed, day_s, {rounded}, true, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, one_full_precision_24h, day_s, {full_precision}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, all_5min, 300, {}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(raw, all_1h, 3600, {}, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h, {rounded}, 0, false, warm)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_cold, {rounded}, 0, false, cold)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed, {rounded}, 0, true, warm)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed_cold, {rounded}, 0, true, cold)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed_by_1h, {rounded}, 3600, true, warm)->Apply(ms);
BENCHMARK_CAPTURE(totals, one_24h_sealed_by_1m, {rounded}, 60, true, warm)->Apply(ms);
BENCHMARK_CAPTURE(totals, all_24h_sealed, {}, 0, true, warm)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_24h_1m, "tier_1m", day_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_24h_5m, "tier_5m", day_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_7d_5m, "tier_5m", week_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_7d_5m_cold, "tier_5m", week_s, cold)->Apply(ms);
BENCHMARK_CAPTURE(tier, one_7d_1h, "tier_1h", week_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_1h, of_naive(sample, "rtt_ms"), 3600, warm)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_24h, of_naive(sample, "rtt_ms"), day_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_24h_cold, of_naive(sample, "rtt_ms"), day_s, cold)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_full_precision_24h, of_naive(sample, "delta_ms"), day_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_24h_total, of_naive(total, "rtt_ms"), day_s, warm)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_24h_total_cold, of_naive(total, "rtt_ms"), day_s, cold)->Apply(ms);
BENCHMARK_CAPTURE(naive, one_24h_1m, of_naive(total, "rtt_ms") + by_minute, day_s, warm)->Apply(ms);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
