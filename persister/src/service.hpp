// service.hpp: the persister as a unit of systemd: what it tells the service manager, and its log in the journal. Without
// either, nothing is told and the log goes to stderr.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace ringdown {

/// Tells the service manager `state`, in the words of sd_notify(3): "READY=1".
void tell_manager(const std::string& state) noexcept;

/// Tells it for as long as somebody asks often enough: the watchdog is fed by the loop's progress, and not by a timer.
class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;
  Watchdog();
  /// To be called each round.
  void progress(Clock::time_point now) noexcept;

 private:
  std::optional<Clock::duration> interval_;  // half of WatchdogSec=; nothing when there is none
  Clock::time_point due_{};
};

/// The log from here on: the journal, with fields, when stderr is connected to it; else stderr, in colour on a terminal.
/// @param database  the field RINGDOWN_DATABASE of each entry
void start_log(const std::string& database);

}  // namespace ringdown
