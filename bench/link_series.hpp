// link_series.hpp: a link controller's cycles, series by series.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "link.hpp"
#include "rollup.hpp"

namespace bench {

struct NamedSeries {
  std::string name;
  std::vector<ringdown::Point> points;
};

/// @param late_us  how late a cycle begins after its time, on average; 0: never
inline std::vector<NamedSeries> link_series(std::size_t cycles, double late_us) {
  std::vector<NamedSeries> out;
  for (const auto* name : ringdown::Link::names) out.push_back({name, {}});
  ringdown::Link link(1);
  std::mt19937_64 random(2);
  std::exponential_distribution<> late(1);
  for (std::size_t cycle = 0; cycle < cycles; ++cycle) {
    const auto time_ns = 1'700'000'040'000'000'000 + static_cast<std::int64_t>(cycle) * 50'000'000 +
                         static_cast<std::int64_t>(late_us * 1000 * late(random));
    const auto values = link.next();
    for (std::size_t s = 0; s < values.size(); ++s) out[s].points.push_back({time_ns, values[s]});
  }
  return out;
}

}  // namespace bench
