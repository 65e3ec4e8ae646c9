// config.hpp: the persister's configuration file; packaging/persister.toml explains every key.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "loop.hpp"

namespace ringdown {

/// More than this is no configuration.
inline constexpr std::size_t config_bytes_max = 1 << 20;
inline constexpr std::size_t rules_max = 1000;
inline constexpr double resolution_min = 1e-12, resolution_max = 1e12;
inline constexpr std::uint64_t size_bytes_min = 16 << 20;

/// All that is wrong with a file, a line each: FILE:LINE:COLUMN: key: what was found, what expected.
class ConfigError : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

/// `base`, changed by what the file says. Throws ConfigError.
Settings load_config(const std::string& file, const Settings& base = {});
/// The same of a text; `file` is its name in errors.
Settings parse_config(std::string_view text, const std::string& file, const Settings& base = {});

/// rtt_ms{wan="spectrum"}: a gauge of that name and those labels. Throws ring::Error(bad_argument).
ring::Definition parse_series(std::string_view text);

}  // namespace ringdown
