// main.cpp: the command line of ring-persister.
#include <signal.h>
#include <unistd.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <functional>
#include <optional>

#include "backup.hpp"
#include "check_config.hpp"
#include "config.hpp"
#include "import.hpp"
#include "loop.hpp"
#include "restore.hpp"
#include "service.hpp"
#include "setting.hpp"
#include "sink_status.hpp"
#include "verify.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ring-persister --ring plant --db /var/lib/ringdown/plant.db
  ring-persister --ring plant --ring test --db metrics.db --commit-ms 250
  ring-persister --ring plant --db metrics.db --until-idle     drain what is there, roll it up, exit
  ring-persister --config /etc/ringdown/persister.toml
  ring-persister check-config /etc/ringdown/persister.toml      say what is wrong with it, or what it means
  ring-persister verify --db metrics.db                        prove that no sample was lost or counted twice
  ring-persister backup --db metrics.db --to /backup/metrics.db   copy it, beside a running persister as well
  ring-persister restore --from /backup/metrics.db --db metrics.db
  ring-persister status --db metrics.db                        how far the destinations of remote write are
  ring-persister import old/metrics-*.db --db metrics.db      take in what a daemon kept in a table of its own

Every option is an environment variable as well: RINGDOWN_COMMIT_MS=250. It overrides the configuration, and the command
line overrides it. SIGHUP reloads the configuration: what is in it holds at once, but for another database.

Exit status: 0 stopped as asked, 1 it could not start or failed, 2 wrong usage.
Of backup, restore and import: 0 done, 1 not done, 2 wrong usage.
Of verify: 0 all holds, 1 it does not, 2 wrong usage, 3 the database could not be read.
Of status: 0 every destination accepts, 1 one does not, 2 wrong usage, 3 the database could not be read.)";

/// The settings of a configuration that was changed. Throws ConfigError.
using Reread = std::function<ringdown::Settings()>;

/// What changes at once is changed, all or nothing; the rest is told.
/// @return the settings to go on with; nothing when they are to stay as they are
std::optional<ringdown::Settings> reread_settings(const ringdown::Settings& present, const Reread& reread) try {
  auto changed = reread();
  if (changed.database != present.database)
    spdlog::warn("database: the configuration says {} now; goes on with {} until it is restarted", changed.database,
                 present.database);
  if (changed.store.any_file_system != present.store.any_file_system)
    spdlog::warn("any_file_system: changed in the configuration; as before until it is restarted");
  changed.database = present.database;
  changed.store.any_file_system = present.store.any_file_system;
  return changed;
} catch (const std::exception& e) {
  spdlog::error("the configuration is not reloaded, all goes on as before:\n{}", e.what());
  return {};
}

/// One Loop after the other, until one is done.
class Runner {
 public:
  Runner(ringdown::Settings settings, Reread reread) : settings_(std::move(settings)), reread_(std::move(reread)) {}

  void run() {
    for (;;) {
      auto end = Loop::End::damaged;
      try {
        if (!loop_) start();
        end = loop_->run();
      } catch (const ringdown::SqliteError& e) {
        if (!e.is_damage() || ::access((settings_.database + ".lock").c_str(), F_OK) != 0) throw;
        spdlog::error("{}", e.what());
      }
      if (end == Loop::End::done) return;
      if (end == Loop::End::reload) {
        if (!reread_) return loop_->stop();  // it belongs to a terminal that was closed
        reload();
        continue;
      }
      loop_.reset();
      if (end == Loop::End::damaged) move_aside();
    }
  }

 private:
  using Loop = ringdown::Loop;

  void start() {
    spdlog::set_level(spdlog::level::from_str(settings_.log_level));
    loop_.emplace(settings_);
  }
  void reload() {
    ringdown::tell_manager("RELOADING=1");
    auto changed = reread_settings(settings_, reread_);
    if (changed && loop_->is_finishing()) {  // nobody could open it again
      spdlog::error("the configuration is not reloaded: a deleted ring is drained as long as somebody writes to it. "
                    "Restart its writers (lsof +L1 /dev/shm lists them), then reload again");
      changed.reset();
    }
    if (!changed) return ringdown::tell_manager("READY=1");
    loop_->hand_over();
    loop_.reset();  // before the next one, which says READY, opens the same rings and database
    std::swap(settings_, *changed);
    try {
      start();
      spdlog::info("the configuration is reloaded");
    } catch (const ring::Error& e) {  // of a ring that was added
      spdlog::error("the configuration is not reloaded, all goes on as before: {}", e.what());
      settings_ = *changed;
      start();
    }
  }
  void move_aside() {
    constexpr std::chrono::minutes damage_interval_min{1};
    const auto now = Loop::Clock::now();
    if (damaged_ && now - *damaged_ < damage_interval_min)
      throw ring::Error(ring::Failure::system, "database " + settings_.database +
                                                   ": damaged again within a minute; see to the disk (dmesg, smartctl)");
    damaged_ = now;
    spdlog::error("it is now {}; a new one is started, and what it lacks is counted as skipped",
                  ringdown::move_aside(settings_.database));
  }

  ringdown::Settings settings_;
  Reread reread_;
  std::optional<Loop> loop_;
  std::optional<Loop::Clock::time_point> damaged_;
};

/// --key with dashes.
std::string flag(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// The environment variable of a key: RINGDOWN_ROUND_MS.
std::string variable(std::string key) {
  for (char& c : key) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return "RINGDOWN_" + key;
}

/// Every setting that the command line has as well as the configuration file.
void add_settings(CLI::App& app, ringdown::Settings& settings) {
  app.add_option("--ring", settings.rings, "A ring to drain, created if it is not there (repeatable, or with commas)")
      ->type_name("NAME")->delimiter(',')->envname(variable("ring"));
  app.add_option("--db", settings.database, "The database, created if it is not there")
      ->type_name("FILE")->envname(variable("db"));
  for (const auto& setting : ringdown::number_settings()) {
    const std::string also = setting.key == std::string("durable_within_s") ? "--durable-within," : "";
    app.add_option_function<std::int64_t>(also + flag(setting.key), [&](std::int64_t n) { setting.set(settings, n); },
                                          setting.meaning)
        ->default_str(std::to_string(setting.get(settings)))->check(CLI::Range(setting.min, setting.max))
        ->envname(variable(setting.key));
  }
  for (const auto& setting : ringdown::word_settings())
    app.add_option_function<std::string>(flag(setting.key), [&](const auto& word) { setting.set(settings, word); },
                                         setting.meaning)
        ->default_str(setting.get(settings))->check(CLI::IsMember(setting.words))->envname(variable(setting.key));
  const auto is_address = [](const std::string& text) {
    return ringdown::parse_listen(text) ? "" : "found " + text + ", expected an address and a port: 127.0.0.1:9747";
  };
  app.add_option("--listen", settings.listen, "Where its own metrics are shown over HTTP, in Prometheus' format: "
                                              "127.0.0.1:9747. The default is nowhere")
      ->type_name("ADDRESS:PORT")->check(CLI::Validator(is_address, ""))->envname(variable("listen"));
  app.add_flag("--any-file-system", settings.store.any_file_system,
               "Also a database on a file system that is not known to be local");
  app.add_flag("--until-idle", settings.until_idle, "Drain what is there, finish all rollups, exit");
}

/// What both commands have that copy a database.
void add_copy_options(CLI::App& app, ringdown::CopyOptions& copy) {
  constexpr std::int64_t mib = 1 << 20;
  app.add_option_function<std::int64_t>("--wal-mib", [&](std::int64_t n) { copy.wal_bytes_max = static_cast<std::uint64_t>(n * mib); },
                                        "Give up once the source's WAL has grown by so much, since it cannot be emptied "
                                        "during the copy")
      ->default_str(std::to_string(copy.wal_bytes_max / mib))->check(CLI::Range(1, 1 << 20));
  app.add_option_function<std::int64_t>("--mib-per-second", [&](std::int64_t n) { copy.bytes_per_second = static_cast<std::uint64_t>(n * mib); },
                                        "Copy more slowly than it goes; the WAL cannot be emptied for longer")
      ->check(CLI::Range(1, 1 << 20));
  app.add_flag("!--no-verify", copy.verify, "Only PRAGMA quick_check of the copy, not what ring-persister verify does");
}

/// The command `import`.
CLI::App& add_import(CLI::App& app, ringdown::ImportCommand& command) {
  auto& import = *app.add_subcommand("import", "Takes in databases in which a daemon kept a row a value, in a table metrics; no "
                                               "persister may be using the database");
  import.add_option("file", command.from, "The old databases, which are only read")->required()->type_name("FILE");
  import.add_option("--db", command.database, "The database, created if it is not there")->required()->type_name("FILE");
  import.add_option("--config", command.config, "The persister's configuration: its rules hold for the series")->type_name("FILE");
  const auto is_kind = [](const std::string& text) -> std::string {
    try {
      ringdown::parse_kind_rule(text);
      return "";
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
  };
  import.add_option_function<std::vector<std::string>>(
            "--kind",
            [&command](const auto& rules) {
              for (const auto& rule : rules) command.kinds.push_back(ringdown::parse_kind_rule(rule));
            },
            "What new series of these names are: 'wan_state=state', '*_bytes=counter' (repeatable, the first that matches). "
            "Without it *_total is a counter, all else a gauge")
      ->type_name("GLOB=KIND")->allow_extra_args(false)->check(CLI::Validator(is_kind, ""));
  import.add_option("--list", command.list, "Add all ambiguous rows to this file, as CSV")->type_name("FILE");
  import.add_option("--series-max", command.series_max, "Most series in the database; rows of further ones are ambiguous")
      ->capture_default_str()->check(CLI::Range(std::size_t{1}, std::size_t{1} << 24));
  import.add_flag("--any-file-system", command.any_file_system, "Also a database on a file system that is not known to be local");
  import.add_flag("--json", command.json, "The account of all rows, as JSON");
  import.add_flag("--quiet", command.quiet, "Say nothing when all rows are accounted for");
  return import;
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
  app.set_version_flag("--version", "ring-persister " RINGDOWN_VERSION, "Print the version and exit");
  app.footer(examples);
  app.add_option("--config", config, "A configuration, as in persister.toml; the environment and the other options override it")
      ->type_name("FILE")->envname(variable("config"));
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
  std::string asked;
  bool status_json = false;
  auto& status = *app.add_subcommand("status", "Says how far the destinations of remote write are, and what they refuse");
  status.add_option("--db", asked, "The database; a persister may be writing it")->required()->type_name("FILE");
  status.add_flag("--json", status_json, "The same as JSON");
  // Each overrides the one before: defaults, the file, the environment, the command line.
  const auto read_settings = [&] {
    settings = ringdown::load_config(config);
    app.parse(argc, argv);
    return settings;
  };
  ringdown::BackupCommand backup_command;
  auto& backup = *app.add_subcommand("backup", "Copies a database and checks the copy");
  backup.add_option("--db", backup_command.from, "The database; a persister may be writing it")->required()->type_name("FILE");
  backup.add_option("--to", backup_command.to, "The backup")->required()->type_name("FILE");
  backup.add_flag("--replace", backup_command.replace, "Take the place of a backup of that name, once the new one is whole");
  backup.add_flag("--json", backup_command.json, "What was copied, as JSON");
  backup.add_flag("--quiet", backup_command.quiet, "Say nothing when all is well");
  add_copy_options(backup, backup_command.copy);
  ringdown::RestoreCommand restore_command;
  auto& restore = *app.add_subcommand("restore", "Puts a copy of a backup in a database's place; no persister may be using it");
  restore.add_option("--from", restore_command.from, "The backup")->required()->type_name("FILE");
  restore.add_option("--db", restore_command.database, "The database; what is there is moved aside")->required()->type_name("FILE");
  restore.add_flag("--any-file-system", restore_command.any_file_system, "Also on a file system that is not known to be local");
  restore.add_flag("--quiet", restore_command.quiet, "Say nothing when all is well");
  add_copy_options(restore, restore_command.copy);
  ringdown::ImportCommand import_command;
  auto& import = add_import(app, import_command);
  try {
    app.parse(argc, argv);
    if (backup) return ringdown::backup_command(backup_command);
    if (restore) return ringdown::restore_command(restore_command);
    if (import) return ringdown::import_command(import_command);
    if (verify) return ringdown::verify_command(verified, json, quiet);
    if (status) return ringdown::status_command(asked, status_json);
    if (check) {
      std::fputs(checked_config(checked, series).c_str(), stdout);
      return 0;
    }
    if (!config.empty()) settings = read_settings();
    if (settings.rings.empty()) throw CLI::RequiredError("--ring NAME, or rings in the --config FILE,");
    if (settings.database.empty()) throw CLI::RequiredError("--db FILE, or database in the --config FILE,");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {  // ConfigError, or a --series that is none
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }

  ringdown::start_log(settings.database);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : ringdown::loop_signals) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  try {
    Runner(settings, config.empty() ? Reread() : read_settings).run();
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
    return 1;
  }
  return 0;
}
