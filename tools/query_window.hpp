// query_window.hpp: functions of the samples of windows of time, by series or by groups of them.
//
// A window is put together from the widest rows that fit into it, and where those end, from narrower ones, and at last from
// samples: each instant is taken from one of them, so that there is no seam where they meet.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "query_function.hpp"
#include "query_read.hpp"
#include "sqlite.hpp"

namespace ringdown {

struct WindowOptions {
  std::int64_t step_ns = 0;  // of a window. Whole days begin at local midnight, all others at multiples since the epoch
  std::vector<Function> functions;
  std::vector<std::string> by;  // labels: series of one name that have the same are one; empty: each is alone
};

/// The start of the window that `time_ns` is in, and that of the next one.
struct Window {
  std::int64_t begin_ns, end_ns;
};
Window window_at(std::int64_t time_ns, std::int64_t step_ns);

/// Of some that a person would choose, 1s to 1w, the least with at most `rows_max` windows in what the database has of the range.
std::int64_t choose_window_ns(Database& database, const Range& range, std::int64_t rows_max);

/// What the samples of a series, or of a group of them, come to in a window of `seconds`, as far as anything is known of it.
using OnWindow =
    std::function<void(const Series& series, ring::Kind kind, const Window& window, const Rollup& row, double seconds)>;

/// Each window that overlaps the range and has samples, or a state that held on; whole windows. Throws SqliteError.
void for_each_window(Database& database, std::int64_t step_ns, const std::vector<std::string>& by, Query& query,
                     const OnWindow& on_window);

/// Writes the functions of each window that overlaps the range and has samples, or a state that held on; whole windows.
/// Throws SqliteError.
void write_windows(Database& database, const WindowOptions& options, Query& query, Writer& writer);

}  // namespace ringdown
