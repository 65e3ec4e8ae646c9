// check.hpp: looks for damage in a database beside its writer: a thread of its own that reads, at a lower priority.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace ringdown {

class Check {
 public:
  /// Starts PRAGMA quick_check, a table at a time, so that the WAL is held back for one table only.
  explicit Check(const std::string& database);
  /// Stops it where it is.
  ~Check();
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;

  /// Nothing while it runs; then what is wrong with the database, empty when nothing is.
  std::optional<std::string> result();

 private:
  void run();
  std::string look();

  const std::string database_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::optional<std::string> result_;
  std::thread thread_;
};

}  // namespace ringdown
