#include "bus_guard.hpp"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace ringdown {
namespace {

constexpr std::uintptr_t page_bytes = 4096;

struct Range {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> hit{false};
};
std::array<Range, 256> ranges;

void on_sigbus(int number, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (auto& range : ranges) {
    if (at < range.begin.load() || at >= range.end.load()) continue;
    range.hit = true;
    void* const page = reinterpret_cast<void*>(at / page_bytes * page_bytes);
    if (::mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page)
      return;
  }
  ::signal(number, SIG_DFL);  // not ours: the fault comes again and ends the process
}

void install() {
  struct sigaction action{};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

BusGuard::BusGuard(const void* begin, std::size_t bytes) noexcept : index_(-1) {
  static const bool installed = (install(), true);
  static_cast<void>(installed);
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  for (int i = 0; auto& range : ranges) {
    if (!range.taken.exchange(true)) {
      index_ = i;
      range.hit = false;
      range.begin = at;
      range.end = at + bytes;
      return;
    }
    ++i;
  }
}
BusGuard::~BusGuard() {
  if (index_ < 0) return;
  auto& range = ranges[static_cast<std::size_t>(index_)];
  range.end = 0;
  range.begin = 0;
  range.taken = false;
}
bool BusGuard::hit() const noexcept { return index_ >= 0 && ranges[static_cast<std::size_t>(index_)].hit; }

}  // namespace ringdown
