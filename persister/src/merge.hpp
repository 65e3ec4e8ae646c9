// merge.hpp: makes one window of several short ones: a fleet's, which are sealed by their samples and not by a quarter
// of an hour, and those of samples that came late. As with sealing, it comes into sight as a whole (window.hpp).
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "budget.hpp"
#include "sqlite.hpp"
#include "window.hpp"

namespace ringdown {

class Merge {
 public:
  static constexpr std::size_t windows = 4;  // become one

  explicit Merge(Database& database) : database_(database), chunk_(database), made_(database) {}

  /// One slice. @return whether there is more to do now
  bool run(Budget& budget);
  bool is_making() const noexcept { return is_making_; }
  /// Windows that were finished or given up.
  std::int64_t ended() const noexcept { return ended_; }

 private:
  struct Source {
    std::int64_t id, first_batch, last_batch, committed_ns, samples, strays, merged;
  };

  bool choose();
  bool fit(const Source* first) const;
  bool next_series();
  void write_series();
  void finish();

  Database& database_;
  std::int64_t changes_ = -1;     // of the windows when there was nothing to merge
  std::set<std::int64_t> damaged_;  // windows that stay as they are

  bool is_making_ = false;
  std::int64_t ended_ = 0;
  std::vector<Source> sources_;
  std::int64_t series_ = 0;
  ChunkReader chunk_;
  WindowWriter made_;
  std::vector<Point> points_;
};

}  // namespace ringdown
