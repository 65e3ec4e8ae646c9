// words.hpp: how a word in shared memory is read and written.
// Every access to the segment goes through these, so that no data race exists in the C++ memory model.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace ring::words {

template <class T>
T load(const T& word, std::memory_order order = std::memory_order_relaxed) noexcept {
  static_assert(std::atomic_ref<T>::is_always_lock_free);
  return std::atomic_ref<T>(const_cast<T&>(word)).load(order);  // a load writes nothing: const is kept
}

template <class T>
void store(T& word, std::type_identity_t<T> value,
           std::memory_order order = std::memory_order_relaxed) noexcept {
  static_assert(std::atomic_ref<T>::is_always_lock_free);
  std::atomic_ref<T>(word).store(value, order);
}

/// Every fence of the protocol. gcc's ThreadSanitizer does not know fences, and since all words are atomic it
/// needs none: this line is the only difference between the code it checks and the code that ships.
inline void fence([[maybe_unused]] std::memory_order order) noexcept {
#ifndef __SANITIZE_THREAD__
  std::atomic_thread_fence(order);
#endif
}

/// Asks for the cache line of `address` to be writable soon. Never faults. (__builtin_prefetch is a read on
/// x86-64 without -mprfchw, and on aarch64 gcc 12 takes it for something that can throw.)
inline void prefetch_for_write(const void* address) noexcept {
  [[maybe_unused]] const auto& there = *static_cast<const char*>(address);
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(there));
#elif defined(__aarch64__)
  asm volatile("prfm pstl1keep, %0" : : "Q"(there));
#endif
}

}  // namespace ring::words
