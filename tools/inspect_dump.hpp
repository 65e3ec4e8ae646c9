// inspect_dump.hpp: writes out what a ring still holds, consumed or not: as CSV, or into a database of its own.
#pragma once

#include <cstdint>
#include <string>

#include "ring/segment.hpp"

namespace inspect {

struct Dumped {
  std::uint64_t samples = 0, left_out = 0;  // the latter cannot be believed
};

/// To standard output, by time, as `ring-query --format csv` writes samples and ring-replay reads them.
Dumped dump_csv(const ring::Segment& segment);

/// As ring-persister would have stored and rolled it up. Throws ring::Error when the file is there already.
Dumped dump_database(const ring::Segment& segment, const std::string& path);

}  // namespace inspect
