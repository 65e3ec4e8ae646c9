// inspect_watch.hpp: the full-screen live view of a ring; the one file that draws with ncurses.
#pragma once

#include <chrono>
#include <string>

namespace inspect {

/// Until q. A ring that is deleted or replaced is followed by its successor. Throws ring::Error.
void watch(const std::string& ring, std::chrono::milliseconds every);

}  // namespace inspect
