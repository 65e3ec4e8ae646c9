// main.cpp: the command line of ring-persister.
#include <signal.h>
#include <unistd.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

#include "check_config.hpp"
#include "config.hpp"
#include "loop.hpp"
#include "setting.hpp"
#include "verify.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ring-persister --ring plant --db /var/lib/ringdown/plant.db
  ring-persister --ring plant --ring test --db metrics.db --commit-ms 250
  ring-persister --ring plant --db metrics.db --until-idle     drain what is there, roll it up, exit
  ring-persister --config /etc/ringdown/ringdown.toml
  ring-persister check-config /etc/ringdown/ringdown.toml      say what is wrong with it, or what it means
  ring-persister verify --db metrics.db                        prove that no sample was lost or counted twice

Exit status: 0 stopped as asked, 1 it could not start or failed, 2 wrong usage.
Of verify: 0 all holds, 1 it does not, 2 wrong usage, 3 the database could not be read.)";

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

/// --key with dashes.
std::string flag(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// Every setting that the command line has as well as the configuration file.
void add_settings(CLI::App& app, ringdown::Settings& settings) {
  app.add_option("--ring", settings.rings, "A ring to drain, created if it is not there (repeatable)")->type_name("NAME");
  app.add_option("--db", settings.database, "The database, created if it is not there")->type_name("FILE");
  for (const auto& setting : ringdown::number_settings()) {
    const std::string also = setting.key == std::string("durable_within_s") ? "--durable-within," : "";
    app.add_option_function<std::int64_t>(also + flag(setting.key), [&](std::int64_t n) { setting.set(settings, n); },
                                          setting.meaning)
        ->default_str(std::to_string(setting.get(settings)))->check(CLI::Range(setting.min, setting.max));
  }
  for (const auto& setting : ringdown::word_settings())
    app.add_option_function<std::string>(flag(setting.key), [&](const auto& word) { setting.set(settings, word); },
                                         setting.meaning)
        ->default_str(setting.get(settings))->check(CLI::IsMember(setting.words));
  app.add_flag("--any-file-system", settings.store.any_file_system,
               "Also a database on a file system that is not known to be local");
  app.add_flag("--until-idle", settings.until_idle, "Drain what is there, finish all rollups, exit");
}

/// What check-config prints.
std::string checked_config(const std::string& file, const std::string& series) {
  const auto settings = ringdown::load_config(file);
  if (series.empty()) return ringdown::config_text(settings);
  return ringdown::policy_text(settings.store.rules, ringdown::parse_series(series));
}

}  // namespace

int main(int argc, char** argv) {
  ringdown::Settings settings;
  std::string config, checked, series;
  CLI::App app{"Drains shared-memory rings of metrics into one SQLite database."};
  app.footer(examples);
  app.add_option("--config", config, "A configuration, as in ringdown.toml; the other options override it")->type_name("FILE");
  add_settings(app, settings);
  auto& check = *app.add_subcommand("check-config", "Says what is wrong with a configuration, or what it means");
  check.add_option("file", checked, "The configuration")->required()->type_name("FILE");
  check.add_option("--series", series, "Say what this series gets: 'rtt_ms{wan=\"a\"}'")->type_name("SERIES");
  std::string verified;
  bool json = false, quiet = false;
  auto& verify = *app.add_subcommand("verify", "Proves that no sample was lost or counted twice on its way into the tiers");
  verify.add_option("--db", verified, "The database; a persister may be writing it")->required()->type_name("FILE");
  verify.add_flag("--json", json, "What was found, as JSON");
  verify.add_flag("--quiet", quiet, "Say nothing when all holds");
  try {
    app.parse(argc, argv);
    if (verify) return ringdown::verify_command(verified, json, quiet);
    if (check) {
      std::fputs(checked_config(checked, series).c_str(), stdout);
      return 0;
    }
    if (!config.empty()) {
      settings = ringdown::load_config(config);
      app.parse(argc, argv);  // again: what it says overrides the file
    }
    if (settings.rings.empty()) throw CLI::RequiredError("--ring NAME, or rings in the --config FILE,");
    if (settings.database.empty()) throw CLI::RequiredError("--db FILE, or database in the --config FILE,");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {  // ConfigError, or a --series that is none
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }

  spdlog::set_default_logger(spdlog::stderr_color_st("ring-persister"));
  spdlog::set_level(spdlog::level::from_str(settings.log_level));
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
