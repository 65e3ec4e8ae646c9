// bus_guard.hpp: lets a reader survive that somebody truncates a ring under it.
// A touch of a page behind the object's new end raises SIGBUS; the handler puts a page of zeros there, the reader
// goes on, finds nothing it could believe, and asks hit().
#pragma once

#include <cstddef>

namespace ringdown {

class BusGuard {
 public:
  /// Watches a mapping for its own lifetime. Most guards at once: 256; a further one guards nothing.
  BusGuard(const void* begin, std::size_t bytes) noexcept;
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;
  /// Whether a page of the mapping was gone.
  bool hit() const noexcept;

 private:
  int index_;
};

}  // namespace ringdown
