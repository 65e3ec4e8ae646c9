// page_cache.hpp: takes a file out of the kernel's page cache, and tells how much of it is there.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "ring/error.hpp"

namespace bench {

/// Cold is what this makes: no page of the file in this kernel's cache. What the disk, or a virtual machine's host,
/// keeps of it stays there.
inline void drop_from_page_cache(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw ring::system_error("open " + path, errno);
  ::fsync(fd);  // only clean pages go
  const int code = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  if (code != 0) throw ring::system_error("posix_fadvise " + path, code);
}

/// MiB of the file that are in the page cache.
inline double page_cache_mib(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat file {};
  if (fd < 0 || ::fstat(fd, &file) != 0) throw ring::system_error("open " + path, errno);
  const auto size = static_cast<std::size_t>(file.st_size), page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const at = ::mmap(nullptr, size, PROT_NONE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) throw ring::system_error("mmap " + path, errno);
  std::vector<unsigned char> pages((size + page - 1) / page);
  ::mincore(at, size, pages.data());
  ::munmap(at, size);
  std::size_t there = 0;
  for (const auto each : pages) there += each & 1;
  return static_cast<double>(there * page) / (1 << 20);
}

}  // namespace bench
