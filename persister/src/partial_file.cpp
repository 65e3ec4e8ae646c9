#include "partial_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>

#include "database_files.hpp"
#include "ring/error.hpp"
#include "ring/ownership.hpp"

namespace ringdown {
namespace {

constexpr const char* beside[] = {"-journal", "-wal", "-shm"};  // SQLite's files of a database

/// Of a file: ring::system_error's remedies are about /dev/shm.
[[noreturn]] void fail(const std::string& what, int code) {
  throw ring::Error(ring::Failure::system, what + ": " + std::strerror(code));
}

}  // namespace

PartialFile::PartialFile(const std::string& target) : target_(target), path_(target + ".partial") {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (descriptor_ < 0) fail("create " + path_, errno);
  struct stat mine {}, there {};
  if (!ring::lock::try_acquire(descriptor_, 0) || ::fstat(descriptor_, &mine) != 0 ||
      ::stat(path_.c_str(), &there) != 0 || mine.st_ino != there.st_ino) {
    ::close(descriptor_);
    throw ring::Error(ring::Failure::busy, path_ + ": another ring-persister is making it; wait for its end");
  }
  for (const auto* suffix : beside) ::unlink((path_ + suffix).c_str());  // of one that was killed
  if (::ftruncate(descriptor_, 0) != 0 || ::fchmod(descriptor_, 0640) != 0) {
    const int code = errno;
    ::close(descriptor_);
    fail("empty " + path_, code);
  }
}

PartialFile::~PartialFile() {
  if (!placed_) {
    ::unlink(path_.c_str());
    for (const auto* suffix : beside) ::unlink((path_ + suffix).c_str());
  }
  ::close(descriptor_);
}

void PartialFile::require_room(std::uint64_t bytes) const {
  struct statvfs disk {};
  if (::fstatvfs(descriptor_, &disk) != 0) return;  // then the write will tell
  const auto free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free < bytes)
    throw ring::Error(ring::Failure::system,
                      fmt::format("{}: {} MiB are free in its folder, expected {} at least; free some, or choose another "
                                  "disk",
                                  path_, free >> 20, (bytes >> 20) + 1));
}

void PartialFile::begin_sync() const noexcept { ::sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE); }

void PartialFile::sync() const {
  if (::fsync(descriptor_) != 0) fail("sync " + path_, errno);
}

void PartialFile::give_to(uid_t user, gid_t group, mode_t mode) const {
  struct stat now {};
  if (::fstat(descriptor_, &now) != 0) fail("stat " + path_, errno);
  if ((now.st_uid != user || now.st_gid != group) && ::fchown(descriptor_, user, group) != 0)
    fail(fmt::format("give {} to user {} and group {} (run as root, or as that user)", path_, user, group), errno);
  if (::fchmod(descriptor_, mode) != 0) fail("chmod " + path_, errno);
}

void PartialFile::place(bool replace) {
  sync();
  int code = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), replace ? 0 : RENAME_NOREPLACE);
  if (code != 0 && errno == EINVAL && ::access(target_.c_str(), F_OK) != 0)  // a file system that cannot tell
    code = ::rename(path_.c_str(), target_.c_str());
  if (code != 0) fail("rename " + path_ + " to " + target_, errno);
  placed_ = true;
  sync_folder_of(target_);
}

}  // namespace ringdown
