// inspect_database.hpp: what a database holds of one ring, for ring-inspect --db.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli.hpp"
#include "sink_status.hpp"
#include "sqlite.hpp"
#include "store.hpp"
#include "text_table.hpp"
#include "verify.hpp"

namespace inspect {

/// A row of the view loss_totals.
struct LossTotal {
  std::string producer;  // empty: not known
  std::int64_t pid = 0;
  std::string reason;
  std::int64_t count = 0;
  std::int64_t first_ns = 0, last_ns = 0;
};

/// How far a tier is made.
struct TierReport {
  std::string name;
  std::int64_t frontier_s = 0;  // has all before it
  std::int64_t behind_s = 0;    // what it is made from reaches further by so much
};

struct DatabaseReport {
  std::string path;
  std::vector<TierReport> tiers;
  std::int64_t batches_waiting = 0;     // not yet in tier_1m
  std::int64_t buckets_waiting = 0;     // to be made again for late samples
  std::int64_t windows = 0;             // of sealed samples
  std::int64_t sealed = 0, unsealed = 0;  // raw samples, of all rings
  std::vector<std::pair<std::string, std::int64_t>> anomalies;  // what should not happen to a well-kept clock, and how often
  std::int64_t durable_through_ns = 0;  // 0: nothing would survive a power cut
  std::int64_t stored = 0, lost = 0;    // samples, over all generations of the ring
  std::vector<LossTotal> losses;
  std::vector<ringdown::SinkStatus> sinks;  // destinations of remote write, of all rings
};

inline void read_maintenance(ringdown::Database& database, DatabaseReport& report) {
  const auto value = [&](const char* sql) { return database.query_integer(sql); };
  auto reaches_s = value("SELECT committed_ns / 1000000000 FROM batches ORDER BY id DESC LIMIT 1");
  for (const auto* name : {"tier_1s", "tier_1m", "tier_5m", "tier_1h"}) {
    const auto frontier_s = database.query_integer(std::string("SELECT frontier FROM progress WHERE job = '") + name + "'");
    if (frontier_s > 0) report.tiers.push_back({name, frontier_s, std::max<std::int64_t>(0, reaches_s - frontier_s)});
    if (name != std::string("tier_1s")) reaches_s = frontier_s;
  }
  report.batches_waiting = value("SELECT count(*) FROM batches WHERE id > (SELECT done FROM progress WHERE job = 'tier_1m')");
  report.buckets_waiting = value("SELECT count(*) FROM dirty");
  report.windows = value("SELECT count(*) FROM windows");
  report.sealed = value("SELECT total(samples) FROM windows");
  report.unsealed = value("SELECT total(samples) FROM batches WHERE id > (SELECT through_batch FROM sealed)");
  ringdown::Statement anomalies(database, "SELECT kind, count FROM anomalies UNION ALL SELECT 'clock_step', count(*) FROM "
                                          "clock_steps HAVING count(*) > 0");
  while (anomalies.step()) report.anomalies.emplace_back(anomalies.text(0), anomalies.integer(1));
}

inline DatabaseReport read_database(const std::string& path, const std::string& ring) {
  ringdown::Database database(path, ringdown::Database::Access::read_only);
  ringdown::require_ours(database);
  DatabaseReport report;
  report.path = path;
  report.durable_through_ns = database.query_integer("SELECT through_ns FROM durability");
  ringdown::Statement sums(database, "SELECT sum(stored), sum(lost) FROM cursors JOIN rings ON rings.id = ring "
                                     "WHERE rings.name = ?");
  if (sums.bind(1, std::string_view(ring)).step()) report.stored = sums.integer(0), report.lost = sums.integer(1);
  ringdown::Statement losses(database, "SELECT coalesce(producer, ''), coalesce(pid, 0), reason, sum(count), "
                                       "min(first_ns), max(last_ns) FROM loss_totals WHERE ring = ? "
                                       "GROUP BY producer, pid, reason ORDER BY sum(count) DESC");
  for (losses.bind(1, std::string_view(ring)); losses.step();)
    report.losses.push_back({losses.text(0), losses.integer(1), losses.text(2), losses.integer(3), losses.integer(4),
                             losses.integer(5)});
  read_maintenance(database, report);
  report.sinks = ringdown::read_sink_status(database, ringdown::realtime_ns());
  return report;
}

inline nlohmann::json to_json(const DatabaseReport& report) {
  auto losses = nlohmann::json::array();
  for (const auto& l : report.losses)
    losses.push_back({{"producer", l.producer}, {"pid", l.pid}, {"reason", l.reason}, {"count", l.count},
                      {"first_ns", l.first_ns}, {"last_ns", l.last_ns}});
  auto tiers = nlohmann::json::object(), anomalies = nlohmann::json::object();
  for (const auto& t : report.tiers) tiers[t.name] = {{"frontier_s", t.frontier_s}, {"behind_s", t.behind_s}};
  for (const auto& [kind, count] : report.anomalies) anomalies[kind] = count;
  return {{"tiers", std::move(tiers)}, {"batches_waiting", report.batches_waiting},
          {"buckets_waiting", report.buckets_waiting}, {"anomalies", std::move(anomalies)},
          {"raw", {{"sealed", report.sealed}, {"windows", report.windows}, {"unsealed", report.unsealed}}},
          {"path", report.path}, {"durable_through_ns", report.durable_through_ns}, {"stored", report.stored},
          {"lost", report.lost}, {"losses", std::move(losses)},
          {"remote_write", ringdown::sink_status_json(report.sinks)}};
}

inline void print(const DatabaseReport& report) {
  constexpr std::size_t losses_shown_max = 20;
  using ringdown::local_time;
  fmt::print("\n{}: {} samples of this ring stored, {} lost\n  {}\n", report.path, report.stored, report.lost,
             report.durable_through_ns
                 ? "commits up to " + local_time(report.durable_through_ns, 3) + " survive a power cut"
                 : "no commit would survive a power cut yet");
  for (const auto& t : report.tiers)
    fmt::print("  {} is made up to {}, {} s behind\n", t.name, local_time(t.frontier_s * 1'000'000'000, 0), t.behind_s);
  if (report.batches_waiting + report.buckets_waiting > 0)
    fmt::print("  {} batches are not in tier_1m yet, {} rows are to be made again for late samples\n",
               report.batches_waiting, report.buckets_waiting);
  fmt::print("  raw: {} samples sealed in {} windows, {} in batches\n", report.sealed, report.windows, report.unsealed);
  for (const auto& [kind, count] : report.anomalies) fmt::print("  {}: {}\n", kind, count);
  if (!report.sinks.empty()) fmt::print("\n{}", ringdown::sink_status_text(report.sinks));
  if (report.losses.empty()) return;
  constexpr std::size_t texts = 3;
  ringdown::TextTable table({"PRODUCER", "PID", "REASON", "LOST", "FIRST", "LAST"}, texts);
  for (std::size_t i = 0; i < std::min(report.losses.size(), losses_shown_max); ++i) {
    const auto& l = report.losses[i];
    table.add({l.pid ? ringdown::printable(l.producer) : "(unknown)", std::to_string(l.pid), l.reason, std::to_string(l.count),
               local_time(l.first_ns, 0), local_time(l.last_ns, 0)});
  }
  fmt::print("\n{}", table.take());
  if (report.losses.size() > losses_shown_max)
    fmt::print("... and {} more; --json shows all\n", report.losses.size() - losses_shown_max);
}

}  // namespace inspect
