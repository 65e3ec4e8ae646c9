// query_chart.hpp: series as a chart in a file, for a report: axes with units and local times, a legend, a panel a unit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query_output.hpp"

namespace ringdown {

/// Draws when it is finished, with cairo; the file is replaced when it is whole. Throws ring::Error(bad_argument) at once unless
/// `file` ends in .svg or .png, and ring::Error(system) when it cannot be written.
std::unique_ptr<Writer> make_chart_writer(const std::string& file, std::vector<std::string> columns);

}  // namespace ringdown
