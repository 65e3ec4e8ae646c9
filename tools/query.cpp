// query.cpp: ring-query prints what a database holds of some series, oldest first.
#include <fmt/format.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "cli.hpp"
#include "no_match.hpp"
#include "query_chart.hpp"
#include "query_follow.hpp"
#include "query_live.hpp"
#include "query_output.hpp"
#include "query_read.hpp"
#include "query_step.hpp"
#include "query_summary.hpp"
#include "query_tail.hpp"
#include "query_window.hpp"
#include "query_time.hpp"
#include "ring/error.hpp"
#include "ring/ownership.hpp"
#include "schema.hpp"
#include "selector.hpp"
#include "raw_reader.hpp"
#include "sqlite.hpp"
#include "store.hpp"

namespace {

using ringdown::complain;
using ringdown::Database;
using ringdown::Query;
using ringdown::Range;
using ringdown::Selector;
using ringdown::Series;

constexpr const char* examples = R"(
Examples:
  ring-query --db plant.db                                    all samples of the last 10 minutes
  ring-query --db plant.db 'rtt_ms{wan="spectrum"}' --last 1h30m --step 1m
  ring-query --db plant.db '{direction=~"down.*"}' link_state --from '2026-11-24 10:00' --to now-5m
  ring-query --db plant.db rtt_ms --last 7d --format csv > rtt.csv
  ring-query --db plant.db rtt_ms --last 1y --step auto       as fine as 1,000 rows allow
  ring-query --db plant.db --last 7d --summary                what each series was like
  ring-query --db plant.db rtt_ms --last 24h --format plot    drawn in the terminal
  ring-query --db plant.db rtt_ms --last 24h --plot-file rtt.svg
  ring-query --db plant.db rtt_ms --last 1m --follow          and what is committed from now on
  ring-query --db plant.db rtt_ms --last 1m --live            and what is in the ring still, not committed
  ring-query --db plant.db rtt_ms --step 1s --format json | jq -c '[.time_s, .mean]'
  ring-query --db plant.db rtt_ms --last 7d --step 1d --show 'avg,quantile(0.99),max'
  ring-query --db plant.db bytes_total --last 1d --step 1h --show rate --by wan
  ring-query --db plant.db link_state --last 7d --step 1d --show 'share(DOWN)'

SELECTOR is written as in Prometheus: a name, matchers in braces (= != =~ !~, regular expressions match the whole
value), or both. Several are a union; none means every series.
--last counts back from now, not from the newest sample. Times are unix seconds (fractions allowed), now, now-1h,
2026-11-24T10:00:00Z, or local time: "2026-11-24 10:00". Durations: ms s m h d w, and sums such as 1h30m.
The range has --from in it and --to not; of a tier, the buckets that overlap it.
--step raw gives the samples up to the last commit, by time. 1s, 1m, 5m and 1h give the rollups: count, min, mean (of gauges), max, first, last and sum, of buckets that are over (1s
follows the samples by up to 10 seconds). A row with count 0 has the state that held on.
auto takes, of raw, 1m, 5m and 1h, those that reach back to the range's start (or as far as any does), and of them the finest
that has at most --points rows a series in the range; it tells which on stderr.
--show avg,min,max,sum,count,first,last; of counters increase and rate (a second); of gauges quantile(Q); of states
share(STATE): of the samples of each step, from 1ms to 366d. Steps of whole days begin at local midnight. Nothing where a
function says nothing, such as the mean of a counter. --by makes one of series of a name, by the labels it names.
--summary: count, min, p50, p95, p99 (within 1 %), max and mean of gauges, what counters grew and how much a second, how much
of the time each state had; gaps, how many and the longest: where samples, or rows of a tier, are twice or more as far apart
as they usually are. From the step that auto takes, or from --step. Of a tier, whole buckets.
--format table has local time; csv and json have unix time (time_s in seconds, time_ns in nanoseconds) and every
digit of a number. json is one object per line (JSON lines). plot draws each series, from the step that auto takes or from
--step, with everything between the least and the greatest value of a column, so that no spike is lost. prometheus and
openmetrics are samples, those of a name together. No rows are no output.
--plot-file draws a chart for a report, .svg or .png, with a panel a unit.
--live takes in what the database's rings hold and no commit has stored yet, as if it were stored; of tiers, rows of the
buckets that are not made yet too. Nothing in a ring changes. Samples that come over five minutes late are in the tiers
only once they are stored. With --follow: each sample once, a fifth of a second after its push.

Exit status: 0 shown, also when there is no data in the range; 1 failed, a damaged batch was left out, or a
selector matches no series; 2 wrong usage or selector.)";

struct Options {
  std::string database;
  std::vector<std::string> selectors;
  std::string last = "10m", from, to;
  std::string step = "raw";
  std::string format = "table";
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  std::int64_t points = 1000;
  bool summary = false, follow = false, live = false;
  std::vector<std::string> rings;
  std::string deadline = "60s";
  std::string show, plot_file;
  std::vector<std::string> by;
};

constexpr const char* plain_functions = "count,min,avg,max,last";  // of a step that is no tier

void check_file(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  if (!is_folder && ::access(path.c_str(), R_OK) == 0) return;
  const int code = is_folder ? EISDIR : errno;
  throw std::runtime_error(
      fmt::format("database {}: {}; {}", path, std::strerror(code),
                  code == EACCES ? "run ring-query as a user who may read it"
                                 : "check --db, or let ring-persister --ring NAME --db FILE make it"));
}

void check_database(Database& database) {
  const auto what = "database " + database.path() + ": ";
  std::int64_t found = 0;
  try {
    found = database.query_integer("PRAGMA application_id");
  } catch (const ringdown::SqliteError& e) {
    throw std::runtime_error(fmt::format(
        "{}; {}", e.what(),
        e.is_damage()
            ? "expected a database of ring-persister, choose one with --db"
            : "while no ring-persister has it open, only users who may write to its folder can read it"));
  }
  if (found != ringdown::schema::application_id)
    throw std::runtime_error(
        fmt::format("{}it is not Ringdown's: application_id {}, expected {}; choose one with --db", what,
                    found, ringdown::schema::application_id));
  const auto version = database.query_integer("PRAGMA user_version");
  if (version != ringdown::schema::version)
    throw std::runtime_error(fmt::format(
        "{}schema version {}, this program reads {}; {}", what, version, ringdown::schema::version,
        version > ringdown::schema::version
            ? "upgrade ring-query"
            : "start this version's ring-persister on it, which upgrades it"));
}

Range range_of(const Options& options) {
  const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
  Range range;
  if (options.from.empty() && options.to.empty())
    range.from_ns = now_ns - ringdown::duration_ns(options.last);
  if (!options.from.empty()) range.from_ns = ringdown::parse_time_ns(options.from, now_ns);
  if (!options.to.empty()) range.to_ns = ringdown::parse_time_ns(options.to, now_ns);
  if (range.from_ns >= range.to_ns)
    throw ring::Error(ring::Failure::bad_argument,
                      fmt::format("--from {} ({}) is not before --to {} ({})", options.from,
                                  ringdown::local_time(range.from_ns, 3), options.to,
                                  ringdown::local_time(range.to_ns, 3)));
  return range;
}

std::vector<ring::Definition> definitions_of(const std::vector<Series>& series) {
  std::vector<ring::Definition> out;
  for (const auto& each : series) out.push_back(each.definition);
  return out;
}

/// Keeps the series that any of the selectors matches.
void select(const std::vector<Selector>& selectors, Query& query, bool tell) {
  query.every_series = selectors.empty();
  std::vector<bool> kept(query.series.size(), query.every_series);
  for (const auto& selector : selectors) {
    bool any = false;
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (selector.matches(query.series[i].definition)) any = kept[i] = true;
    if (any || !tell) continue;
    complain(ringdown::no_match(selector, definitions_of(query.series), "the database"));
    query.failed = true;
  }
  std::vector<Series> chosen;
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept[i]) chosen.push_back(std::move(query.series[i]));
  query.series = std::move(chosen);
}

void explain_absence(const Query& query, const std::string& step) {
  const auto time = [](std::int64_t ns) { return ringdown::local_time(ns, 3); };
  const Range all;
  std::string asked;
  if (query.range.from_ns != all.from_ns) asked += " from " + time(query.range.from_ns);
  if (query.range.to_ns != all.to_ns) asked += " to " + time(query.range.to_ns);
  complain(fmt::format("no data of {} series{}; {} holds {}", query.series.size(), asked,
                       step == "raw" ? "the database" : "its tier " + step,
                       query.held ? (step == "raw" ? "times from " : "buckets from ") +
                                        time(query.held->from_ns) + " to " + time(query.held->to_ns)
                                  : "nothing yet"));
}

bool is_by_name(const std::string& format) { return format == "prometheus" || format == "openmetrics"; }

/// The samples of a name together, of one name after the other.
void read_by_name(ringdown::Source& source, Query& query, ringdown::Writer& writer) {
  std::map<std::string, std::vector<Series>> names;
  for (const auto& series : query.series) names[series.definition.name].push_back(series);
  const auto all = std::exchange(query.series, {});
  query.every_series = false;
  for (auto& [name, series] : names) {
    query.series = std::move(series);
    source.read(query, writer);
  }
  query.series = all;
}

std::int64_t window_step_ns(const Options& options, Database& database, const Range& range) {
  constexpr std::int64_t second_ns = 1'000'000'000, most_ns = 366 * 86'400 * second_ns;
  if (options.step == "auto") {
    const auto step_ns = ringdown::choose_window_ns(database, range, options.points);
    complain(fmt::format("--step auto: {} s", step_ns / second_ns));
    return step_ns;
  }
  const auto step_ns = ringdown::duration_ns(options.step);
  if (step_ns >= second_ns / 1000 && step_ns <= most_ns) return step_ns;
  throw ring::Error(ring::Failure::bad_argument, "--step " + options.step + ": expected 1ms to 366d");
}

volatile std::sig_atomic_t stop_asked = 0;

/// A question that takes too long ends, as if somebody had ended it: what is written by then stays.
void begin_deadline(const Options& options) {
  if (options.follow) {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stop_asked = 1; });
    return;
  }
  constexpr std::int64_t second_ns = 1'000'000'000;
  const auto ns = std::max<std::int64_t>(ringdown::duration_ns(options.deadline), 1000);
  std::signal(SIGALRM, [](int) {
    constexpr char text[] = "ring-query: --deadline is over; ask for a shorter range or a longer --step, or wait longer\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof text - 1);
    ::_exit(1);
  });
  const itimerval timer{{}, {ns / second_ns, ns % second_ns / 1000}};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

/// The rows that the question asks for.
void write_rows(const Options& options, Database& database, const ringdown::WindowOptions& windows, ringdown::Source* source,
                Query& query, ringdown::Writer& writer) {
  const bool with_tail = options.live && options.step != "raw";
  if (!source)
    ringdown::write_windows(database, windows, query, writer);
  else if (is_by_name(options.format))
    read_by_name(*source, query, writer);
  else if (options.summary)
    ringdown::write_summaries(database, options.step, query, writer, with_tail);
  else if (with_tail)
    ringdown::write_with_tail(database, options.step, query, writer);
  else
    source->read(query, writer);
}

int run(Options options) {
  const std::vector<Selector> selectors(options.selectors.begin(), options.selectors.end());
  Query query;
  query.range = range_of(options);
  query.limit = options.limit;

  check_file(options.database);
  Database database(options.database, Database::Access::read_only);
  check_database(database);
  std::optional<ringdown::Live> live;
  if (options.live) live.emplace(database, options.rings).stand_in();
  ringdown::WindowOptions windows;
  const bool is_windows = !options.show.empty();
  if (is_windows) {
    windows = {window_step_ns(options, database, query.range), ringdown::parse_functions(options.show), options.by};
  } else if (options.step == "auto") {
    options.step = ringdown::choose_step(database, query.range, options.points);
    complain("--step auto: " + options.step);
  }
  std::unique_ptr<ringdown::Source> source;
  // First: what it finds has no later series.
  const auto seen = options.follow && !live ? ringdown::newest_batch(database) : std::numeric_limits<std::int64_t>::max();
  if (!is_windows) source = ringdown::make_source(database, options.step, seen);
  const auto select_of_all = [&](bool tell) {
    query.series.clear();
    for (auto& row : ringdown::read_series(database)) query.series.emplace_back(std::move(row));
    select(selectors, query, tell);
  };
  select_of_all(true);
  if (query.series.empty() && query.failed) return 1;

  std::vector<std::string> columns;
  for (const auto& function : windows.functions) columns.push_back(function.text());
  const auto writer = options.plot_file.empty() ? ringdown::make_writer(options.format, columns)
                                                : ringdown::make_chart_writer(options.plot_file, columns);
  try {
    write_rows(options, database, windows, source.get(), query, *writer);
  } catch (const ringdown::SqliteError& e) {
    complain(e.what());
    query.failed = true;
  }
  writer->finish();
  if (options.follow) {
    query.range.to_ns = Range{}.to_ns;
    if (live) live->stand_aside();
    const auto wants = [&](const ring::Definition& series) {
      return selectors.empty() ||
             std::any_of(selectors.begin(), selectors.end(), [&](const auto& selector) { return selector.matches(series); });
    };
    ringdown::follow(database, query, *writer,
                     {live ? live->stood_for() : seen, [&] { select_of_all(false); }, wants, live ? &*live : nullptr}, stop_asked);
    return query.failed ? 1 : 0;
  }
  if (query.more) complain(fmt::format("stopped after {} rows, there are more; raise --limit", query.rows));
  if (query.rows == 0 && !query.failed) explain_absence(query, is_windows ? "raw" : options.step);
  return query.failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_DFL);  // ends it quietly, even where the parent ignored it
  Options options;
  CLI::App app{
      "Prints samples or rollups of a Ringdown database, oldest first. Reads only, also beside "
      "ring-persister."};
  app.set_version_flag("--version", "ring-query " RINGDOWN_VERSION, "Print the version and exit");
  app.footer(examples);
  app.add_option("--db", options.database, "The database")->required()->type_name("FILE");
  app.add_option("selector", options.selectors, "Which series; all without one")->type_name("SELECTOR");
  auto* last = app.add_option("--last", options.last, "From this long before now on")
                   ->type_name("DURATION")
                   ->capture_default_str();
  app.add_option("--from", options.from, "From this time on (default with --to: from the beginning)")
      ->type_name("TIME")
      ->excludes(last);
  app.add_option("--to", options.to, "Up to this time, which is not included (default: to the end)")
      ->type_name("TIME")
      ->excludes(last);
  app.add_option("--step", options.step, "raw, 1s, 1m, 5m, 1h, auto or any other duration: see --show")
      ->type_name("TEXT:{raw,1s,1m,5m,1h,auto}")
      ->capture_default_str();
  app.add_option("--show", options.show, "Functions of the samples of each step, such as avg,max,quantile(0.99)")
      ->type_name("FUNCTIONS");
  app.add_option("--by", options.by, "With --show: series of a name that have the same of these labels are one; - for none")
                 ->type_name("LABELS")
                 ->delimiter(',');
  app.add_flag("--summary", options.summary, "One row a series: count, gaps, quantiles, mean; growth of counters, shares of states");
  app.add_option("--points", options.points, "With --step auto: rows a series that are wanted at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--format", options.format, "How rows are written")
      ->capture_default_str()
      ->check(CLI::IsMember({"table", "csv", "json", "plot", "prometheus", "openmetrics"}));
  app.add_option("--plot-file", options.plot_file, "Draw a chart in this file instead: .svg or .png")->type_name("FILE");
  app.add_flag("--follow", options.follow, "Go on with what is committed, until SIGINT or SIGTERM");
  auto* live = app.add_flag("--live", options.live, "Also what the rings hold and the database does not have yet");
  app.add_option("--ring", options.rings, "With --live: only this ring, known to the database or not (repeatable)")
      ->type_name("NAME")
      ->needs(live);
  app.add_option("--deadline", options.deadline, "Give up after this long")->type_name("DURATION")->capture_default_str();
  app.add_option("--limit", options.limit, "Stop after the first N rows (default: none)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000'000));
  try {
    app.parse(argc, argv);
    const bool is_plot = options.format == "plot" || !options.plot_file.empty(), is_text = is_by_name(options.format);
    if ((options.summary || is_plot || !options.show.empty()) && app.count("--step") == 0) options.step = "auto";
    const std::set<std::string> named{"raw", "1s", "1m", "5m", "1h", "auto"};
    if (options.show.empty() && !options.summary && !named.contains(options.step)) options.show = plain_functions;
    if (!options.by.empty() && options.show.empty()) throw CLI::ValidationError("--by", "needs --show: avg,max");
    if (!options.show.empty() && options.step == "raw") throw CLI::ValidationError("--show", "is of a step; use --step 1m or auto, and without --show for raw samples");
    if (options.summary && !options.show.empty()) throw CLI::ValidationError("--summary", "has its own functions; use it without --show");
    if (options.summary && !named.contains(options.step)) throw CLI::ValidationError("--summary", "is of a whole range; use --step raw, 1m, 5m, 1h or auto");
    if (options.follow && (is_plot || is_text || options.summary || !options.show.empty() || options.step != "raw"))
      throw CLI::ValidationError("--follow", "has raw samples only, as table, csv or json");
    if (is_text && (options.summary || !options.show.empty() || options.step != "raw"))
      throw CLI::ValidationError("--format", options.format + " has samples only; use it with --step raw, or use csv or json");
    if (options.summary && is_plot) throw CLI::ValidationError("--summary", "has no plot; use --format table, csv or json");
    if (options.summary && options.step == "1s") throw CLI::ValidationError("--summary", "tier 1s has no quantiles; use --step raw, 1m, 5m, 1h or auto");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return ringdown::exit_status(complain, [&] {
    begin_deadline(options);
    return run(options);
  });
}
