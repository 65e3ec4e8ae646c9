// inspect_open.hpp: finds the ring that a person named, or the copy at a path.
#pragma once

#include <set>
#include <string>

#include "ring/segment.hpp"

namespace inspect {

/// The rings that there are, by their objects' names.
std::set<std::string> ring_names();

/// The ring of an object's path, /dev/shm/ringdown-plant; empty for any other path.
std::string ring_at(const std::string& path);

/// A ring's name, or a path, which has a '/' in it. Throws ring::Error, which offers the nearest names.
ring::Segment open_ring(const std::string& name_or_path);

/// " ; did you mean a or b?", or what there is instead.
std::string offer_rings(const std::string& wanted);

}  // namespace inspect
