// inspect_show.hpp: what ring-inspect prints of a ring once: tables for a person, or one JSON object.
#pragma once

#include <optional>
#include <vector>

#include "inspect_database.hpp"
#include "inspect_lane.hpp"
#include "ring/segment.hpp"

namespace inspect {

void print_table(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                 const std::vector<RecordReport>& records);
void print_json(const ring::Segment& segment, const std::vector<LaneReport>& lanes,
                const std::vector<RecordReport>& records, const std::optional<DatabaseReport>& stored);

}  // namespace inspect
