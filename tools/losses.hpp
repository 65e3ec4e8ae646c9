// losses.hpp: what a producer has lost, by reason, as the tools report it.
#pragma once

#include <array>
#include <cstdint>

#include "ring/producer.hpp"

namespace ringdown {

/// By ring::abi::Loss, those that a producer counts.
inline constexpr std::array loss_names{"lane_full", "non_finite", "unknown_series", "reentrant", "detached"};
using Losses = std::array<std::uint64_t, loss_names.size()>;

/// Since it attached.
inline Losses losses(const ring::Producer& producer) noexcept {
  Losses counts;
  for (std::uint32_t r = 0; r < counts.size(); ++r) counts[r] = producer.lost(ring::abi::Loss{r});
  return counts;
}

}  // namespace ringdown
