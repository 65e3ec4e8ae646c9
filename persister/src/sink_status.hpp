// sink_status.hpp: how the destinations of remote write are, as their database says.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sink_rows.hpp"

namespace ringdown {

struct SinkStatus {
  SinkRow row;                    // its rates are 0 when it was not written for two minutes: nobody sends
  double lag_s = 0;               // age of the oldest commit that it has not accepted
  std::int64_t waiting = 0;       // samples behind its cursor, of all series
  std::int64_t held = 0;          // samples from the future
  std::string refused_last = {};  // the newest that was set aside, and why
};

/// @param now_ns  what time it is. Throws SqliteError.
std::vector<SinkStatus> read_sink_status(Database& database, std::int64_t now_ns);
/// A line a destination, and what is wrong with it below; empty when there are none.
std::string sink_status_text(const std::vector<SinkStatus>& all);
nlohmann::json sink_status_json(const std::vector<SinkStatus>& all);

/// ring-persister status. @return the exit status
int status_command(const std::string& file, bool json);

}  // namespace ringdown
