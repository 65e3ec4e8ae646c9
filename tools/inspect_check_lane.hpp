// inspect_check_lane.hpp: the part of the check that looks at one lane: its header, arena, slots and records.
#pragma once

#include "inspect_check.hpp"
#include "ring/lane.hpp"

namespace inspect {

/// Adds the lane's faults and counts to `report`. `offset` is the lane's in the object, and `view` lies within it.
void check_lane(CheckReport& report, const ring::LaneView& view, std::uint32_t index, std::uint64_t offset,
                bool is_live);

}  // namespace inspect
