#include "stepper.hpp"

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>

namespace stepper {
namespace {

constexpr std::uint64_t int3 = 0xcc;

void check(long result, const char* step) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), std::string("ptrace: ") + step);
}

}  // namespace

Victim::Victim(const std::function<void()>& body)
    : child_([&body] {
        check(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), "trace me");
        body();
        return 0;
      }) {
  int status = 0;
  if (::waitpid(pid(), &status, 0) != pid() || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
    throw std::runtime_error("the victim ended before its first mark, status " + std::to_string(status));
  check(::ptrace(PTRACE_SETOPTIONS, pid(), nullptr, PTRACE_O_EXITKILL), "set options");
}

void Victim::resume(int request) {
  check(::ptrace(static_cast<__ptrace_request>(request), pid(), nullptr, nullptr), "resume");
  int status = 0;
  if (::waitpid(pid(), &status, 0) != pid() || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
    throw std::runtime_error("the victim ended or got a signal between its marks, status " +
                             std::to_string(status));
}

std::uint64_t Victim::address() const {
  errno = 0;
  const long at = ::ptrace(PTRACE_PEEKUSER, pid(), offsetof(user_regs_struct, rip), nullptr);
  check(errno ? -1 : 0, "read the instruction pointer");
  return static_cast<std::uint64_t>(at);
}

std::uint64_t Victim::code(std::uint64_t address) const {
  errno = 0;
  const long word = ::ptrace(PTRACE_PEEKTEXT, pid(), address, nullptr);
  check(errno ? -1 : 0, "read code");
  return static_cast<std::uint64_t>(word);
}

void Victim::set_code(std::uint64_t address, std::uint64_t word) {
  check(::ptrace(PTRACE_POKETEXT, pid(), address, word), "write code");
}

bool Victim::at_syscall() const { return (code(address()) & 0xffff) == 0x050f; }

bool Victim::step() {
  if ((code(address()) & 0xff) == int3) return false;
  resume(PTRACE_SINGLESTEP);
  return true;
}

/// Runs at full speed up to an instruction, which gets a breakpoint for as long.
bool Victim::reach(std::uint64_t to) {
  if (address() == to) return true;
  const auto original = code(to);
  set_code(to, (original & ~std::uint64_t{0xff}) | int3);
  resume(PTRACE_CONT);
  set_code(to, original);
  const auto at = address() - 1;  // a breakpoint or a mark, executed
  check(::ptrace(PTRACE_POKEUSER, pid(), offsetof(user_regs_struct, rip), at), "step back");
  return at == to;
}

bool Victim::run_to(const Point& point) {
  for (auto left = point.visit;; --left) {
    if (!reach(point.address)) return false;
    if (left == 0) return true;
    if (!step()) return false;
  }
}

Trace trace(Victim& victim, std::span<const std::byte> watched) {
  Trace out;
  std::unordered_map<std::uint64_t, std::uint64_t> visits;
  std::vector<std::byte> before(watched.begin(), watched.end());
  for (bool more = true; more;) {
    const auto address = victim.address();
    out.points.push_back({address, visits[address]++});
    const bool is_syscall = victim.at_syscall();
    more = victim.step();
    const bool changed = std::memcmp(before.data(), watched.data(), watched.size()) != 0;
    if (!is_syscall && !changed) continue;
    before.assign(watched.begin(), watched.end());
    const auto index = out.points.size() - 1;
    if (out.effects.empty() || out.effects.back() != index) out.effects.push_back(index);
    out.effects.push_back(index + 1);
  }
  return out;
}

}  // namespace stepper
