// ownership.hpp: who holds a lane, told by the kernel.
// An open-file-description lock on one byte is held under SIGSTOP, released at death even of a zombie, and
// needs no pid and no heartbeat. Each producer opens the object for itself, so two of them conflict inside
// one process as well.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "ring/abi.hpp"
#include "ring/error.hpp"
#include "ring/words.hpp"

namespace ring {

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

namespace lock {

inline struct flock byte_lock(short type, std::int64_t offset) noexcept {
  struct flock what{};
  what.l_type = type;
  what.l_whence = SEEK_SET;
  what.l_start = offset;
  what.l_len = 1;
  return what;
}

/// @return false when another description holds it; throws Error on anything else
inline bool try_acquire(int descriptor, std::int64_t offset) {
  auto what = byte_lock(F_WRLCK, offset);
  if (::fcntl(descriptor, F_OFD_SETLK, &what) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw system_error("lock byte " + std::to_string(offset) + " of the ring", errno);
}

inline void release(int descriptor, std::int64_t offset) noexcept {
  auto what = byte_lock(F_UNLCK, offset);
  ::fcntl(descriptor, F_OFD_SETLK, &what);
}

/// Whether any other description holds it. Works on a read-only descriptor.
inline bool is_held(int descriptor, std::int64_t offset) noexcept {
  auto what = byte_lock(F_WRLCK, offset);
  return ::fcntl(descriptor, F_OFD_GETLK, &what) == 0 && what.l_type != F_UNLCK;
}

}  // namespace lock

/// A copy of an abi::Identity.
struct Holder {
  std::uint32_t pid = 0;
  std::uint64_t pid_namespace = 0;
  std::int64_t process_start_ns = 0;
  std::int64_t since_ns = 0;
  std::array<char, 16> name_bytes{};

  std::string name() const { return {name_bytes.data(), ::strnlen(name_bytes.data(), name_bytes.size())}; }
  /// For messages.
  std::string text() const { return pid ? name() + " (pid " + std::to_string(pid) + ")" : "(unknown)"; }
};

/// Makes a name fit for logs and the database.
inline void clean_name(Holder& holder) noexcept {
  for (char& c : holder.name_bytes)
    if (c != 0 && (c < 0x20 || c > 0x7e)) c = '?';
}

/// CLOCK_REALTIME at which this process started, from /proc; 0 if unknown. Resolution: a clock tick.
inline std::int64_t process_start_ns() noexcept {
  std::FILE* stat = std::fopen("/proc/self/stat", "re");
  if (!stat) return 0;
  std::array<char, 1024> text{};
  const std::size_t size = std::fread(text.data(), 1, text.size() - 1, stat);
  std::fclose(stat);
  const std::string_view line(text.data(), size);
  auto at = line.rfind(')');  // the command name before it may hold spaces
  for (int field = 2; field < 22 && at != line.npos; ++field) at = line.find(' ', at + 1);
  if (at == line.npos) return 0;
  const auto ticks = std::strtoll(line.data() + at + 1, nullptr, 10);
  const auto boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
  return boot_ns + ticks * (1'000'000'000LL / ::sysconf(_SC_CLK_TCK));
}

/// This process, under `name` or, if that is empty, under its command name.
inline Holder this_process(std::string_view name = {}) noexcept {
  Holder me;
  me.pid = static_cast<std::uint32_t>(::getpid());
  struct stat ns{};
  if (::stat("/proc/self/ns/pid", &ns) == 0) me.pid_namespace = ns.st_ino;
  me.process_start_ns = process_start_ns();
  me.since_ns = clock_ns(CLOCK_REALTIME);
  if (name.empty()) {
    if (std::FILE* comm = std::fopen("/proc/self/comm", "re")) {
      const auto size = std::fread(me.name_bytes.data(), 1, me.name_bytes.size(), comm);
      std::fclose(comm);
      if (size > 0 && me.name_bytes[size - 1] == '\n') me.name_bytes[size - 1] = 0;
    }
  } else {
    std::memcpy(me.name_bytes.data(), name.data(), std::min(name.size(), me.name_bytes.size()));
  }
  return me;
}

/// Writes an Identity that only the holder of its lock may write.
inline void write_identity(abi::Identity& to, const Holder& from) noexcept {
  const auto version = words::load(to.version) | 1;
  words::store(to.version, version);
  words::fence(std::memory_order_release);  // SYNC identity: odd before any word changes
  std::uint64_t name[2];
  std::memcpy(name, from.name_bytes.data(), sizeof name);
  words::store(to.pid, from.pid);
  words::store(to.pid_namespace, from.pid_namespace);
  words::store(to.process_start_ns, from.process_start_ns);
  words::store(to.since_ns, from.since_ns);
  words::store(to.name[0], name[0]);
  words::store(to.name[1], name[1]);
  words::store(to.version, version + 1, std::memory_order_release);  // SYNC identity
}

/// A consistent copy; an empty one when a bounded number of tries finds none: its writer was killed half-way.
inline Holder read_identity(const abi::Identity& from) noexcept {
  for (int attempt = 0; attempt < 100; ++attempt) {
    Holder out;
    const auto before = words::load(from.version, std::memory_order_acquire);  // SYNC identity
    const std::uint64_t name[2] = {words::load(from.name[0]), words::load(from.name[1])};
    out.pid = words::load(from.pid);
    out.pid_namespace = words::load(from.pid_namespace);
    out.process_start_ns = words::load(from.process_start_ns);
    out.since_ns = words::load(from.since_ns);
    std::memcpy(out.name_bytes.data(), name, sizeof name);
    words::fence(std::memory_order_acquire);  // SYNC identity
    if (before % 2 == 0 && words::load(from.version) == before) {
      clean_name(out);
      return out;
    }
  }
  return {};
}

}  // namespace ring
