// inspect_snapshot.hpp: a copy, in this process, of what a ring holds at one moment, for what takes longer than a
// look.
#pragma once

#include "ring/segment.hpp"

namespace inspect {

/// The records of each lane that are whole and that its definitions give a meaning to, stored ones too: in the copy
/// they are what is behind the tail. The ring is only read, and neither its producers nor its reader notice.
ring::Segment take_snapshot(const ring::Segment& segment);

}  // namespace inspect
