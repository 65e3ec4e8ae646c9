// nearest.hpp: what a person may have meant by a name that does not exist.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace ringdown {

/// Up to three of `names` that `wanted` may have meant, the most similar first.
std::vector<std::string> nearest_names(const std::string& wanted, const std::set<std::string>& names);

}  // namespace ringdown
