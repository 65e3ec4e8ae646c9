// words.hpp: stands in for libring's words.hpp and acts at a chosen load, so that what another process may do to
// the segment between two loads of a reader is repeatable.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace fuzz {

/// Counts this program's loads from shared memory. Before load number `due` it calls `act`, which sets `due` anew.
struct Schedule {
  std::uint64_t loads = 0;
  std::uint64_t due = ~std::uint64_t{0};
  void (*act)() = nullptr;
};
inline Schedule schedule;

}  // namespace fuzz

namespace ring::words {

template <class T>
T load(const T& word, std::memory_order order = std::memory_order_relaxed) noexcept {
  if (++fuzz::schedule.loads >= fuzz::schedule.due) fuzz::schedule.act();
  return std::atomic_ref<T>(const_cast<T&>(word)).load(order);
}

template <class T>
void store(T& word, std::type_identity_t<T> value,
           std::memory_order order = std::memory_order_relaxed) noexcept {
  std::atomic_ref<T>(word).store(value, order);
}

inline void fence([[maybe_unused]] std::memory_order order) noexcept {
#ifndef __SANITIZE_THREAD__
  std::atomic_thread_fence(order);
#endif
}

inline void prefetch_for_write(const void*) noexcept {}

}  // namespace ring::words
