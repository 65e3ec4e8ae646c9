// at_work.hpp: which of the persister's jobs is in the middle of its transaction, seen from the statements that SQLite
// runs.
#pragma once

#include <array>
#include <string>

#include "shim_vfs.hpp"

namespace storage {

/// A job is at work from the statement of its transaction that tells it until SQLite has made the COMMIT.
enum class Job {
  none, commit, fold_1s, fold_1m, redo_1m, redo_wide, widen_5m, widen_1h, seal, merge, sweep, delete_raw, delete_rows, vacuum, checkpoint
};
inline constexpr std::array job_names{"none",     "commit",   "fold 1s", "fold 1m", "redo 1m", "redo 5m/1h", "widen 5m",  "widen 1h",
                                      "seal",     "merge",    "sweep",   "delete raw", "delete rows", "vacuum", "checkpoint"};
inline constexpr std::size_t job_count = job_names.size();

/// From here on the statements of every connection that this process opens are seen.
void watch_jobs();
/// Whose call to the system this is.
Job at_work(const Event& event);

/// A number by job.
struct ByJob : std::array<int, job_count> {
  ByJob() { fill(0); }
  int& of(Job job) { return (*this)[static_cast<std::size_t>(job)]; }
  std::string text() const {
    std::string out;
    for (std::size_t i = 0; i < job_count; ++i)
      out += (i ? ", " : "") + std::string(job_names[i]) + " " + std::to_string((*this)[i]);
    return out;
  }
};

}  // namespace storage
