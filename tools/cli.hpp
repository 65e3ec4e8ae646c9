// cli.hpp: how the tools write series, values and times for a person.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ring/definition.hpp"

namespace ringdown {

/// name{label="value",...}, as Prometheus writes it.
std::string series_text(const ring::Definition& definition);

/// With a ? for every character that would steer a terminal: what comes from a ring is not believed.
std::string printable(std::string text);

/// The value with its unit, or a state's name. Shortest text that reads back as the same number.
std::string value_text(const ring::Definition& definition, double value);

/// Runs what a tool was asked for, and tells what it throws.
/// @return its exit status: 2 for a bad argument, 1 for all else that is thrown
int exit_status(void (*complain)(const std::string&), const std::function<int()>& run);

/// Local time, "2026-11-24 10:00:00.123", with 0, 3 or 9 decimals.
std::string local_time(std::int64_t time_ns, int decimals);

}  // namespace ringdown
