#include "inspect_show.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "store.hpp"
#include "text_table.hpp"

namespace inspect {
namespace {

using nlohmann::json;
using ringdown::TextTable;

constexpr std::size_t series_shown_max = 60, epochs_shown_max = 8;

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

json to_json(const ring::Holder& holder, std::optional<bool> alive) {
  const auto here = alive.value_or(false) ? pid_here(holder) : 0;
  return {{"name", holder.name()},         {"pid", holder.pid},
          {"pid_namespace", holder.pid_namespace}, {"process_start_ns", holder.process_start_ns},
          {"since_ns", holder.since_ns},   {"alive", alive ? json(*alive) : json()},
          {"pid_here", here ? json(here) : json()}};
}

json to_json(const ring::Epoch& epoch, std::optional<bool> alive) {
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
    out["epochs"].push_back(to_json(epoch, epoch.seq == lane.epochs.front().seq ? lane.alive : false));
  if (!lane.trouble.empty()) out["trouble"] = lane.trouble;
  return out;
}

const LaneReport& lane_of(const std::vector<LaneReport>& lanes, std::uint32_t index) {
  return *std::find_if(lanes.begin(), lanes.end(), [&](const auto& lane) { return lane.index == index; });
}

std::string series_of(const LaneReport& lane, std::uint32_t id) {
  return id < lane.series.size() ? ringdown::series_text(lane.series[id]) : "series " + std::to_string(id) + "?";
}

std::optional<bool> reader_alive(const ring::Segment& segment) {
  if (segment.is_copy()) return {};
  return ring::lock::is_held(segment.descriptor(), ring::abi::lock_reader);
}

}  // namespace

void print_json(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                const std::vector<RecordReport>& records, const std::optional<DatabaseReport>& stored) {
  const auto& g = segment.geometry();
  json out{{"ring", segment.ring()},
           {"generation", segment.generation().hex()},
           {"created_ns", segment.created_ns()},
           {"mode", g.mode == ring::abi::Mode::drop_newest ? "drop-newest" : "overwrite-oldest"},
           {"geometry", {{"lanes", g.lanes}, {"lane_records", g.lane_records}, {"arena_bytes", g.arena_bytes}}},
           {"reader", to_json(ring::read_identity(segment.header().reader), reader_alive(segment))}};
  if (segment.is_copy()) out["copy"] = {{"missing_bytes", segment.missing_bytes()}};
  out["lanes"] = json::array();
  for (const auto& lane : lanes) out["lanes"].push_back(to_json(lane));
  for (const auto& [index, record] : records)
    out["records"].push_back({{"lane", index},
                              {"seq", record.seq},
                              {"time_ns", record.time_ns},
                              {"series", series_of(lane_of(lanes, index), record.series)},
                              {"value", record.value},
                              {"lost_before", record.lost_count()}});
  if (stored) out["database"] = to_json(*stored);
  std::cout << out.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

namespace {

std::string pid_text(const ring::Holder& holder, std::optional<bool> alive) {
  if (holder.pid == 0) return "-";
  if (is_here(holder)) return std::to_string(holder.pid);
  const auto here = alive.value_or(false) ? pid_here(holder) : 0;
  return std::to_string(holder.pid) + "*" + (here ? " " + std::to_string(here) : "");
}

const char* alive_text(std::optional<bool> alive) { return !alive ? "?" : *alive ? "alive" : "dead"; }

std::string name_text(const ring::Holder& holder) { return holder.pid ? holder.name() : "(unknown)"; }

std::string lost_text(const LaneReport& lane) {
  std::string text;
  for (const auto& [reason, count] : lane.lost)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, reason);
  return text.empty() ? "0" : text;
}

void print_header(const ring::Segment& segment, std::size_t used) {
  const auto& g = segment.geometry();
  const auto reader = ring::read_identity(segment.header().reader);
  fmt::print("{}ring {}: {} of {} lanes used, {} records a lane, {}\ncreated {}\n", segment.is_copy() ? "copy of " : "",
             segment.ring(), used, g.lanes, g.lane_records,
             g.mode == ring::abi::Mode::drop_newest ? "drop-newest" : "overwrite-oldest",
             ringdown::local_time(segment.created_ns(), 0));
  if (segment.missing_bytes() > 0)
    fmt::print("cut off: its last {} bytes are missing, and shown as never written\n", segment.missing_bytes());
  const auto alive = reader_alive(segment);
  if (!alive)
    fmt::print("a copy does not tell who was alive; last drained by {}\n",
               reader.pid ? reader.text() + " since " + ringdown::local_time(reader.since_ns, 0) : "nobody");
  else if (*alive)
    fmt::print("drained by {} since {}\n", reader.text(), ringdown::local_time(reader.since_ns, 0));
  else
    fmt::print("nobody drains it; start: ring-persister --ring {} --db FILE\n", segment.ring());
}

void print_lanes(const std::vector<LaneReport>& lanes) {
  constexpr std::size_t texts = 4;
  TextTable table({"LANE", "OWNER", "PID", "", "WRITTEN", "STORED", "WAITING", "RATE/s", "LOST"}, texts);
  for (const auto& lane : lanes)
    table.add({std::to_string(lane.index), ringdown::printable(name_text(lane.owner)), pid_text(lane.owner, lane.alive),
               alive_text(lane.alive), std::to_string(lane.written), std::to_string(lane.stored),
               std::to_string(lane.waiting()), fmt::format("{:.1f}", lane.rate_hz), lost_text(lane)});
  fmt::print("\n{}", table.take());
}

/// The claims that the lanes' records still tell of, where there are more than the present owner's.
void print_epochs(const std::vector<LaneReport>& lanes) {
  constexpr std::size_t texts = 4;
  TextTable table({"LANE", "EARLIER OWNER", "PID", "SINCE", "FROM"}, texts);
  for (const auto& lane : lanes)
    for (std::size_t i = 1; i < std::min(lane.epochs.size(), epochs_shown_max); ++i) {
      const auto& epoch = lane.epochs[i];
      table.add({std::to_string(lane.index), ringdown::printable(name_text(epoch.holder)), pid_text(epoch.holder, false),
                 ringdown::local_time(epoch.holder.since_ns, 3), std::to_string(epoch.seq)});
    }
  if (table.rows() > 1) fmt::print("\n{}", table.take());
}

void print_series(const std::vector<LaneReport>& lanes) {
  constexpr std::size_t texts = 3;
  TextTable table({"LANE", "KIND", "SERIES", "LAST"}, texts);
  std::size_t total = 0;
  for (const auto& lane : lanes)
    for (std::size_t i = 0; i < lane.series.size(); ++i) {
      if (++total > series_shown_max) continue;
      const auto& d = lane.series[i];
      table.add({std::to_string(lane.index), ringdown::kind_name(d.kind), ringdown::printable(ringdown::series_text(d)),
                 lane.last[i] ? ringdown::printable(ringdown::value_text(d, *lane.last[i])) : "-"});
    }
  fmt::print("\n{}", table.take());
  if (total > series_shown_max) fmt::print("... and {} more; --json shows all\n", total - series_shown_max);
  for (const auto& lane : lanes)
    if (!lane.trouble.empty()) fmt::print("lane {}: {}\n", lane.index, lane.trouble);
}

void print_records(const std::vector<LaneReport>& lanes, const std::vector<RecordReport>& records) {
  if (records.empty()) return;
  constexpr std::size_t texts = 4;
  TextTable table({"TIME", "LANE", "SEQ", "SERIES", "VALUE", "LOST BEFORE"}, texts);
  for (const auto& [index, record] : records) {
    const auto& lane = lane_of(lanes, index);
    const bool known = record.series < lane.series.size();
    table.add({ringdown::local_time(record.time_ns, 3), std::to_string(index), std::to_string(record.seq),
               ringdown::printable(series_of(lane, record.series)),
               known ? ringdown::printable(ringdown::value_text(lane.series[record.series], record.value))
                     : fmt::format("{}", record.value),
               record.lost_count() ? fmt::format("{} {}", record.lost_count(), ringdown::loss_name(record.lost_reason()))
                                   : "-"});
  }
  fmt::print("\n{}", table.take());
}

}  // namespace

void print_table(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                 const std::vector<RecordReport>& records) {
  print_header(segment, lanes.size());
  print_lanes(lanes);
  print_epochs(lanes);
  print_series(lanes);
  print_records(lanes, records);
}

}  // namespace inspect
