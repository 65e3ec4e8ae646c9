// query_plot.hpp: series as lines in the terminal, in braille: two dots by four a character.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringdown {

/// What was seen at a time, or in a bucket from there on.
struct PlotPoint {
  std::int64_t time_ns;
  double low, high;
  double middle = 0;  // the mean, where there is one
};

/// Lines of text, each at most `width` characters: the plot with its least and greatest value, and the local times of its ends.
/// A column shows everything between its least and its greatest value, so that no spike is lost; columns without points are left
/// out of the line where more than `gap_ns` lie between two points.
/// @param points  in time order, not empty
/// @param width   characters, at least 30
/// @param height  of the plot itself, characters
std::vector<std::string> plot(const std::vector<PlotPoint>& points, std::int64_t gap_ns, std::size_t width, std::size_t height);

}  // namespace ringdown
