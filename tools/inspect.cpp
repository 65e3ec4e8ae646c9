// inspect.cpp: ring-inspect shows what a ring holds, alive or dead, without touching it.
#include <CLI/CLI.hpp>
#include <iostream>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "bus_guard.hpp"
#include "inspect_check.hpp"
#include "inspect_database.hpp"
#include "inspect_dump.hpp"
#include "inspect_follow.hpp"
#include "inspect_lane.hpp"
#include "inspect_open.hpp"
#include "inspect_show.hpp"
#include "inspect_watch.hpp"
#include "query_time.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ring-inspect plant                    lanes, their owners and series
  ring-inspect plant --records 20       and the last 20 records, oldest first
  ring-inspect plant --db metrics.db    and what the database has of it: stored, lost, durable
  ring-inspect plant --watch            full-screen: rates, lag, losses, values; ? tells the keys
  ring-inspect plant --follow 'rtt_ms{wan="spectrum"}'  each sample as it is pushed, until ^C
  ring-inspect plant --json | jq '.lanes[] | {owner, waiting, lost}'
  ring-inspect plant --check            whether all of it is as a ring has to be, and what is not
  ring-inspect plant --dump > plant.csv all samples that are still in it; ring-replay pushes them again
  ring-inspect plant --dump-db plant.db the same into a new database, for ring-query
  ring-inspect ./ringdown-plant         a copy of /dev/shm/ringdown-plant, from a machine that crashed, say

Sequences count records: samples, and seven epoch records at each claim of a lane. "stored" is what the
persister has committed; "rate" is samples a second over the last 10 s, by their own time stamps. A PID of another
namespace (a container) is marked *, and followed by the one it has here if /proc shows it. A copy does not tell
who was alive (?); the last 10 s before its newest record are its rate's.

Exit status: 0 shown, written, or no fault found; 1 no such ring or not readable; 2 wrong usage; 3 --check found
faults.)";

struct Options {
  std::string ring, database, dump_database;
  std::size_t records = 0;
  bool json = false, check = false, dump = false, watch = false;
  std::string every = "500ms";
  inspect::FollowOptions follow;
};

void require_whole(const ringdown::BusGuard& guard, const std::string& ring) {
  if (guard.hit())
    throw ring::Error(ring::Failure::foreign, "ring \"" + ring +
                                                  "\": truncated while it was read; delete /dev/shm/ringdown-" +
                                                  ring + " when its producers have stopped");
}

int check(const Options& options) {
  const inspect::Image image(options.ring);
  const ringdown::BusGuard guard(image.bytes().data(), image.bytes().size());
  const auto report = inspect::check(image.bytes(), image.is_live());
  require_whole(guard, image.ring());
  if (options.json)
    inspect::print_json(report, image.ring());
  else
    inspect::print(report, image.ring());
  return report.count() == 0 ? 0 : 3;
}

int dump(const Options& options) {
  const auto segment = inspect::open_ring(options.ring);
  const ringdown::BusGuard guard(&segment.header(), segment.geometry().segment_bytes());
  const auto dumped =
      options.dump ? inspect::dump_csv(segment) : inspect::dump_database(segment, options.dump_database);
  require_whole(guard, segment.ring());
  std::cerr << "ring-inspect: " << dumped.samples << " samples written\n";
  if (dumped.left_out > 0)
    std::cerr << "ring-inspect: " << dumped.left_out << " records that cannot be believed are left out; ring-inspect "
              << options.ring << " --check tells why\n";
  return 0;
}

int follow(const Options& options) {
  const auto segment = inspect::open_ring(options.ring);
  const ringdown::BusGuard guard(&segment.header(), segment.geometry().segment_bytes());
  inspect::follow(segment, guard, options.follow);
  return 0;
}

int watch(const Options& options) {
  const auto every_ns = ringdown::duration_ns(options.every);
  constexpr std::int64_t min_ns = 50'000'000, max_ns = 60'000'000'000;
  if (every_ns < min_ns || every_ns > max_ns)
    throw ring::Error(ring::Failure::bad_argument, "--every: found " + options.every + ", expected 50ms to 1m");
  inspect::watch(options.ring, std::chrono::milliseconds(every_ns / 1'000'000));
  return 0;
}

int show(const Options& options) {
  const auto segment = inspect::open_ring(options.ring);
  const ringdown::BusGuard guard(&segment.header(), segment.geometry().segment_bytes());
  const auto lanes = inspect::report_lanes(segment);
  const auto records = inspect::last_records(segment, lanes, options.records);
  require_whole(guard, segment.ring());
  std::optional<inspect::DatabaseReport> stored;
  if (!options.database.empty()) stored = inspect::read_database(options.database, segment.ring());
  if (options.json) {
    inspect::print_json(segment, lanes, records, stored);
  } else {
    inspect::print_table(segment, lanes, records);
    if (stored) inspect::print(*stored);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Shows a ring: header, lanes, series and records. Reads only; needs nobody else to run."};
  app.set_version_flag("--version", "ring-inspect " RINGDOWN_VERSION, "Print the version and exit");
  app.footer(examples);
  app.add_option("ring", options.ring, "The ring's name, or the path of a copy of its object (with a /)")->required()
      ->type_name("NAME");
  app.add_option("--records", options.records, "Show the last N records, oldest first")->type_name("N");
  app.add_option("--db", options.database, "Show what this database has of the ring as well: losses by producer and "
                 "reason, and up to when commits survive a power cut")->type_name("FILE");
  app.add_flag("--check", options.check, "Compare all of it with what a ring has to be, and tell each fault");
  app.add_flag("--watch", options.watch,
               "Full-screen live view: lanes with their last minute, series with their last "
               "values");
  app.add_option("--every", options.every, "How often --watch looks, from 50ms to 1m")->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--follow", options.follow.selector,
                 "Print each sample of the series that this selector matches, as "
                 "it is pushed")
      ->type_name("SELECTOR");
  app.add_option("--count", options.follow.count, "End --follow after N samples")->type_name("N");
  app.add_flag("--dump", options.dump, "Write all samples that it holds, stored ones too, as CSV");
  app.add_option("--dump-db", options.dump_database, "Write them into this new database, rolled up")
      ->type_name("FILE");
  app.add_flag("--json", options.json, "One JSON object; of --follow one a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  options.follow.json = options.json;
  const int views = options.watch + options.check + options.dump + !options.dump_database.empty() +
                    !options.follow.selector.empty();
  if (views > 1) {
    std::cerr << "ring-inspect: found " << views
              << " of --watch, --check, --dump, --dump-db and --follow, expected one at a time\n";
    return 2;
  }
  try {
    spdlog::set_default_logger(spdlog::stderr_logger_st("ring-inspect"));
    if (options.check) return check(options);
    if (options.dump || !options.dump_database.empty()) return dump(options);
    if (!options.follow.selector.empty()) return follow(options);
    if (options.watch) return watch(options);
    return show(options);
  } catch (const std::exception& e) {
    std::cerr << "ring-inspect: " << e.what() << '\n';
    return 1;
  }
}
