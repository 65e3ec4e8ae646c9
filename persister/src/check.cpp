#include "check.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "sqlite.hpp"

namespace ringdown {
namespace {

/// quick_check words what it could not read as findings, too: with a code, or none for lists and pointer maps.
bool was_unreadable(const std::string& findings) {
  constexpr std::string_view coded = "error code=";
  if (findings.find("ailed to get page") != std::string::npos ||
      findings.find("Failed to read ptrmap") != std::string::npos)
    return true;
  for (auto at = findings.find(coded); at != std::string::npos; at = findings.find(coded, at + 1))
    if (!SqliteError(std::atoi(findings.c_str() + at + coded.size()), "").is_damage()) return true;
  return false;
}

}  // namespace

Check::Check(const std::string& database) : database_(database), thread_([this] { run(); }) {}

Check::~Check() {
  stop_ = true;
  thread_.join();
}

std::optional<std::string> Check::result() {
  const std::lock_guard lock(mutex_);
  return result_;
}

void Check::run() {
  // Less urgent than the drain; not idle, lest it be kept from running while it holds one of SQLite's short locks.
  constexpr int less_urgent = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), less_urgent);  // of this thread
  auto found = look();
  const std::lock_guard lock(mutex_);
  if (!stop_) result_ = std::move(found);
}

std::string Check::look() {
  try {
    Database database(database_, Database::Access::read_only);
    database.cancel_when(stop_);
    std::vector<std::string> tables;
    for (Statement each(database, "SELECT name FROM sqlite_schema WHERE type = 'table'"); each.step();)
      tables.push_back(each.text(0));
    for (const auto& table : tables) {
      Statement check(database, "PRAGMA quick_check(\"" + table + "\")");
      if (!check.step() || check.text(0) == "ok") continue;
      const auto found = "table " + table + ": " + check.text(0);
      if (!was_unreadable(found)) return found;
      if (!stop_) spdlog::warn("database {}: {}; the check after the unclean stop is given up", database_, found);
      return {};
    }
  } catch (const SqliteError& e) {
    if (e.is_damage()) return e.what();
    if (!stop_) spdlog::warn("{}; the check after the unclean stop is given up", e.what());
  }
  return {};
}

}  // namespace ringdown
