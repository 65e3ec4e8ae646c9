// fuzz_config.cpp: reads configurations that somebody else wrote.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but ConfigError, each line of which names a
// line of the file; and what loads is within every limit and can be explained. When the first byte is odd the others
// choose settings, most of them right, since random text is seldom TOML.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "check_config.hpp"
#include "config.hpp"
#include "setting.hpp"

namespace {

struct Table {
  const char* header;
  std::vector<std::array<const char*, 2>> settings;  // key and a value that fits it
};
const std::vector<Table> tables{
    {"", {{"database", "\"m.db\""}, {"rings", "[\"plant\"]"}, {"round_ms", "50"}, {"commit_ms", "500"}, {"lanes", "8"},
          {"lane_records", "1024"}, {"arena_kib", "64"}, {"durability", "\"full\""}, {"wal_mib", "16"},
          {"log_level", "\"warn\""}, {"any_file_system", "true"}, {"maintenance_share_max", "0.5"}, {"own_metrics_s", "0"},
          {"series_max", "10"}, {"no_key", "1"}}},
    {"[tiers]", {{"raw", "\"7d\""}, {"1s", "\"off\""}, {"1m", "\"30d\""}, {"5m", "\"180d\""}, {"1h", "\"forever\""},
                 {"size_max", "\"10GiB\""}, {"2s", "\"1d\""}}},
    {"[exposition]", {{"listen", "\"127.0.0.1:9747\""}}},
    {"[[rule]]", {{"name", "\"wan_*\""}, {"labels", "{ wan = \"a\" }"}, {"aggregation", "\"state\""}, {"interval", "\"50ms\""},
                  {"resolution", "0.001"}, {"raw", "\"30d\""}, {"5m", "\"1y\""}, {"keep", "false"}, {"tier_1s", "false"},
                  {"on_change", "true"}}},
    {"[[rule]]", {{"name", "\"*_debug\""}, {"aggregation", "\"counter\""}, {"1m", "\"90d\""}}},
    {"[none]", {{"raw", "1"}}}};
constexpr std::array values{"0", "-1", "9223372036854775807", "1e308", "nan", "\"\"", "[\"a\", \"a\"]", "[1]",
                            "\"99999999999d\"", "\"1h30m\"", "\"gauge\"", "{ wan = 1 }", "{}", "\"[::1]:0\"", "1979-05-27",
                            "\"\\u0000\"", "\"*\""};

/// Each byte is a setting of the present table; a high one begins the next table, or gives a value that does not fit.
std::string chosen(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint8_t next_table = 240, other_value = 224;
  std::string out;
  std::size_t table = 0;
  std::set<std::string_view> used;
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] >= next_table) {
      table = (table + 1 + data[i] % 3) % tables.size();
      out += std::string(tables[table].header) + '\n';
      used.clear();
      continue;
    }
    const auto& [key, fitting] = tables[table].settings[data[i] % tables[table].settings.size()];
    if (!used.insert(key).second) continue;
    out += std::string(key) + " = " + (data[i] >= other_value ? values[data[i] % values.size()] : fitting) + '\n';
  }
  return out;
}

void check_refusal(const std::string& told, long lines) {
  std::istringstream in(told);
  for (std::string line; std::getline(in, line);) {
    const long number = line.starts_with("a.toml:") ? std::atol(line.c_str() + 7) : 0;
    if (number < 1 || number > lines + 1) std::abort();
  }
}

void check_settings(const ringdown::Settings& settings) {
  for (const auto& setting : ringdown::number_settings())
    if (setting.get(settings) < setting.min || setting.get(settings) > setting.max) std::abort();
  for (const auto& setting : ringdown::word_settings())
    if (std::find(setting.words.begin(), setting.words.end(), setting.get(settings)) == setting.words.end()) std::abort();
  if (ringdown::config_text(settings).empty()) std::abort();
  for (const auto* series : {"rtt_ms{wan=\"a\"}", "wan_up", "a"})
    if (ringdown::policy_text(settings.store.rules, ringdown::parse_series(series)).empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* const rest = data + 1;
  const auto text = data[0] & 1 ? chosen(rest, size - 1) : std::string(rest, rest + size - 1);
  try {
    check_settings(ringdown::parse_config(text, "a.toml"));
  } catch (const ringdown::ConfigError& e) {
    check_refusal(e.what(), std::count(text.begin(), text.end(), '\n') + 1);
  }
  return 0;
}
