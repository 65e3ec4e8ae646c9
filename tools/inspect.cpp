// inspect.cpp: ring-inspect shows what a ring holds, alive or dead, without touching it.
#include <fmt/format.h>

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "bus_guard.hpp"
#include "cli.hpp"
#include "inspect_database.hpp"
#include "ring/claim.hpp"
#include "ring/segment.hpp"
#include "store.hpp"

namespace {

using nlohmann::json;
using ring::abi::Loss;

constexpr const char* examples = R"(
Examples:
  ring-inspect plant                    lanes, their owners and series
  ring-inspect plant --records 20       and the last 20 records, oldest first
  ring-inspect plant --db metrics.db    and what the database has of it: stored, lost, durable
  ring-inspect plant --json | jq '.lanes[] | {owner, waiting, lost}'

Sequences count records: samples, and seven epoch records at each claim of a lane. "stored" is what the
persister has committed; "rate" is samples a second over the last 10 s, by their own time stamps. A PID of another
namespace (a container) is marked *, and followed by the one it has here if /proc shows it.

Exit status: 0 shown, 1 no such ring or not readable, 2 wrong usage.)";

constexpr std::int64_t rate_window_ns = 10'000'000'000;
constexpr std::size_t series_shown_max = 60, epochs_shown_max = 8;

struct LaneReport {
  std::uint32_t index = 0;
  bool alive = false;
  ring::Holder owner;
  std::uint64_t claims = 0, written = 0, stored = 0;
  std::map<std::string, std::uint64_t> lost;
  double rate_hz = 0;
  std::vector<ring::Definition> series;
  std::vector<std::optional<double>> last;  // newest value, by series
  std::vector<ring::Epoch> epochs;          // claims whose records are still there, newest first
  std::string trouble;                      // why the series could not be read

  std::uint64_t waiting() const { return written - std::min(written, stored); }
};

struct RecordReport {
  std::uint32_t lane = 0;
  ring::RecordCopy record;
};

/// The lane's records up to `newest`, newest first, until `visit` returns false or they have been overwritten.
template <class Visit>
void for_each_back(const ring::LaneView& lane, std::uint64_t newest, Visit&& visit) {
  const auto oldest = newest > lane.capacity ? newest - lane.capacity + 1 : 1;
  ring::RecordCopy record;
  for (auto seq = newest; seq >= oldest; --seq)
    if (ring::read(lane, seq, record) == ring::Read::record && !visit(record)) return;
}

bool begins_epoch(const ring::RecordCopy& record) { return record.series == ring::abi::control_epoch; }

/// Whether the records before this one mean other definitions than those in the arena.
bool starts_arena(const ring::RecordCopy& record) {
  return begins_epoch(record) && (std::bit_cast<std::uint64_t>(record.value) & ring::abi::epoch_fresh_arena);
}

std::optional<ring::Epoch> epoch_at(const ring::LaneView& view, std::uint64_t seq) {
  ring::EpochReader reader;
  ring::RecordCopy record;
  for (std::uint32_t part = 0; part < ring::abi::epoch_records; ++part)
    if (ring::read(view, seq + part, record) != ring::Read::record || !record.is_control()) return {};
    else if (reader.take(record)) return reader.epoch();
  return {};
}

void read_records(const ring::LaneView& view, LaneReport& lane) {
  const auto now = ring::clock_ns(CLOCK_REALTIME);
  std::uint64_t recent = 0;
  std::int64_t oldest_ns = now;
  lane.last.resize(lane.series.size());
  bool decodable = true;
  for_each_back(view, lane.written, [&](const ring::RecordCopy& record) {
    if (begins_epoch(record))
      if (const auto epoch = epoch_at(view, record.seq)) lane.epochs.push_back(*epoch);
    decodable &= !starts_arena(record);
    if (record.is_control()) return true;
    if (decodable && record.series < lane.last.size() && !lane.last[record.series]) lane.last[record.series] = record.value;
    if (record.time_ns <= now && record.time_ns > now - rate_window_ns) {
      ++recent;
      oldest_ns = std::min(oldest_ns, record.time_ns);
    }
    return true;
  });
  const bool whole_window = recent < view.capacity / 2;
  const auto span_ns = whole_window ? rate_window_ns : std::max<std::int64_t>(now - oldest_ns, 1);
  lane.rate_hz = static_cast<double>(recent) * 1e9 / static_cast<double>(span_ns);
}

LaneReport report(const ring::Segment& segment, std::uint32_t index) {
  const auto view = segment.lane(index);
  LaneReport lane;
  lane.index = index;
  lane.claims = ring::words::load(view.header->claims, std::memory_order_acquire);
  if (lane.claims == 0) return lane;
  lane.alive = ring::lock::is_held(segment.descriptor(), index);
  lane.owner = ring::read_identity(view.header->owner);
  lane.stored = ring::words::load(view.header->tail);
  lane.written = ring::find_head(view) - 1;
  for (std::uint32_t r = 0; r < ring::abi::producer_losses; ++r)
    if (const auto count = ring::words::load(view.header->losses[r]))
      lane.lost[ringdown::loss_name(Loss{r})] = count;
  try {
    lane.series = ring::detail::read_arena(view);
  } catch (const ring::Error& e) {
    lane.trouble = e.what();
  }
  read_records(view, lane);
  return lane;
}

std::vector<RecordReport> last_records(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                                       std::size_t count) {
  std::vector<RecordReport> all;
  for (const auto& lane : lanes) {
    std::size_t taken = 0;
    for_each_back(segment.lane(lane.index), lane.written, [&](const ring::RecordCopy& record) {
      if (!record.is_control()) all.push_back({lane.index, record}), ++taken;
      return taken < count && !starts_arena(record);
    });
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.record.time_ns != b.record.time_ns ? a.record.time_ns < b.record.time_ns
                                                : a.lane == b.lane && a.record.seq < b.record.seq;
  });
  if (all.size() > count) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(count));
  return all;
}

/// Whether the holder's PID is one of our namespace.
bool is_here(const ring::Holder& holder) {
  struct stat ns {};
  return ::stat("/proc/self/ns/pid", &ns) != 0 || ns.st_ino == holder.pid_namespace;
}

/// The PID here of a process known by its PID in another namespace; 0 when /proc does not show it.
pid_t pid_here(const ring::Holder& holder) {
  if (is_here(holder)) return static_cast<pid_t>(holder.pid);
  std::error_code error;
  for (std::filesystem::directory_iterator each("/proc", error), end; !error && each != end; each.increment(error)) {
    const auto name = each->path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    struct stat ns {};
    if (::stat((each->path() / "ns/pid").c_str(), &ns) != 0 || ns.st_ino != holder.pid_namespace) continue;
    std::ifstream status(each->path() / "status");
    for (std::string line; std::getline(status, line);)  // NSpid: the PIDs from here down to its own namespace
      if (line.starts_with("NSpid:") && line.ends_with("\t" + std::to_string(holder.pid)))
        return static_cast<pid_t>(std::stol(name));
  }
  return 0;
}

json to_json(const ring::Holder& holder, bool alive) {
  const auto here = alive ? pid_here(holder) : 0;
  return {{"name", holder.name()},         {"pid", holder.pid},
          {"pid_namespace", holder.pid_namespace}, {"process_start_ns", holder.process_start_ns},
          {"since_ns", holder.since_ns},   {"alive", alive},
          {"pid_here", here ? json(here) : json()}};
}

json to_json(const ring::Epoch& epoch, bool alive) {
  auto out = to_json(epoch.holder, alive);
  out["seq"] = epoch.seq;
  return out;
}

json to_json(const LaneReport& lane) {
  auto series = json::array();
  for (std::size_t i = 0; i < lane.series.size(); ++i) {
    const auto& d = lane.series[i];
    json row{{"name", d.name}, {"kind", ringdown::kind_name(d.kind)}, {"unit", d.unit}, {"states", d.states}};
    row["labels"] = json::parse(ringdown::labels_json(d.labels));
    row["last"] = lane.last[i] ? json(*lane.last[i]) : json();
    series.push_back(std::move(row));
  }
  json out{{"lane", lane.index},     {"owner", to_json(lane.owner, lane.alive)}, {"claims", lane.claims},
           {"written", lane.written}, {"stored", lane.stored},    {"waiting", lane.waiting()},
           {"lost", lane.lost},       {"rate_hz", lane.rate_hz},  {"series", std::move(series)}};
  out["epochs"] = json::array();
  for (const auto& epoch : lane.epochs)
    out["epochs"].push_back(to_json(epoch, lane.alive && epoch.seq == lane.epochs.front().seq));
  if (!lane.trouble.empty()) out["trouble"] = lane.trouble;
  return out;
}

const LaneReport& lane_of(const std::vector<LaneReport>& lanes, std::uint32_t index) {
  return *std::find_if(lanes.begin(), lanes.end(), [&](const auto& lane) { return lane.index == index; });
}

std::string series_of(const LaneReport& lane, std::uint32_t id) {
  return id < lane.series.size() ? ringdown::series_text(lane.series[id]) : "series " + std::to_string(id) + "?";
}

void print_json(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                const std::vector<RecordReport>& records, const std::optional<inspect::DatabaseReport>& stored) {
  const auto& g = segment.geometry();
  json out{{"ring", segment.ring()},
           {"generation", segment.generation().hex()},
           {"created_ns", segment.created_ns()},
           {"mode", g.mode == ring::abi::Mode::drop_newest ? "drop-newest" : "overwrite-oldest"},
           {"geometry", {{"lanes", g.lanes}, {"lane_records", g.lane_records}, {"arena_bytes", g.arena_bytes}}},
           {"reader", to_json(ring::read_identity(segment.header().reader),
                              ring::lock::is_held(segment.descriptor(), ring::abi::lock_reader))}};
  out["lanes"] = json::array();
  for (const auto& lane : lanes) out["lanes"].push_back(to_json(lane));
  for (const auto& [index, record] : records)
    out["records"].push_back({{"lane", index},
                              {"seq", record.seq},
                              {"time_ns", record.time_ns},
                              {"series", series_of(lane_of(lanes, index), record.series)},
                              {"value", record.value},
                              {"lost_before", record.lost_count()}});
  if (stored) out["database"] = inspect::to_json(*stored);
  std::cout << out.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

std::string pid_text(const ring::Holder& holder, bool alive) {
  if (holder.pid == 0) return "-";
  if (is_here(holder)) return std::to_string(holder.pid);
  const auto here = alive ? pid_here(holder) : 0;
  return std::to_string(holder.pid) + "*" + (here ? " " + std::to_string(here) : "");
}

std::string name_text(const ring::Holder& holder) { return holder.pid ? holder.name() : "(unknown)"; }

std::string lost_text(const LaneReport& lane) {
  std::string text;
  for (const auto& [reason, count] : lane.lost) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, reason);
  return text.empty() ? "0" : text;
}

void print_header(const ring::Segment& segment, std::size_t used) {
  const auto& g = segment.geometry();
  const auto reader = ring::read_identity(segment.header().reader);
  fmt::print("ring {}: {} of {} lanes used, {} records a lane, {}, created {}\n", segment.ring(), used, g.lanes,
             g.lane_records, g.mode == ring::abi::Mode::drop_newest ? "drop-newest" : "overwrite-oldest",
             ringdown::local_time(segment.created_ns(), 0));
  if (ring::lock::is_held(segment.descriptor(), ring::abi::lock_reader))
    fmt::print("drained by {} since {}\n", reader.text(), ringdown::local_time(reader.since_ns, 0));
  else
    fmt::print("nobody drains it; start: ring-persister --ring {} --db FILE\n", segment.ring());
}

/// The claims that the lanes' records still tell of, where there are more than the present owner's.
void print_epochs(const std::vector<LaneReport>& lanes) {
  bool first = true;
  for (const auto& lane : lanes)
    for (std::size_t i = 1; i < std::min(lane.epochs.size(), epochs_shown_max); ++i) {
      if (std::exchange(first, false))
        fmt::print("\n{:>4}  {:<16} {:>10} {:<23} {:>12}\n", "LANE", "EARLIER OWNER", "PID", "SINCE", "FROM");
      const auto& epoch = lane.epochs[i];
      fmt::print("{:>4}  {:<16} {:>10} {:<23} {:>12}\n", lane.index, name_text(epoch.holder), pid_text(epoch.holder, false),
                 ringdown::local_time(epoch.holder.since_ns, 3), epoch.seq);
    }
}

void print_table(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                 const std::vector<RecordReport>& records) {
  print_header(segment, lanes.size());
  fmt::print("\n{:>4}  {:<16} {:>10} {:<5} {:>12} {:>12} {:>8} {:>10}  {}\n", "LANE", "OWNER", "PID", "", "WRITTEN",
             "STORED", "WAITING", "RATE/s", "LOST");
  for (const auto& lane : lanes)
    fmt::print("{:>4}  {:<16} {:>10} {:<5} {:>12} {:>12} {:>8} {:>10.1f}  {}\n", lane.index, name_text(lane.owner),
               pid_text(lane.owner, lane.alive), lane.alive ? "alive" : "dead", lane.written, lane.stored, lane.waiting(),
               lane.rate_hz, lost_text(lane));
  print_epochs(lanes);
  std::size_t shown = 0, total = 0;
  fmt::print("\n{:>4}  {:<8} {:<60} {:>16}\n", "LANE", "KIND", "SERIES", "LAST");
  for (const auto& lane : lanes) {
    if (!lane.trouble.empty()) fmt::print("{:>4}  {}\n", lane.index, lane.trouble);
    for (std::size_t i = 0; i < lane.series.size(); ++i) {
      ++total;
      if (shown >= series_shown_max) continue;
      ++shown;
      const auto& d = lane.series[i];
      fmt::print("{:>4}  {:<8} {:<60} {:>16}\n", lane.index, ringdown::kind_name(d.kind), ringdown::series_text(d),
                 lane.last[i] ? ringdown::value_text(d, *lane.last[i]) : "-");
    }
  }
  if (total > shown) fmt::print("      ... and {} more; --json shows all\n", total - shown);
  if (records.empty()) return;
  fmt::print("\n{:<23} {:>4} {:>12}  {:<60} {:>16}  {}\n", "TIME", "LANE", "SEQ", "SERIES", "VALUE", "LOST BEFORE");
  for (const auto& [index, record] : records) {
    const auto& lane = lane_of(lanes, index);
    const bool known = record.series < lane.series.size();
    fmt::print("{:<23} {:>4} {:>12}  {:<60} {:>16}  {}\n", ringdown::local_time(record.time_ns, 3), index, record.seq,
               series_of(lane, record.series),
               known ? ringdown::value_text(lane.series[record.series], record.value) : fmt::format("{}", record.value),
               record.lost_count() ? fmt::format("{} {}", record.lost_count(), ringdown::loss_name(record.lost_reason()))
                                   : "");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string name, database;
  bool as_json = false;
  std::size_t count = 0;
  CLI::App app{"Shows a ring: header, lanes, series and records. Reads only; needs nobody else to run."};
  app.footer(examples);
  app.add_option("ring", name, "The ring's name")->required()->type_name("NAME");
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
    const auto segment = ring::Segment::inspect(name);
    const ringdown::BusGuard guard(&segment.header(), segment.geometry().segment_bytes());
    std::vector<LaneReport> lanes;
    for (std::uint32_t i = 0; i < segment.geometry().lanes; ++i)
      if (auto lane = report(segment, i); lane.claims > 0) lanes.push_back(std::move(lane));
    const auto records = last_records(segment, lanes, count);
    if (guard.hit())
      throw ring::Error(ring::Failure::foreign, "ring \"" + name + "\": truncated while it was read; delete " +
                                                    ring::object_name(name) + " in /dev/shm when its producers have stopped");
    std::optional<inspect::DatabaseReport> stored;
    if (!database.empty()) stored = inspect::read_database(database, name);
    if (as_json) {
      print_json(segment, lanes, records, stored);
    } else {
      print_table(segment, lanes, records);
      if (stored) inspect::print(*stored);
    }
  } catch (const std::exception& e) {
    std::cerr << "ring-inspect: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
