// check_config.hpp: a configuration in words, for a person who wants to know what it means.
#pragma once

#include <string>

#include "loop.hpp"

namespace ringdown {

/// The database, the rings, the tiers and the rules in their order, on several lines.
std::string config_text(const Settings& settings);

/// Which rule the series gets, and what follows from it. Its kind is not known.
std::string policy_text(const Rules& rules, const ring::Definition& series);

}  // namespace ringdown
