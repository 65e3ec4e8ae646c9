#include "service.hpp"

#include <fmt/format.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <mutex>

namespace ringdown {
namespace {

constexpr const char* program = "ring-persister";

/// Whether stderr is the journal's stream: systemd.exec(5), JOURNAL_STREAM.
bool is_in_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  return stream && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

int syslog_priority(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return LOG_DEBUG;
    case spdlog::level::info: return LOG_INFO;
    case spdlog::level::warn: return LOG_WARNING;
    case spdlog::level::err: return LOG_ERR;
    default: return LOG_CRIT;
  }
}

class JournalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit JournalSink(const std::string& database) : database_("RINGDOWN_DATABASE=" + database) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::array<std::string, 4> fields{
        fmt::format("MESSAGE={}", std::string_view(message.payload.data(), message.payload.size())),
        fmt::format("PRIORITY={}", syslog_priority(message.level)), fmt::format("SYSLOG_IDENTIFIER={}", program),
        database_};
    std::array<iovec, 4> parts{};
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = {fields[i].data(), fields[i].size()};
    ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  }
  void flush_() override {}

 private:
  std::string database_;
};

}  // namespace

void tell_manager(const std::string& state) noexcept { ::sd_notify(0, state.c_str()); }

Watchdog::Watchdog() {
  std::uint64_t us = 0;
  if (::sd_watchdog_enabled(0, &us) > 0) interval_ = std::chrono::microseconds(us / 2);
}

void Watchdog::progress(Clock::time_point now) noexcept {
  if (!interval_ || now < due_) return;
  due_ = now + *interval_ / 2;
  tell_manager("WATCHDOG=1");
}

void start_log(const std::string& database) {
  spdlog::set_default_logger(is_in_journal()
                                 ? std::make_shared<spdlog::logger>(program, std::make_shared<JournalSink>(database))
                                 : std::make_shared<spdlog::logger>(
                                       program, std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
}

}  // namespace ringdown
