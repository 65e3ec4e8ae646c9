// stepper.hpp: runs a process one machine instruction at a time and kills it at a chosen one (ptrace,
// x86-64).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "support.hpp"

namespace stepper {

/// Called by a victim where the stepping begins and where it ends.
[[gnu::always_inline]] inline void mark() noexcept { asm volatile("int3" ::: "memory"); }

/// A moment between the marks: the instruction that comes next, and how often it has been there before.
/// Victims are forked from one process, so the same instruction has the same address in all of them.
struct Point {
  std::uint64_t address = 0;
  std::uint64_t visit = 0;
};

class Victim {
 public:
  /// Forks a process that runs `body`, and waits until it reaches its first mark.
  explicit Victim(const std::function<void()>& body);

  pid_t pid() const noexcept { return child_.pid(); }
  /// Executes one instruction. @return false at the second mark: nothing executed
  bool step();
  /// Runs on to a point. Counts its visits from here. @return false if the second mark came first
  bool run_to(const Point& point);
  /// Whether the next instruction is a system call.
  bool at_syscall() const;
  std::uint64_t address() const;
  void kill() { child_.kill(); }

 private:
  bool reach(std::uint64_t address);
  void resume(int request);
  std::uint64_t code(std::uint64_t address) const;
  void set_code(std::uint64_t address, std::uint64_t word);

  support::Child child_;
};

/// A victim's way between its marks.
struct Trace {
  std::vector<Point> points;         // before every instruction, and the second mark
  std::vector<std::size_t> effects;  // the points just before and just after each effect, ascending
};

/// Steps a victim from mark to mark. An effect is an instruction that changes `watched`, or a system call.
Trace trace(Victim& victim, std::span<const std::byte> watched);

}  // namespace stepper
