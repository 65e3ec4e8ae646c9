#include "database_files.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "ring/error.hpp"
#include "ring/ownership.hpp"

namespace ringdown {
namespace fs = std::filesystem;

DatabaseLock::DatabaseLock(const std::string& database) : path_(database + ".lock") {
  const auto& path = path_;
  used_before_ = ::access(path.c_str(), F_OK) == 0;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
  if (descriptor_ < 0) throw ring::system_error("open " + path, errno);
  if (!ring::lock::try_acquire(descriptor_, 0)) {
    char holder[64] = {};
    const auto size = ::pread(descriptor_, holder, sizeof holder - 1, 0);
    ::close(descriptor_);
    throw ring::Error(ring::Failure::busy, "database " + database + ": " +
                                               (size > 0 ? holder : "another ring-persister") +
                                               " writes to it already; end that one first");
  }
  const auto me = ring::this_process();
  const auto text = me.name() + " (pid " + std::to_string(me.pid) + ")";
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    throw ring::system_error("write " + path, errno);
}
DatabaseLock::~DatabaseLock() { ::close(descriptor_); }
void DatabaseLock::remove() const noexcept { ::unlink(path_.c_str()); }

std::string folder_of(const std::string& file) {
  const auto folder = fs::path(file).parent_path();
  return folder.empty() ? "." : folder.string();
}

namespace {

struct FileSystem {
  unsigned type;
  const char* name;
};
// Of statfs(2), where linux/magic.h does not have them.
constexpr std::array local_file_systems{
    FileSystem{EXT4_SUPER_MAGIC, "ext4"},   FileSystem{0x58465342, "xfs"},          FileSystem{BTRFS_SUPER_MAGIC, "btrfs"},
    FileSystem{0x2fc12fc1, "zfs"},          FileSystem{F2FS_SUPER_MAGIC, "f2fs"},   FileSystem{0xca451a4e, "bcachefs"},
    FileSystem{TMPFS_MAGIC, "tmpfs"},       FileSystem{OVERLAYFS_SUPER_MAGIC, "overlayfs"},
    FileSystem{0x24051905, "ubifs"},        FileSystem{NILFS_SUPER_MAGIC, "nilfs2"}, FileSystem{0x3153464a, "jfs"},
};

const char* name_of(unsigned type) {
  constexpr std::array others{
      FileSystem{NFS_SUPER_MAGIC, "nfs"},        FileSystem{SMB_SUPER_MAGIC, "smb"}, FileSystem{0xff534d42, "cifs"},
      FileSystem{0xfe534d42, "smb2"},            FileSystem{V9FS_MAGIC, "9p"},       FileSystem{0x65735546, "fuse"},
      FileSystem{CEPH_SUPER_MAGIC, "ceph"},      FileSystem{AFS_SUPER_MAGIC, "afs"}, FileSystem{MSDOS_SUPER_MAGIC, "vfat"},
      FileSystem{RAMFS_MAGIC, "ramfs"},
  };
  const auto* const at =
      std::find_if(others.begin(), others.end(), [&](const FileSystem& each) { return each.type == type; });
  return at != others.end() ? at->name : "unknown";
}

}  // namespace

void require_local_file_system(const std::string& database) {
  struct statfs found {};
  const auto folder = folder_of(database);
  if (::statfs(folder.c_str(), &found) != 0)
    throw ring::system_error("database " + database + ": folder " + folder, errno);
  const auto type = static_cast<unsigned>(found.f_type);
  std::string known;
  for (const auto& each : local_file_systems) {
    if (each.type == type) return;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  char number[16];
  std::snprintf(number, sizeof number, "0x%x", type);
  throw ring::Error(ring::Failure::bad_argument,
                    "database " + database + ": its file system is of type " + name_of(type) + " (" + number +
                        "); expected one of " + known +
                        ", where locks, shared mappings and syncs are this machine's own. Choose another folder, or say "
                        "--any-file-system if you know that it has them");
}

void create_file(const std::string& database) {
  const int descriptor = ::open(database.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (descriptor >= 0) ::close(descriptor);
  else if (errno != EEXIST) throw ring::system_error("create database " + database, errno);
}

namespace {

/// Bytes of each database that was moved aside, by name, with its -wal and -shm.
std::map<std::string, std::uint64_t> moved_aside(const std::string& database) {
  std::map<std::string, std::uint64_t> out;
  const auto prefix = fs::path(database).filename().string() + ".damaged-";
  for (const auto& entry : fs::directory_iterator(folder_of(database))) {
    auto name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    for (const auto* suffix : {"-wal", "-shm"})
      if (name.ends_with(suffix)) name.resize(name.size() - 4);
    std::error_code gone;
    const auto bytes = entry.file_size(gone);
    out[(fs::path(folder_of(database)) / name).string()] += gone ? 0 : bytes;
  }
  return out;
}

void drop_oldest(const std::string& database) {
  const auto all = moved_aside(database);
  std::uint64_t bytes = 0;
  std::size_t kept = 0;
  for (auto each = all.rbegin(); each != all.rend(); ++each) {
    bytes += each->second;
    if (kept++ == 0 || (kept <= aside_max && bytes <= aside_bytes_max)) continue;
    for (const auto* suffix : {"", "-wal", "-shm"}) fs::remove(each->first + suffix);
  }
}

}  // namespace

std::vector<pid_t> readers(const std::string& database) {
  std::vector<pid_t> out;
  struct stat shm {};
  if (::stat((database + "-shm").c_str(), &shm) != 0) return out;
  // "1: POSIX  ADVISORY  READ 4711 fd:01:131081 124 124": of pid 4711, on device and inode, bytes 124 to 124. SQLite's
  // read locks are bytes 123 to 127 (UNIX_SHM_BASE + WAL_READ_LOCK in its sources).
  std::ifstream locks("/proc/locks");
  std::string number, kind, advice, access, place;
  pid_t pid;
  for (std::string line; std::getline(locks, line);) {
    std::uint64_t first = 0;
    if (!(std::istringstream(line) >> number >> kind >> advice >> access >> pid >> place >> first)) continue;
    if (place.substr(place.rfind(':') + 1) != std::to_string(shm.st_ino) || first < 123 || first > 127) continue;
    if (pid > 0 && pid != ::getpid() && std::find(out.begin(), out.end(), pid) == out.end()) out.push_back(pid);
  }
  return out;
}

void sync_folder_of(const std::string& file) {
  if (const int folder = ::open(folder_of(file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

std::string move_aside(const std::string& database, const std::string& why) {
  char time[32];
  std::tm utc{};
  const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
  const std::time_t now_s = now_ns / 1'000'000'000;
  ::gmtime_r(&now_s, &utc);
  const auto length = std::strftime(time, sizeof time, "%Y%m%dT%H%M%S", &utc);
  std::snprintf(time + length, sizeof time - length, ".%03dZ", static_cast<int>(now_ns / 1'000'000 % 1000));
  const auto name = database + "." + why + "-" + time;
  // The WAL first: without its database it is no danger to the next one, which it could be the other way round.
  for (const auto* suffix : {"-wal", "-shm", ""})
    if (::rename((database + suffix).c_str(), (name + suffix).c_str()) != 0 && errno != ENOENT)
      throw ring::system_error("move database " + database + suffix + " aside", errno);
  sync_folder_of(database);
  drop_oldest(database);
  return name;
}

}  // namespace ringdown
