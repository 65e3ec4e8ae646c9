// inspect.cpp: ring-inspect shows what a ring holds, alive or dead, without touching it.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bus_guard.hpp"
#include "inspect_database.hpp"
#include "inspect_lane.hpp"
#include "inspect_open.hpp"
#include "inspect_show.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ring-inspect plant                    lanes, their owners and series
  ring-inspect plant --records 20       and the last 20 records, oldest first
  ring-inspect plant --db metrics.db    and what the database has of it: stored, lost, durable
  ring-inspect plant --json | jq '.lanes[] | {owner, waiting, lost}'
  ring-inspect ./ringdown-plant         a copy of /dev/shm/ringdown-plant, from a machine that crashed, say

Sequences count records: samples, and seven epoch records at each claim of a lane. "stored" is what the
persister has committed; "rate" is samples a second over the last 10 s, by their own time stamps. A PID of another
namespace (a container) is marked *, and followed by the one it has here if /proc shows it. A copy does not tell
who was alive (?); the last 10 s before its newest record are its rate's.

Exit status: 0 shown, 1 no such ring or not readable, 2 wrong usage.)";

}  // namespace

int main(int argc, char** argv) {
  std::string name, database;
  bool as_json = false;
  std::size_t count = 0;
  CLI::App app{"Shows a ring: header, lanes, series and records. Reads only; needs nobody else to run."};
  app.footer(examples);
  app.add_option("ring", name, "The ring's name, or the path of a copy of its object (with a /)")->required()->type_name("NAME");
  app.add_option("--records", count, "Show the last N records, oldest first")->type_name("N");
  app.add_option("--db", database, "Show what this database has of the ring as well: losses by producer and reason, and "
                 "up to when commits survive a power cut")->type_name("FILE");
  app.add_flag("--json", as_json, "One JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    const auto segment = inspect::open_ring(name);
    const ringdown::BusGuard guard(&segment.header(), segment.geometry().segment_bytes());
    const auto lanes = inspect::report_lanes(segment);
    const auto records = inspect::last_records(segment, lanes, count);
    if (guard.hit())
      throw ring::Error(ring::Failure::foreign, "ring \"" + segment.ring() + "\": truncated while it was read; delete " +
                                                    ring::object_name(segment.ring()) + " in /dev/shm when its producers have stopped");
    std::optional<inspect::DatabaseReport> stored;
    if (!database.empty()) stored = inspect::read_database(database, segment.ring());
    if (as_json) {
      inspect::print_json(segment, lanes, records, stored);
    } else {
      inspect::print_table(segment, lanes, records);
      if (stored) inspect::print(*stored);
    }
  } catch (const std::exception& e) {
    std::cerr << "ring-inspect: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
