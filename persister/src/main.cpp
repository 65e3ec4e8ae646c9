// main.cpp: the command line of ring-persister.
#include <signal.h>
#include <unistd.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "loop.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ring-persister --ring plant --db /var/lib/ringdown/plant.db
  ring-persister --ring plant --ring test --db metrics.db --commit-ms 250
  ring-persister --ring plant --db metrics.db --until-idle     drain what is there, roll it up, exit

Exit status: 0 stopped as asked, 1 it could not start or failed, 2 wrong usage.)";

/// One Loop after the other, until one is done.
void run(const ringdown::Settings& settings) {
  using ringdown::Loop;
  constexpr std::chrono::minutes damage_interval_min{1};
  std::optional<Loop::Clock::time_point> damaged;
  for (;;) {
    auto end = Loop::End::damaged;
    try {
      end = Loop(settings).run();
    } catch (const ringdown::SqliteError& e) {
      if (!e.is_damage() || ::access((settings.database + ".lock").c_str(), F_OK) != 0) throw;
      spdlog::error("{}", e.what());
    }
    if (end == Loop::End::done) return;
    if (end == Loop::End::gone) continue;
    const auto now = Loop::Clock::now();
    if (damaged && now - *damaged < damage_interval_min)
      throw ring::Error(ring::Failure::system, "database " + settings.database +
                                                   ": damaged again within a minute; see to the disk (dmesg, smartctl)");
    damaged = now;
    spdlog::error("it is now {}; a new one is started, and what it lacks is counted as skipped",
                  ringdown::move_aside(settings.database));
  }
}

}  // namespace

int main(int argc, char** argv) {
  ringdown::Settings settings;
  unsigned round_ms = 100, commit_ms = 1000, arena_kib = 256, durable_within_s = 10, wal_mib = 64;
  std::string level = "info";
  CLI::App app{"Drains shared-memory rings of metrics into one SQLite database."};
  app.footer(examples);
  app.add_option("--ring", settings.rings, "A ring to drain, created if it is not there (repeatable)")
      ->required()->type_name("NAME");
  app.add_option("--db", settings.database, "The database, created if it is not there")->required()->type_name("FILE");
  app.add_option("--round-ms", round_ms, "Time from drain to drain, ms")->capture_default_str()->check(CLI::Range(1, 10'000));
  app.add_option("--commit-ms", commit_ms, "Longest time a drained sample waits for its commit, ms; what a kill of the "
                 "persister cannot lose in any case, as it stays in the ring")->capture_default_str()->check(CLI::Range(1, 60'000));
  app.add_option("--commit-records", settings.commit_records, "Most records of one commit")
      ->capture_default_str()->check(CLI::Range(1, 1'000'000));
  app.add_option("--durability", settings.store.durability,
                 "normal: a commit survives a power cut after --durable-within; full: at once, by a sync a commit")
      ->capture_default_str()->transform(CLI::CheckedTransformer(std::map<std::string, ringdown::Durability>{
          {"normal", ringdown::Durability::normal}, {"full", ringdown::Durability::full}}));
  app.add_option("--durable-within", durable_within_s, "With normal: s until a commit survives a power cut")
      ->capture_default_str()->check(CLI::Range(1, 3600));
  app.add_option("--wal-mib", wal_mib, "MiB of WAL beyond which a reader that holds it back is reported")
      ->capture_default_str()->check(CLI::Range(1, 1 << 20));
  app.add_option("--series-max", settings.series_max, "Most series in the database; samples of further ones are lost")
      ->capture_default_str();
  app.add_flag("--any-file-system", settings.store.any_file_system,
               "Also a database on a file system that is not known to be local");
  app.add_flag("--until-idle", settings.until_idle, "Drain what is there, finish all rollups, exit");
  app.add_option("--lanes", settings.geometry.lanes, "Lanes of a ring that is created here")->capture_default_str();
  app.add_option("--lane-records", settings.geometry.lane_records, "Records a lane, a power of two")->capture_default_str();
  app.add_option("--arena-kib", arena_kib, "KiB of series definitions a lane")->capture_default_str()->check(CLI::Range(4, 65536));
  app.add_option("--log-level", level, "trace, debug, info, warn or error")->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  settings.round = std::chrono::milliseconds(round_ms);
  settings.commit_interval = std::chrono::milliseconds(commit_ms);
  settings.geometry.arena_bytes = arena_kib << 10;
  settings.store.durable_within = std::chrono::seconds(durable_within_s);
  settings.wal_bytes_max = std::uint64_t{wal_mib} << 20;

  spdlog::set_default_logger(spdlog::stderr_color_st("ring-persister"));
  spdlog::set_level(spdlog::level::from_str(level));
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  ::sigprocmask(SIG_BLOCK, &stops, nullptr);
  try {
    run(settings);
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
    return 1;
  }
  return 0;
}
