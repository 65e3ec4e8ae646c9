#include "import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>

#include "bar.hpp"
#include "config.hpp"
#include "import_jobs.hpp"
#include "import_raw.hpp"
#include "import_report.hpp"
#include "import_rows.hpp"
#include "ring/error.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Tier tier_of[granularity_count] = {tier_raw, tier_1m, tier_5m, tier_1h};

/// Before a database is made for them.
void require_old_tables(const std::vector<std::string>& files) {
  std::vector<std::string> paths;
  for (const auto& file : files) {
    const OldTable table(file);
    if (std::find(paths.begin(), paths.end(), table.path()) != paths.end())
      throw ring::Error(ring::Failure::bad_argument,
                        "import " + file + ": it is named twice; expected each file once");
    paths.push_back(table.path());
  }
}

StoreOptions store_options(const ImportCommand& command) {
  StoreOptions options;
  if (!command.config.empty()) options.rules = load_config(command.config).store.rules;
  options.keep_policies = command.config.empty();
  options.any_file_system = command.any_file_system;
  return options;
}

class Import {
 public:
  explicit Import(const ImportCommand& command)
      : command_(command),
        options_(store_options(command)),
        list_(command.list),
        store_(command.database, options_),
        series_(store_.series(), command.kinds, command.series_max),
        now_s_(realtime_ns() / second_ns) {
    require_sound();
    for (const auto& file : command.from) {
      files_.push_back(std::make_unique<ImportFile>(file, store_));
      accounts_.push_back({.file = files_.back()->path()});
    }
    count();
  }

  /// @return whether every row is accounted for
  bool run() {
    import_raw();
    for (const auto granularity : {old_1m, old_5m, old_1h}) {
      import_rows(granularity);
      if (granularity != old_1h) jobs().widen(granularity == old_1m ? "tier_5m" : "tier_1h");
    }
    store_.stop();
    store_.database().checkpoint_truncate();
    return account();
  }
  const std::vector<ImportAccount>& accounts() const noexcept { return accounts_; }

 private:
  void require_sound() const {
    if (store_.moved_aside().empty()) return;
    throw ring::Error(ring::Failure::system, "import into " + command_.database + ": it was damaged, and is now " +
                                                 store_.moved_aside() +
                                                 ". Restore a backup first, or run this again, which "
                                                 "imports into a new one");
  }

  void count() {
    OldTable::Limits older_than_s{};
    for (std::size_t g = 0; g < granularity_count; ++g) {
      const auto age_s = longest_age_s(options_.rules, tier_of[g]);
      older_than_s[g] = age_s == forever_s ? std::numeric_limits<std::int64_t>::min() : now_s_ - age_s;
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      OldTable::Limits after{};
      for (std::uint32_t g = 0; g < granularity_count; ++g) after[g] = files_[i]->done(Granularity{g});
      told("counting rows", static_cast<double>(i) / static_cast<double>(files_.size()));
      const auto counts = files_[i]->table().count(after, older_than_s);
      accounts_[i].rows = counts.rows;
      for (std::size_t g = 0; g < granularity_count; ++g) {
        rows_ += counts.rows[g];
        accounts_[i].before[g] = files_[i]->tally(Granularity{static_cast<std::uint32_t>(g)});
        tell_older(*files_[i], g, tier_of[g], counts.older[g]);
      }
    }
  }

  void tell_older(const ImportFile& file, std::size_t granularity, Tier tier, std::int64_t rows) const {
    if (rows == 0 || command_.quiet) return;
    bar_.clear();
    fmt::print(
        stderr,
        "{}: {} {} rows are older than {}: the next persister deletes them, but not what is made of them for wider "
        "tiers, unless its configuration keeps {} for longer\n",
        file.path(), rows, granularity_names[granularity],
        duration_text(longest_age_s(options_.rules, tier) * second_ns), tier_names[tier]);
  }

  void import_raw() {
    begin_raw();
    const auto batch = store_.database().query_integer("SELECT max(id) FROM batches");
    ImportRaw raw(store_, files_, series_, [this] { note(); });
    raw.run(now_s_);
    Statement stored(store_.database(), "SELECT total(samples) FROM batches WHERE id > ?");
    stored.bind(1, batch).step();
    if (stored.integer(0) != raw.samples())
      throw ring::Error(ring::Failure::system, fmt::format("import into {}: {} samples are in it, expected {}",
                                                           command_.database, stored.integer(0), raw.samples()));
    jobs().skip_1s(now_s_);
    jobs().fold();
  }

  /// What others have stored is to be in the tiers before, where a raw row finds that it is there already. A file's
  /// own rows are there too when somebody has rolled them up since: they end in the last minute, where new ones may
  /// begin.
  void begin_raw() {
    const auto folded = [this] { return read_progress(store_.database(), "tier_1m").done; };
    if (std::all_of(files_.begin(), files_.end(), [&](const auto& file) { return file->folded == folded(); })) return;
    jobs().fold();
    jobs().widen("tier_5m");
    jobs().widen("tier_1h");
    for (auto& file : files_) {
      file->own_to_s = bucket_start(file->newest_s, 60);
      file->own_from_s = file->own_to_s - 60;
      file->folded = folded();
    }
  }

  void import_rows(Granularity granularity) {
    const bool is_on = options_.rules.tiers().age_s[tier_of[granularity]] > 0;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (accounts_[i].rows[granularity] == 0) continue;
      ImportRows(store_, series_, granularity, is_on, [this] { note(); }).run(*files_[i], now_s_);
    }
  }

  ImportJobs jobs() {
    return {store_.database(), options_.rules, [this](const auto& pass, double part) { told(pass, part); }};
  }
  void told(const std::string& pass, double part) {
    if (!command_.quiet) bar_.draw(pass, part);
  }

  /// Before each commit: ambiguous rows are listed, and the bar moves.
  void note() {
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const auto doubtful = files_[i]->take_doubtful();
      list_.add(files_[i]->path(), doubtful);
      for (const auto& [id, why] : doubtful)
        if (auto& shown = accounts_[i].shown[static_cast<std::size_t>(why)]; shown.size() < ImportAccount::shown_max)
          shown.push_back(id);
      for (std::uint32_t g = 0; g < granularity_count; ++g)
        rows += files_[i]->tally(Granularity{g}).rows() - files_[i]->tally_before(Granularity{g}).rows();
    }
    told("importing rows", static_cast<double>(rows) / static_cast<double>(std::max(rows_, std::int64_t{1})));
  }

  bool account() {
    for (std::size_t i = 0; i < files_.size(); ++i)
      for (std::uint32_t g = 0; g < granularity_count; ++g) {
        const auto &now = files_[i]->tally(Granularity{g}), &before = files_[i]->tally_before(Granularity{g});
        auto& run = accounts_[i].run[g];
        run.stored = now.stored - before.stored;
        run.covered = now.covered - before.covered;
        for (std::size_t d = 0; d < doubt_count; ++d) run.doubts[d] = now.doubts[d] - before.doubts[d];
      }
    return std::all_of(accounts_.begin(), accounts_.end(), [](const auto& account) { return account.holds(); });
  }

  const ImportCommand& command_;
  StoreOptions options_;
  DoubtList list_;
  Store store_;
  OldSeries series_;
  std::int64_t now_s_;
  ImportFiles files_;
  std::vector<ImportAccount> accounts_;
  std::int64_t rows_ = 0;  // to be read
  mutable Bar bar_;
};

}  // namespace

int import_command(const ImportCommand& command) try {
  require_old_tables(command.from);
  const auto began = Clock::now();
  std::optional<Import> import(std::in_place, command);
  const bool holds = import->run();
  const auto accounts = import->accounts();
  import.reset();
  const auto seconds = std::chrono::duration<double>(Clock::now() - began).count();
  if (command.json)
    std::fputs(import_json(command.database, accounts, seconds).c_str(), stdout);
  else if (!command.quiet || !holds)
    std::fputs(import_text(accounts).c_str(), stdout);
  return holds ? 0 : 1;
} catch (const ConfigError& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
} catch (const SqliteError& e) {
  std::fprintf(stderr,
               "%s; import into %s: what is in it by now stays. See to the disk (df, dmesg), then run the same import again, which "
               "goes on where this one ended\n",
               e.what(), command.database.c_str());
  return 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

}  // namespace ringdown
