// threads.hpp: who is there beside the measured producer: a second producer, a reader, a reader that is
// killed. All on the second CPU allowed; the measured producer is alone on the first.
#pragma once

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "../machine.hpp"
#include "ring/error.hpp"
#include "rival.hpp"

namespace peers {

/// Values from memory, as a control loop has them.
inline constexpr auto values = [] {
  std::array<double, 64> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 22.25 + static_cast<double>(i);
  return out;
}();

/// What a producer has tried.
struct Tally {
  std::uint64_t pushed = 0, refused = 0;
  std::int64_t time_ns = 1'700'000'000'000'000'000;
};

/// Pushes `count` records as fast as it goes.
template <class Writer>
[[gnu::always_inline]] inline void push_block(Writer& writer, std::uint64_t count, Tally& tally) {
  std::uint64_t accepted = 0;
  auto time_ns = tally.time_ns;
  for (std::uint64_t i = 0; i < count; ++i) {
    accepted += writer.push(++time_ns, values[i % values.size()]);
    benchmark::ClobberMemory();  // the next push starts from memory again
  }
  tally.time_ns = time_ns;
  tally.pushed += count;
  tally.refused += count - accepted;
}

/// Takes what is there until nothing is.
template <class Rival>
void drain_all(Rival& rival, Seen& seen) {
  while (rival.drain(seen) > 0) {
  }
}

/// The second producer: pushes a round of its own whenever the first starts one.
template <class Writer>
class Second {
 public:
  Second(Writer writer, std::uint64_t round)
      : writer_(std::move(writer)), round_(round), thread_([this] { run(); }) {}
  ~Second() { stop(); }

  /// Returns when the second producer is about to push.
  void start() noexcept {
    ++asked_;
    while (started_ != asked_) {
    }
  }
  void wait() noexcept {
    while (done_ != asked_) ::sched_yield();
  }
  const Tally& stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
    return tally_;
  }

 private:
  void run() {
    bench::pin_to(1);
    auto writer = std::move(writer_);
    for (std::uint64_t round = 0; !stopped_;) {
      if (asked_ == round) {
        ::sched_yield();  // the reader's CPU too
        continue;
      }
      started_ = ++round;
      push_block(writer, round_, tally_);
      done_ = round;
    }
  }

  Writer writer_;
  std::uint64_t round_;
  Tally tally_;
  alignas(128) std::atomic<std::uint64_t> asked_{0};
  alignas(128) std::atomic<std::uint64_t> started_{0}, done_{0};
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

/// A reader that takes all there is, every millisecond or without a pause.
template <class Rival>
class Reader {
 public:
  Reader(Rival& rival, Seen& seen, bool spins)
      : rival_(rival), seen_(seen), spins_(spins), taken_(seen.read + seen.lost), thread_([this] {
          run();
        }) {}
  ~Reader() { stop(); }
  /// Returns when so many records are read or lost.
  void wait(std::uint64_t records) noexcept {
    while (taken_ < records) ::sched_yield();
  }
  void stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    bench::pin_to(1);
    while (!stopped_) {
      while (rival_.drain(seen_) > 0) taken_ = seen_.read + seen_.lost;
      if (!spins_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Rival& rival_;
  Seen& seen_;
  bool spins_;
  alignas(128) std::atomic<std::uint64_t> taken_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

/// Has another process read everything, and kills it while it waits for more (one killed inside a lock of the
/// queue would leave it locked, and the producer waiting for ever). @return what it had read
template <class Rival>
Seen read_and_be_killed(Rival& rival) {
  int report[2];
  if (::pipe(report) != 0) throw ring::system_error("make a pipe", errno);
  const auto child = ::fork();
  if (child < 0) throw ring::system_error("fork the reader", errno);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench::pin_to(1);
    Seen seen;
    drain_all(rival, seen);
    if (::write(report[1], &seen, sizeof seen) != sizeof seen) ::_exit(1);
    for (;;) ::pause();
  }
  Seen seen;
  ::close(report[1]);
  const bool told = ::read(report[0], &seen, sizeof seen) == sizeof seen;
  ::close(report[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (!told) throw ring::Error(ring::Failure::foreign, "the reader ended before it was killed");
  rival.reader_lost();
  return seen;
}

}  // namespace peers
