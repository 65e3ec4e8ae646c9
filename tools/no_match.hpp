// no_match.hpp: why a selector matches no series, and what a person may have meant.
#pragma once

#include <string>
#include <vector>

#include "ring/definition.hpp"
#include "selector.hpp"

namespace ringdown {

/// @param known    every series that there is
/// @param whose    who has them: "the database"
std::string no_match(const Selector& selector, const std::vector<ring::Definition>& known, const std::string& whose);

}  // namespace ringdown
