// remote_write_settings.hpp: one destination of Prometheus' remote write, as the configuration describes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "ring/definition.hpp"
#include "rules.hpp"

namespace ringdown {

struct RemoteWriteSettings {
  std::string name = {};                              // of its rows in the database
  std::string url = {};
  std::vector<std::string> select = {"{}"};           // selectors: a series that any of them matches is sent
  ring::Labels labels = {};                           // that every series gets which has none of that name
  Tier send = tier_raw;
  std::int64_t batch_samples = 10'000;                // of one request, at most
  std::int64_t samples_per_second = 0;                // at most; 0: as many as there are
  std::chrono::milliseconds deadline{30'000};         // of one request
  std::int64_t lag_max_s = 86'400;                    // so long is kept for it what it has not taken
  std::chrono::seconds rewind{30};                    // what it accepted so shortly before a failure is sent again
  std::string bearer_file = {};                       // read before each request
  std::string user = {}, password_file = {};
  std::string ca_file = {}, cert_file = {}, key_file = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string proxy = {};                             // empty: what the environment says
  bool operator==(const RemoteWriteSettings&) const = default;
};

inline constexpr std::size_t destinations_max = 8;

}  // namespace ringdown
