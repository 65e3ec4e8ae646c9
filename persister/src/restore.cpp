#include "restore.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "bar.hpp"
#include "database_files.hpp"
#include "ring/error.hpp"
#include "schema.hpp"

namespace ringdown {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& database, const std::string& what) {
  throw ring::Error(ring::Failure::bad_argument, "restore database " + database + ": " + what);
}

/// Keeps persisters off the database; a lock file that was not there before goes again, unless there is a database for it.
class Place {
 public:
  explicit Place(const RestoreCommand& command) : lock_((require(command), command.database)) {
    struct stat found {};
    const auto& database = command.database;
    is_there_ = ::stat(database.c_str(), &found) == 0;
    if (!is_there_ && ::stat(folder_of(database).c_str(), &found) != 0) refuse(database, std::strerror(errno));
    user_ = found.st_uid;
    group_ = found.st_gid;
    if (is_there_) mode_ = found.st_mode & 07777;
  }
  ~Place() {
    if (!lock_.used_before() && !taken_) lock_.remove();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  /// @return where the database went that was there, empty if there was none
  std::string take(PartialFile& partial, const std::string& database) {
    partial.give_to(user_, group_, mode_);
    if (!lock_.used_before() && ::chown((database + ".lock").c_str(), user_, group_) != 0)
      refuse(database, "give " + database + ".lock to its owner: " + std::strerror(errno));
    partial.sync();
    const auto aside = move_aside_whole(database);
    try {
      partial.place(false);
    } catch (const ring::Error& e) {
      refuse(database, std::string(e.what()) + (aside.empty() ? "" : "; what was there is " + aside));
    }
    taken_ = true;
    return aside;
  }

 private:
  static void require(const RestoreCommand& command) {
    const auto& database = command.database;
    if (!fs::is_directory(folder_of(database)))
      refuse(database, "there is no folder " + folder_of(database) + "; make it first, or check --db");
    if (fs::is_symlink(database))
      refuse(database, "it is a symbolic link to " + fs::read_symlink(database).string() + "; say that with --db");
    if (!command.any_file_system) require_local_file_system(database);
    std::error_code none;
    if (fs::equivalent(command.from, database, none)) refuse(database, "it is the backup itself; choose another one");
    // A damaged one that a persister has used may be replaced; what is another program's, or nobody's, may not.
    if (!fs::exists(database)) return;
    const auto found = application_of(database);
    const bool is_damaged = found == -1 && fs::exists(database + ".lock");
    if (found != schema::application_id && found != 0 && !is_damaged)
      refuse(database, "what is there belongs to another program (application_id " + std::to_string(found) + ", expected " +
                           std::to_string(schema::application_id) + "); check --db");
  }

  /// First all that its WAL has goes into it: between the renames a database without its WAL could be opened.
  std::string move_aside_whole(const std::string& database) const {
    if (is_there_) try {
        // Which needs it alone: a persister that knows it by another name has another lock.
        Database(database, Database::Access::read_write_create).execute("PRAGMA journal_mode = DELETE");
      } catch (const SqliteError& e) {
        if (e.is_busy()) refuse(database, "another program has it open; end that one first (fuser " + database + ")");
      }  // a damaged one is moved as it is
    const bool is_any = is_there_ || fs::exists(database + "-wal") || fs::exists(database + "-shm");
    return is_any ? move_aside(database, "replaced") : "";
  }

  DatabaseLock lock_;
  bool is_there_ = false, taken_ = false;
  uid_t user_ = 0;
  gid_t group_ = 0;
  mode_t mode_ = 0640;  // as the store makes one
};

Copied copy(const RestoreCommand& command, const PartialFile& partial) {
  Bar bar;
  return copy_database(command.from, partial, command.copy, [&](const auto& pass, double part) {
    if (!command.quiet) bar.draw(pass, part);
  });
}

}  // namespace

int restore_command(const RestoreCommand& command) try {
  Place place(command);
  PartialFile partial(command.database);
  const auto copied = copy(command, partial);
  if (!is_sound(copied, command.from)) return 1;
  const auto aside = place.take(partial, command.database);
  if (!command.quiet)
    std::printf("%s is now what %s has: %s\n%s", command.database.c_str(), command.from.c_str(), copied_text(copied).c_str(),
                aside.empty() ? "" : ("what was there is " + aside + ", with its -wal if it had one\n").c_str());
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

}  // namespace ringdown
