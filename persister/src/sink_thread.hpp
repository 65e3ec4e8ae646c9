// sink_thread.hpp: a Sink in a thread of its own, with a connection that only reads, less urgent than the drain.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "sink.hpp"

namespace ringdown {

class SinkThread {
 public:
  /// @param wall_ns  what time it is, ns since the epoch
  SinkThread(const std::string& database, const RemoteWriteSettings& settings, const SinkRow& row, std::int64_t (*wall_ns)());
  /// Ends a request that is under way; it is sent again by the next one.
  ~SinkThread();
  SinkThread(const SinkThread&) = delete;
  SinkThread& operator=(const SinkThread&) = delete;

  /// Something was committed.
  void wake();
  /// See Sink::skip_to().
  void skip_to(std::int64_t batch);
  /// See Sink::end_series().
  void end_series(const Ended& ended);
  /// Adds to what was not taken yet.
  void take_news(SinkNews& out);
  /// Begins to end it: the destructor then waits for less long.
  void request_stop();

 private:
  void run();
  void run_sink();

  const std::string database_;
  const RemoteWriteSettings settings_;
  std::int64_t (*const wall_ns_)();
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool is_woken_ = false;
  std::int64_t skipped_ = 0;
  std::vector<Ended> ended_;
  SinkNews news_;
  std::thread thread_;
};

}  // namespace ringdown
