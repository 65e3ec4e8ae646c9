// inspect_follow.hpp: prints samples of a ring as they are pushed.
#pragma once

#include <cstdint>
#include <string>

#include "bus_guard.hpp"
#include "ring/segment.hpp"

namespace inspect {

struct FollowOptions {
  std::string selector;
  std::uint64_t count = 0;  // ends after so many; 0: goes on
  bool json = false;        // a line each
};

/// Until the count, or until the ring is deleted or replaced, which throws ring::Error as does a selector without a
/// match.
void follow(const ring::Segment& segment, const ringdown::BusGuard& guard, const FollowOptions& options);

}  // namespace inspect
