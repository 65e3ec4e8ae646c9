#include "backup.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bar.hpp"
#include "database_files.hpp"
#include "ring/error.hpp"
#include "schema.hpp"

namespace ringdown {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& to, const std::string& what) {
  throw ring::Error(ring::Failure::bad_argument, "backup to " + to + ": " + what);
}

/// Before anything is written.
void require_target(const BackupCommand& command) {
  const auto& to = command.to;
  if (!fs::is_directory(folder_of(to))) refuse(to, "there is no folder " + folder_of(to) + "; make it first, or check --to");
  std::error_code none;
  if (fs::equivalent(command.from, to, none)) refuse(to, "it is the database itself; choose another name");
  if (fs::exists(to + ".lock"))
    refuse(to, to + ".lock is there: the name is a persister's database; choose another name (ring-persister restore puts "
               "a backup in a database's place)");
  for (const auto* suffix : {"-wal", "-shm", "-journal"})
    if (fs::exists(to + suffix))
      refuse(to, to + suffix + " is there, which would be taken for a part of the backup: whoever writes to that name must "
                               "end, or delete it");
  if (!fs::exists(fs::symlink_status(to))) return;
  if (!command.replace) refuse(to, "there is one already; choose another name, or say --replace");
  if (const auto found = application_of(to); found != schema::application_id)
    refuse(to, "what is there is no backup (application_id " + std::to_string(found) + ", expected " +
                   std::to_string(schema::application_id) + "), and is not replaced; choose another name");
}

std::string backup_json(const BackupCommand& command, const Copied& copied) {
  return nlohmann::ordered_json{{"from", command.from},
                                {"to", command.to},
                                {"bytes", copied.bytes},
                                {"copy_s", copied.copy_s},
                                {"check_s", copied.check_s},
                                {"wal_bytes", copied.wal_bytes},
                                {"verified", copied.is_verified},
                                {"committed_ns", copied.committed_ns}}
             .dump(2) +
         "\n";
}

Copied copy(const BackupCommand& command, const PartialFile& partial) {
  Bar bar;
  return copy_database(command.from, partial, command.copy, [&](const auto& pass, double part) {
    if (!command.quiet) bar.draw(pass, part);
  });
}

}  // namespace

void lower_priority() {
  constexpr int less_urgent = 10;
  ::setpriority(PRIO_PROCESS, 0, less_urgent);
}

int backup_command(const BackupCommand& command) try {
  lower_priority();
  require_target(command);
  PartialFile partial(command.to);
  const auto copied = copy(command, partial);
  if (!is_sound(copied, command.from)) return 1;
  partial.place(command.replace);
  if (command.json)
    std::fputs(backup_json(command, copied).c_str(), stdout);
  else if (!command.quiet)
    std::printf("%s is a backup of %s: %s\n", command.to.c_str(), command.from.c_str(), copied_text(copied).c_str());
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

}  // namespace ringdown
