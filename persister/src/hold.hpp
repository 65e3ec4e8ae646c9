// hold.hpp: what destinations of remote write need yet, whatever its age.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "rules.hpp"

namespace ringdown {

struct Hold {
  static constexpr std::int64_t nothing = std::numeric_limits<std::int64_t>::max();
  std::int64_t batch = nothing;                        // from this one on
  std::array<std::int64_t, tier_count> bucket_s{nothing, nothing, nothing, nothing, nothing};  // of each tier, likewise
};

}  // namespace ringdown
