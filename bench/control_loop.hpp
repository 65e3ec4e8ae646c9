// control_loop.hpp: the values of two link controllers, 26 each a cycle.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace bench {

inline constexpr std::size_t series_count = 52;  // two link controllers

/// One link's 26 values: measured and rounded, computed in full precision, steps, zeros, states, constants
/// and a counter. A simple stand-in for the control-loop profile.
inline double control_loop_value(std::size_t metric, std::size_t cycle) {
  const auto t = static_cast<double>(cycle);
  const bool loaded = cycle / 200 % 3 == 2;  // 10 s in 30
  const double rtt = 22 + 2 * std::sin(t) * std::sin(t * 0.37) + (loaded ? 25 : 0);
  if (metric < 2) return std::round(rtt * 10) / 10;
  if (metric < 8) return rtt * (1 + 0.1 * std::sin(t * 0.01 * static_cast<double>(metric)));
  if (metric < 12) return std::floor(t / 100) * 0.125 + static_cast<double>(metric);
  if (metric < 18) return loaded ? std::floor(50 + 40 * std::sin(t * 0.1)) : 0;
  if (metric < 21) return loaded ? 1 : 0;
  if (metric < 25) return static_cast<double>(metric);
  return t;
}

/// A minute of cycles, made once; longer runs repeat it.
inline const std::vector<double>& workload() {
  static const auto table = [] {
    std::vector<double> out;
    for (std::size_t cycle = 0; cycle < 1200; ++cycle)
      for (std::size_t s = 0; s < series_count; ++s)
        out.push_back(control_loop_value(s % 26, cycle + s / 26 * 7));
    return out;
  }();
  return table;
}

inline std::span<const double> cycle_values(std::size_t cycle) {
  return std::span(workload()).subspan(cycle * series_count % workload().size(), series_count);
}

}  // namespace bench
