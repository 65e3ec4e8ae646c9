// life.hpp: takes a profile's samples through their whole life in a persister: drained from a ring, committed, rolled up
// into every tier, sealed and checkpointed, while the clock of the store runs as fast as the machine can.
#pragma once

#include <benchmark/benchmark.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>

#include "drain.hpp"
#include "maintenance.hpp"
#include "profiles.hpp"
#include "ring/producer.hpp"
#include "ring/segment.hpp"

namespace bench {

inline constexpr std::int64_t life_second_ns = 1'000'000'000;
inline constexpr std::int64_t life_first_ns = 1'700'006'400 * life_second_ns;  // the start of an hour

/// A number of a file of /proc that has a line each, such as `VmHWM:  12 kB`. 0 if it is not there.
inline double proc_number(const std::string& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string word; lines >> word;)
    if (word == key) {
      double out = 0;
      lines >> out;
      return out;
    }
  return 0;
}
/// Bytes that a process has handed to the kernel to be written.
inline double written_bytes(const std::string& pid = "self") { return proc_number("/proc/" + pid + "/io", "wchar:"); }
inline double peak_mib(const std::string& pid = "self") {
  return proc_number("/proc/" + pid + "/status", "VmHWM:") / 1024;
}

class Life {
 public:
  /// CPU by stage, ns.
  struct Stages {
    double drain = 0, commit = 0, maintenance = 0, checkpoint = 0;
    double all() const noexcept { return drain + commit + maintenance + checkpoint; }
  };

  /// With the default ages.
  Life(const std::string& database, ringdown::Profile& profile, std::uint32_t lane_records, bool with_1s,
       std::vector<ringdown::Rule> series_rules = {})
      : Life(database, profile, lane_records, ringdown::Rules(default_tiers(with_1s), std::move(series_rules))) {}
  Life(const std::string& database, ringdown::Profile& profile, std::uint32_t lane_records, const ringdown::Rules& rules)
      : profile_(profile), geometry_{.lanes = 1, .lane_records = lane_records, .arena_bytes = 4 << 20} {
    spdlog::set_level(spdlog::level::err);
    now_ns_ = life_first_ns;
    store_ = std::make_unique<ringdown::Store>(
        database, ringdown::StoreOptions{.rules = rules, .wall_ns = [] { return now_ns_; }});
    catalog_ = std::make_unique<ringdown::Catalog>(store_->series(), store_->last_producer());
    drain_ = std::make_unique<ringdown::Drain>(ring_, geometry_, *store_, *catalog_);
    producer_ = std::make_unique<ring::Producer>(ring_, ring::Options{.geometry = geometry_});
    for (const auto& definition : profile.series()) series_.push_back(producer_->define(definition));
    maintenance_ = std::make_unique<ringdown::Maintenance>(store_->database(), rules, 1);
  }
  ~Life() { ring::Segment::remove(ring_); }

  /// A life so far: the last quarters of an hour are still in batches.
  void run_open(std::int64_t seconds) {
    for (std::int64_t s = 0; s < seconds; ++s) {
      profile_.second(now_ns_, [this](std::size_t i, double value, std::int64_t at_ns) { producer_->push(series_[i], value, at_ns); });
      now_ns_ += life_second_ns;
      timed(cpu.drain, [&] {
        while (!drain_->drain(batch_, ringdown::batch_samples_max)) {
        }
        drain_->add_cursors(batch_);
      });
      samples += static_cast<std::int64_t>(batch_.samples.size());
      timed(cpu.commit, [&] {
        store_->commit(batch_);
        drain_->release();
        batch_.clear();
      });
      maintain();
    }
    peak = peak_mib();
  }
  void run(std::int64_t seconds) {
    const auto written_from = written_bytes();
    run_open(seconds);
    now_ns_ += 3600 * life_second_ns;  // what is left is sealed, and belongs to its samples
    for (int i = 0; i < 30; ++i) maintain();
    timed(cpu.checkpoint, [&] { database().checkpoint_truncate(); });
    written = written_bytes() - written_from;
  }
  ringdown::Database& database() { return store_->database(); }

  Stages cpu;
  std::int64_t samples = 0;
  double written = 0;  // bytes
  double peak = 0;     // MiB, of this process

 private:
  static ringdown::Tiers default_tiers(bool with_1s) {
    ringdown::Tiers out;
    if (!with_1s) out.age_s[ringdown::tier_1s] = 0;
    return out;
  }
  template <class Work>
  static void timed(double& stage, Work&& work) {
    const auto from = ring::clock_ns(CLOCK_THREAD_CPUTIME_ID);
    work();
    stage += static_cast<double>(ring::clock_ns(CLOCK_THREAD_CPUTIME_ID) - from);
  }
  void maintain() {
    steady_ += std::chrono::seconds(1);
    timed(cpu.maintenance, [&] {
      for (bool more = true; more;) {
        const ringdown::Budget budget{std::chrono::steady_clock::now() + std::chrono::milliseconds(5)};
        more = maintenance_->run(now_ns_, now_ns_, steady_, budget);
      }
    });
    if (database().wal_pages() >= 250) timed(cpu.checkpoint, [&] { database().checkpoint_passive(); });
  }

  static inline std::int64_t now_ns_ = 0;
  ringdown::Profile& profile_;
  ring::Geometry geometry_;
  std::string ring_ = "life-bench-" + std::to_string(::getpid());
  std::unique_ptr<ringdown::Store> store_;
  std::unique_ptr<ringdown::Catalog> catalog_;
  std::unique_ptr<ringdown::Drain> drain_;
  std::unique_ptr<ring::Producer> producer_;
  std::vector<ring::Series> series_;
  std::unique_ptr<ringdown::Maintenance> maintenance_;
  ringdown::Batch batch_;
  std::chrono::steady_clock::time_point steady_ = std::chrono::steady_clock::now();  // a second from commit to commit
};

/// What a benchmark tells of a life that has run.
inline void report(benchmark::State& state, Life& life, const std::string& database) {
  const auto a_sample = 1.0 / static_cast<double>(life.samples);
  const auto total = [&](const std::string& sql) { return static_cast<double>(life.database().query_integer(sql)) * a_sample; };
  const auto bytes = [&](const std::string& tables) {
    return total("SELECT total(pgsize) FROM dbstat WHERE name IN (" + tables + ")");
  };
  state.counters["samples"] = static_cast<double>(life.samples);
  state.counters["lost"] = total("SELECT total(lost) FROM cursors");
  state.counters["unsealed"] = total("SELECT total(samples) FROM batches");
  state.counters["drain_ns"] = life.cpu.drain * a_sample;
  state.counters["commit_ns"] = life.cpu.commit * a_sample;
  state.counters["maintenance_ns"] = life.cpu.maintenance * a_sample;
  state.counters["checkpoint_ns"] = life.cpu.checkpoint * a_sample;
  state.counters["cpu_ns"] = life.cpu.all() * a_sample;
  state.counters["raw_B"] = bytes("'batches', 'windows', 'windows_committed', 'chunks', 'columns'");
  state.counters["chunks_B"] = bytes("'chunks'");
  state.counters["tiers_B"] = bytes("'tier_1s', 'tier_1m', 'tier_5m', 'tier_1h'");
  state.counters["disk_B"] = static_cast<double>(std::filesystem::file_size(database)) * a_sample;
  state.counters["written_B"] = life.written * a_sample;
  state.counters["peak_MiB"] = life.peak;
}

}  // namespace bench
