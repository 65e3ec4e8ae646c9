// loop_figures.cpp: what a Loop tells of itself.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fstream>

#include "loop.hpp"

namespace ringdown {
namespace {

using ring::Kind;
using Seconds = std::chrono::duration<double>;

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void add(std::vector<Figure>& out, const std::string& stage, const std::string& what, Timing& timing) {
  const auto name = "ringdown_" + stage;
  out.push_back({Kind::counter, name + "s_total", "", "How often " + what + ".", {}, static_cast<double>(timing.count)});
  out.push_back({Kind::counter, name + "_seconds_total", "s", "Time in which " + what + ".", {}, Seconds(timing.total).count()});
  out.push_back({Kind::gauge, name + "_longest_seconds", "s", "The longest time of late in which " + what + ".", {},
                 Seconds(std::exchange(timing.longest, {})).count()});
}

}  // namespace

/// Every own_metrics: into the ring, and to the page.
void Loop::tell_own(Clock::time_point now) {
  if (exposition_) exposition_->progress(now, trouble_);
  if (settings_.own_metrics.count() == 0 || settings_.until_idle || now < own_due_) return;
  own_due_ = now + settings_.own_metrics;
  try {
    const auto told = figures(now);
    if (exposition_) exposition_->publish(told);
    if (!own_) own_.emplace(settings_.rings.front());
    own_->push(told);
    own_trouble_.clear();
  } catch (const std::exception& e) {  // never in the way of a drain
    own_.reset();
    if (is_news(own_trouble_, e.what())) spdlog::warn("its own metrics are not recorded: {}", e.what());
  }
}

std::vector<Figure> Loop::figures(Clock::time_point now) {
  std::vector<Figure> out;
  for (const auto& d : drains_) {
    if (!d->is_current()) continue;
    const ring::Labels of{{"ring", d->consumer().segment().ring()}};
    const auto& counts = d->counts();
    out.push_back({Kind::counter, "ringdown_samples_total", "", "Samples taken from the ring.", of,
                   static_cast<double>(counts.taken)});
    out.push_back({Kind::counter, "ringdown_duplicate_samples_total", "",
                   "Samples with the time stamp of the one before of their series.", of,
                   static_cast<double>(counts.duplicates)});
    for (std::uint32_t reason = 0; reason < counts.lost.size(); ++reason) {
      if (counts.lost[reason] == 0 && reason != 0) continue;
      const std::string name = loss_name(ring::abi::Loss{reason});
      out.push_back({Kind::counter, "ringdown_lost_records_total", "", "Records lost, by reason.",
                     {{"reason", name}, {"ring", d->consumer().segment().ring()}}, static_cast<double>(counts.lost[reason])});
    }
  }
  out.push_back({Kind::gauge, "ringdown_lane_high_water_ratio", "",
                 "The fullest that a lane was of late, before its records were committed; at 1 they are lost.", {},
                 std::exchange(high_water_, 0)});
  out.push_back({Kind::gauge, "ringdown_commit_age_seconds", "s", "How long ago the last commit succeeded.", {},
                 trouble_.empty() ? 0 : Seconds(now - committed_at_).count()});
  out.push_back({Kind::gauge, "ringdown_storage_trouble", "", "1 while the database takes no commits.", {},
                 trouble_.empty() ? 0.0 : 1.0});
  add(out, "drain", "the rings were drained", draining_);
  add(out, "commit", "a batch was committed", committing_);
  add(out, "checkpoint", "the WAL was moved into the database", checkpointing_);
  for (std::size_t j = 0; j < Maintenance::job_count; ++j) {
    const auto& work = maintenance_.work()[j];
    const ring::Labels of{{"task", Maintenance::name(static_cast<Maintenance::Job>(j))}};
    out.push_back({Kind::counter, "ringdown_maintenance_seconds_total", "s", "Time that maintenance took, by task.", of,
                   Seconds(work.busy).count()});
    out.push_back({Kind::gauge, "ringdown_maintenance_behind_seconds", "s",
                   "How long ago the task had nothing left to do.", of, std::max(0.0, Seconds(now - work.idle).count())});
  }
  auto& database = store_.database();
  const auto page_bytes = static_cast<double>(database.pragma("page_size"));
  constexpr double frame_header_bytes = 24;
  out.push_back({Kind::gauge, "ringdown_wal_bytes", "B", "Bytes of write-ahead log in use.", {},
                 database.wal_pages() * (page_bytes + frame_header_bytes)});
  out.push_back({Kind::gauge, "ringdown_database_bytes", "B", "Size of the database file.", {},
                 static_cast<double>(database.pragma("page_count")) * page_bytes});
  out.push_back({Kind::gauge, "ringdown_database_free_bytes", "B", "Of it, pages that are not in use.", {},
                 static_cast<double>(database.pragma("freelist_count")) * page_bytes});
  out.push_back({Kind::gauge, "ringdown_series", "", "Series in the database.", {}, static_cast<double>(catalog_.size())});
  for (const std::string kind : {"late", "future", "too_late"})
    out.push_back({Kind::counter, "ringdown_anomalous_samples_total", "",
                   "Samples that came late, from the future or too late, since the database was made.", {{"kind", kind}},
                   static_cast<double>(database.query_integer("SELECT total(count) FROM anomalies WHERE kind = '" + kind + "'"))});
  sinks_.add_figures(out);
  out.push_back({Kind::gauge, "process_resident_memory_bytes", "B", "Resident memory of ring-persister.", {}, resident_bytes()});
  out.push_back({Kind::counter, "process_cpu_seconds_total", "s", "CPU time of ring-persister.", {},
                 static_cast<double>(ring::clock_ns(CLOCK_PROCESS_CPUTIME_ID)) / 1e9});
  return out;
}

}  // namespace ringdown
