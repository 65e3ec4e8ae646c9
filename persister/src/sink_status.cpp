#include "sink_status.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "store.hpp"
#include "text_table.hpp"
#include "verify.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t rates_hold_ns = 120'000'000'000;  // a persister that sends writes anew once a minute

}  // namespace

std::vector<SinkStatus> read_sink_status(Database& database, std::int64_t now_ns) {
  std::vector<SinkStatus> out;
  Statement waiting(database, "SELECT total(samples) FROM batches WHERE id > ?");
  Statement held(database, "SELECT count(*) FROM remote_write_aside WHERE destination = ? AND held = 1");
  Statement written(database, "SELECT written_ns FROM remote_write WHERE destination = ?");
  Statement refused(database, "SELECT metric, time_ms, value, why FROM remote_write_aside WHERE destination = ? AND held = 0 "
                              "ORDER BY id DESC LIMIT 1");
  for (auto& row : read_sinks(database)) {
    auto& one = out.emplace_back();
    one.row = std::move(row);
    one.lag_s = lag_s(database, one.row, now_ns);
    if (one.row.sends == "raw" && waiting.bind(1, one.row.cursor.accepted).step()) one.waiting = waiting.integer(0);
    if (held.bind(1, std::string_view(one.row.destination)).step()) one.held = held.integer(0);
    if (refused.bind(1, std::string_view(one.row.destination)).step())
      one.refused_last = fmt::format("{} {} at {} ms: {}", refused.text(0), refused.real(2), refused.integer(1), refused.text(3));
    written.bind(1, std::string_view(one.row.destination)).step();
    if (now_ns - written.integer(0) > rates_hold_ns) one.row.rates = {};
    for (auto* statement : {&waiting, &held, &written, &refused}) statement->reset();
  }
  return out;
}

std::string sink_status_text(const std::vector<SinkStatus>& all) {
  if (all.empty()) return {};
  constexpr std::size_t texts = 3;
  TextTable table({"DESTINATION", "SENDS", "STATE", "LAG s", "WAITING", "SENT", "SAMPLES/s", "B/s", "B/SAMPLE", "REWINDS", "HELD",
                   "REFUSED", "LOST"}, texts);
  std::string below;
  for (const auto& one : all) {
    const auto& c = one.row.counts;
    const auto bytes = c.samples ? static_cast<double>(c.bytes) / static_cast<double>(c.samples) : 0.0;
    table.add({one.row.destination, one.row.sends, one.row.state, fmt::format("{:.1f}", one.lag_s),
               std::to_string(one.waiting), std::to_string(c.samples), fmt::format("{:.1f}", one.row.rates.samples),
               fmt::format("{:.0f}", one.row.rates.bytes), fmt::format("{:.2f}", bytes), std::to_string(c.rewinds),
               std::to_string(one.held), std::to_string(c.refused), std::to_string(c.lost)});
    if (!one.row.trouble.empty())
      below += fmt::format("{} is {}: {}\n", one.row.destination, one.row.state, one.row.trouble);
    if (!one.refused_last.empty()) below += fmt::format("{} refused last: {}\n", one.row.destination, one.refused_last);
  }
  auto text = table.take() + below;
  return text;
}

nlohmann::json sink_status_json(const std::vector<SinkStatus>& all) {
  auto out = nlohmann::json::object();
  for (const auto& one : all) {
    const auto& c = one.row.counts;
    out[one.row.destination] = {{"sends", one.row.sends}, {"state", one.row.state}, {"trouble", one.row.trouble}, {"accepted", one.row.cursor.accepted},
                                {"settled", one.row.cursor.settled}, {"lag_s", one.lag_s}, {"waiting", one.waiting},
                                {"samples", c.samples}, {"requests", c.requests}, {"bytes", c.bytes}, {"failures", c.failures},
                                {"samples_per_s", one.row.rates.samples}, {"bytes_per_s", one.row.rates.bytes},
                                {"rewinds", c.rewinds}, {"folded", c.folded}, {"held", one.held}, {"refused", c.refused},
                                {"refused_last", one.refused_last}, {"lost", c.lost}};
  }
  return out;
}

int status_command(const std::string& file, bool json) {
  std::vector<SinkStatus> all;
  try {
    Database database(file, Database::Access::read_only);
    require_ours(database);
    const Snapshot snapshot(database);
    all = read_sink_status(database, realtime_ns());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 3;
  }
  const auto text = json     ? sink_status_json(all).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                    : all.empty() ? "no destination of remote write; see [[remote_write]] in persister.toml(5)\n"
                                  : sink_status_text(all);
  std::fputs(text.c_str(), stdout);
  const auto is_well = [](const SinkStatus& one) { return one.row.state == "sending"; };
  return std::all_of(all.begin(), all.end(), is_well) ? 0 : 1;
}

}  // namespace ringdown
