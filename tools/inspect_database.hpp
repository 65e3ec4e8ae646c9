// inspect_database.hpp: what a database holds of one ring, for ring-inspect --db.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli.hpp"
#include "sqlite.hpp"

namespace inspect {

/// A row of the view loss_totals.
struct LossTotal {
  std::string producer;  // empty: not known
  std::int64_t pid = 0;
  std::string reason;
  std::int64_t count = 0;
  std::int64_t first_ns = 0, last_ns = 0;
};

struct DatabaseReport {
  std::string path;
  std::int64_t durable_through_ns = 0;  // 0: nothing would survive a power cut
  std::int64_t stored = 0, lost = 0;    // samples, over all generations of the ring
  std::vector<LossTotal> losses;
};

inline DatabaseReport read_database(const std::string& path, const std::string& ring) {
  ringdown::Database database(path, ringdown::Database::Access::read_only);
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
  return report;
}

inline nlohmann::json to_json(const DatabaseReport& report) {
  auto losses = nlohmann::json::array();
  for (const auto& l : report.losses)
    losses.push_back({{"producer", l.producer}, {"pid", l.pid}, {"reason", l.reason}, {"count", l.count},
                      {"first_ns", l.first_ns}, {"last_ns", l.last_ns}});
  return {{"path", report.path}, {"durable_through_ns", report.durable_through_ns}, {"stored", report.stored},
          {"lost", report.lost}, {"losses", std::move(losses)}};
}

inline void print(const DatabaseReport& report) {
  constexpr std::size_t losses_shown_max = 20;
  using ringdown::local_time;
  fmt::print("\n{}: {} samples of this ring stored, {} lost; {}\n", report.path, report.stored, report.lost,
             report.durable_through_ns
                 ? "commits up to " + local_time(report.durable_through_ns, 3) + " survive a power cut"
                 : "no commit would survive a power cut yet");
  if (report.losses.empty()) return;
  fmt::print("{:<16} {:>10} {:<15} {:>12}  {:<23} {:<23}\n", "PRODUCER", "PID", "REASON", "LOST", "FIRST", "LAST");
  for (std::size_t i = 0; i < std::min(report.losses.size(), losses_shown_max); ++i) {
    const auto& l = report.losses[i];
    fmt::print("{:<16} {:>10} {:<15} {:>12}  {:<23} {:<23}\n", l.pid ? l.producer : "(unknown)", l.pid, l.reason,
               l.count, local_time(l.first_ns, 3), local_time(l.last_ns, 3));
  }
  if (report.losses.size() > losses_shown_max)
    fmt::print("      ... and {} more; --json shows all\n", report.losses.size() - losses_shown_max);
}

}  // namespace inspect
