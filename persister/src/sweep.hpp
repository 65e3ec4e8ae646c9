// sweep.hpp: deletes what does not count any more: batches that are sealed, and chunks and columns of windows that are
// not there: expired, merged, or never finished.
#pragma once

#include <array>
#include <cstdint>

#include "budget.hpp"
#include "sqlite.hpp"

namespace ringdown {

class Sweep {
 public:
  explicit Sweep(Database& database) : database_(database) {}

  /// There may be something to do. While a window is being made it must not run.
  void begin() noexcept {
    at_ = {0, 0, 0};
    is_done_ = false;
    freed_ = 0;
  }
  bool is_done() const noexcept { return is_done_; }
  /// Pages that the last sweep has freed, or so far has.
  std::int64_t freed_pages() const noexcept { return freed_; }
  /// One slice. @return whether there is more to do now
  bool run(Budget& budget);

 private:
  bool sweep_batches(Budget& budget);
  bool sweep_rows(const char* table, std::int64_t& window, Budget& budget);

  Database& database_;
  std::array<std::int64_t, 3> at_{};  // how far each table is swept: batches; chunks and columns: windows
  bool is_done_ = false;
  std::int64_t freed_ = 0;
};

}  // namespace ringdown
