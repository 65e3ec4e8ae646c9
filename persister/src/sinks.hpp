// sinks.hpp: all destinations of remote write, as the Loop sees them: it writes how far they are, by its connection, and
// keeps the batches and rows that they need yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hold.hpp"
#include "own_metrics.hpp"
#include "sink_meter.hpp"
#include "sink_rows.hpp"
#include "sink_thread.hpp"

namespace ringdown {

class Sinks {
 public:
  using Clock = std::chrono::steady_clock;

  /// Makes the rows of new destinations. @param send  else nothing is sent, but what they need is kept. Throws SqliteError.
  Sinks(Database& database, const std::vector<RemoteWriteSettings>& settings, bool send, std::int64_t (*wall_ns)());

  /// After a commit.
  void committed();
  /// Every second: writes what has changed, and gives up what has waited for too long. Throws SqliteError; then it is
  /// tried again by the next call. @return whether it was time to, and there is any destination
  bool run(Clock::time_point now);
  /// Nobody writes these series any more, and what was written is committed.
  void end_series(const std::vector<std::uint32_t>& series);
  /// Begins to end the threads.
  void request_stop();
  /// The same, and writes what has changed. Throws SqliteError.
  void stop();
  /// What is needed yet. Throws SqliteError.
  Hold hold();
  void add_figures(std::vector<Figure>& out);

 private:
  struct One {
    RemoteWriteSettings settings;
    SinkTable table;
    SinkRow row = {};           // as it is in the database
    SinkNews news = {};         // that is not there yet
    std::int64_t skipped = 0;   // batches up to it are not kept for it any more
    std::string told = {};      // state
    Clock::time_point told_at = {};
    SinkMeter meter = {};
    std::unique_ptr<SinkThread> thread = {};
  };
  void open(One& one, const std::vector<SinkRow>& rows);
  void open_raw(One& one, bool is_new);
  struct Change {
    SinkRow row;
    std::int64_t skipped = 0;
    std::int64_t lost_first = 0, lost = 0;  // batch; samples of it and those up to `skipped`
  };
  void write();
  Change change_of(One& one);
  std::int64_t needed_from_s(const One& one);
  void tell(One& one, Clock::time_point now);

  Database& database_;
  std::int64_t (*wall_ns_)();
  std::vector<One> all_;
  Clock::time_point due_{};
};

}  // namespace ringdown
