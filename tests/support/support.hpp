// support.hpp: what the tests share: names of their own, temporary folders, child processes, seeds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// A ring name that no other test uses; the object is removed at the end of the process, however it ends.
std::string unique_ring();

/// A folder of its own below the system's temporary folder, removed like the rings.
std::filesystem::path unique_folder();

/// From RINGDOWN_SEED, or random. Print it: INFO("RINGDOWN_SEED=" << seed).
std::uint64_t test_seed();

/// Whether this is a build in which a round takes ten times as long, so that fewer of them have to do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

/// `count`, or what the environment variable RINGDOWN_ROUNDS says.
int rounds(int count);

/// A child process, killed at the end of its scope.
class Child {
 public:
  Child() = default;
  /// Runs `body` in a fork of this process and exits with what it returns.
  explicit Child(const std::function<int()>& body);
  /// Runs a program; its output goes to `output` when that is not empty.
  explicit Child(const std::vector<std::string>& command, const std::filesystem::path& output = {});
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  bool running();
  void signal(int number) const;
  /// SIGKILL, and waits for the end.
  void kill();
  /// Waits for the end. @return the exit status, or 128 + the signal's number
  int wait();

 private:
  pid_t pid_ = -1;
};

/// Runs a program to its end.
struct Run {
  int status;
  std::string output;  // stdout and stderr
};
Run run(const std::vector<std::string>& command);

/// Memory shared with children, zeroed.
template <class T>
T& shared();
void* shared_bytes(std::size_t size);
template <class T>
T& shared() {
  return *static_cast<T*>(shared_bytes(sizeof(T)));
}

std::string read_file(const std::filesystem::path& path);

}  // namespace support
