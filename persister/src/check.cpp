#include "check.hpp"

#include <sched.h>
#include <spdlog/spdlog.h>

#include <vector>

#include "sqlite.hpp"

namespace ringdown {

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
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_IDLE, &none);  // of this thread; without it the check is only less polite
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
      if (check.step() && check.text(0) != "ok") return "table " + table + ": " + check.text(0);
    }
  } catch (const SqliteError& e) {
    if (e.is_damage()) return e.what();
    if (!stop_) spdlog::warn("{}; the check after the unclean stop is given up", e.what());
  }
  return {};
}

}  // namespace ringdown
