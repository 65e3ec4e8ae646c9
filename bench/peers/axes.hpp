// axes.hpp: the situations in which a push is measured, the same for every rival.
//
// A case goes in rounds: one is timed as a whole (push_ns: the median round, per push), the next push by push
// with the time stamp counter (p50_ns and its kin; what reading the counter costs is in them, and stands
// beside as clock_ns). Time is the mean of the former and has every preemption in it. Between rounds,
// untimed, the queue is emptied. At the end all that was pushed must have been refused, read or counted as
// lost by the rival: else there is an error and no figure.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "../figures.hpp"
#include "../machine.hpp"
#include "ring/epoch.hpp"
#include "rival.hpp"
#include "threads.hpp"

namespace peers {

struct Axis {
  const char* name;
  enum class Reader { none, polls, spins } reader = Reader::none;
  bool paced = false;   // 26 pushes every 50 us, as a loop; else as fast as they go
  bool full = false;    // nobody empties it
  bool killed = false;  // the reader was another process, and is dead
};
inline constexpr Axis unread{.name = "unread"};
inline constexpr Axis polled{.name = "polled_1ms", .reader = Axis::Reader::polls, .paced = true};
inline constexpr Axis spinning{.name = "spinning", .reader = Axis::Reader::spins, .paced = true};
inline constexpr Axis flat_out{.name = "flat_out", .reader = Axis::Reader::spins};
inline constexpr Axis full{.name = "full", .full = true};
inline constexpr Axis reader_killed{.name = "reader_killed", .full = true, .killed = true};

inline constexpr std::uint64_t cycle_values = 26, paced_cycles = 2000, cycle_ns = 50'000;
inline constexpr std::uint64_t round_max = 16384, samples_max = 200'000;
inline constexpr std::uint64_t killed_round = 1000,
                               killed_pushes = 32'000;  // and as many one by one: fits a lane

/// How many pushes a case times as blocks.
constexpr std::uint64_t pushes(const Axis& axis, const Traits& traits) {
  if (axis.paced) return cycle_values * paced_cycles;
  return axis.killed ? std::min(killed_pushes, traits.pushes) : traits.pushes;
}

template <class Rival>
class Case {
 public:
  Case(benchmark::State& state, const Axis& axis, std::size_t producers)
      : state_(state), axis_(axis), producers_(producers), rival_(producers), writer_(rival_.writer(0)) {}

  void run() {
    warm_up();
    if (producers_ > 1) second_.emplace(rival_.writer(1), round_);
    if (axis_.reader != Axis::Reader::none)
      reader_.emplace(rival_, seen_, axis_.reader == Axis::Reader::spins);
    samples_.assign(samples_max + round_, 0);  // its pages are there
    samples_.clear();
    blocks_.reserve(pushes(axis_, traits) / round_ + 1);
    nothing_.reserve(samples_max / cycle_values + 1);
    next_cycle_ = bench::ticks();
    while (state_.KeepRunningBatch(static_cast<std::int64_t>(round_))) {
      time_block();
      if (samples_.size() < samples_max) time_one_by_one();
    }
    finish();
    report();
  }

 private:
  static constexpr Traits traits = Rival::traits;

  /// Fills it once, so that all its memory is there, and finds out how much it holds.
  void warm_up() {
    while (tally_.refused == 0 && tally_.pushed < traits.warm_up) push_block(writer_, 1, tally_);
    capacity_ = tally_.pushed - tally_.refused;
    round_ = axis_.paced ? cycle_values : std::clamp<std::uint64_t>(capacity_ / 2 / producers_, 1, round_max);
    if (axis_.full) round_ = killed_round;
    if (axis_.killed) {
      if constexpr (traits.processes) seen_ = read_and_be_killed(rival_);
    } else if (!axis_.full) {
      drain_all(rival_, seen_);
    }
    full_ = tally_;
  }

  /// Waits until the next round may start.
  void prepare() {
    if (axis_.full) return;
    if (axis_.paced) {
      next_cycle_ =
          std::max(next_cycle_ + static_cast<std::uint64_t>(static_cast<double>(cycle_ns) / bench::tick_ns()),
                   bench::ticks());
      while (bench::ticks() < next_cycle_) {
      }
    } else if (reader_) {
      reader_->wait(tally_.pushed - tally_.refused);
    } else {
      drain_all(rival_, seen_);
    }
  }

  /// Runs `push` with the writer in a variable of its own, as a loop has it.
  template <class Push>
  void round(Push&& push) {
    prepare();
    auto writer = std::move(writer_);
    if (second_) second_->start();
    push(writer);
    if (second_) second_->wait();
    writer_ = std::move(writer);
  }

  void time_block() {
    round([&](auto& writer) {
      const bool long_enough = round_ >= killed_round;  // for a clock that is a system call
      const auto cpu_ns = long_enough ? ring::clock_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
      const auto from = bench::ticks();
      push_block(writer, round_, tally_);
      const auto took = bench::ticks() - from;
      if (long_enough) {
        cpu_ns_ += ring::clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
        cpu_pushes_ += round_;
      }
      blocks_.push_back(took);
      state_.SetIterationTime(static_cast<double>(took) * bench::tick_ns() / 1e9);
    });
  }

  void time_one_by_one() {
    round([&](auto& writer) {
      const auto before = bench::ticks();
      auto from = bench::ticks();
      nothing_.push_back(from - before);
      for (std::uint64_t i = 0; i < round_; ++i) {
        from = bench::ticks();
        push_block(writer, 1, tally_);
        samples_.push_back(bench::ticks() - from);
      }
    });
  }

  void finish() {
    if (second_) {
      const auto& second = second_->stop();
      tally_.pushed += second.pushed;
      tally_.refused += second.refused;
    }
    if (reader_) reader_->stop();
    drain_all(rival_, seen_);
    if (traits.counts && tally_.pushed != tally_.refused + seen_.read + seen_.lost)
      state_.SkipWithError(("pushed " + std::to_string(tally_.pushed) + ", but refused " +
                            std::to_string(tally_.refused) + ", read " + std::to_string(seen_.read) +
                            ", lost " + std::to_string(seen_.lost))
                               .c_str());
    if (axis_.full && !axis_.killed && traits.refuses &&
        tally_.refused - full_.refused != tally_.pushed - full_.pushed)
      state_.SkipWithError("full, but not every push was refused");
    benchmark::DoNotOptimize(seen_.sum);
  }

  void report() {
    std::sort(blocks_.begin(), blocks_.end());
    std::sort(samples_.begin(), samples_.end());
    std::sort(nothing_.begin(), nothing_.end());
    const auto figure = [&](const char* name, const std::vector<std::uint64_t>& ticks, double share) {
      state_.counters[name] = bench::percentile(ticks, share) * bench::tick_ns();
    };
    figure("push_ns", blocks_, 0.5);
    state_.counters["push_ns"] = state_.counters["push_ns"] / static_cast<double>(round_);
    figure("p50_ns", samples_, 0.5);
    figure("p99_ns", samples_, 0.99);
    figure("p999_ns", samples_, 0.999);
    figure("max_ns", samples_, 1);
    figure("clock_ns", nothing_, 0.5);
    if (cpu_pushes_ > 0)
      state_.counters["cpu_ns"] = static_cast<double>(cpu_ns_) / static_cast<double>(cpu_pushes_);
    state_.counters["refused"] = static_cast<double>(tally_.refused) / static_cast<double>(tally_.pushed);
  }

  benchmark::State& state_;
  Axis axis_;
  std::size_t producers_;
  Rival rival_;
  using Writer = decltype(std::declval<Rival&>().writer(0));
  Writer writer_;
  Tally tally_, full_;  // since the start, and when the timing began
  Seen seen_;
  std::uint64_t capacity_ = 0, round_ = 0, next_cycle_ = 0;
  std::optional<Second<Writer>> second_;
  std::optional<Reader<Rival>> reader_;
  std::vector<std::uint64_t> blocks_, samples_, nothing_;  // ticks
  std::int64_t cpu_ns_ = 0;
  std::uint64_t cpu_pushes_ = 0;
};

template <class Rival>
void add(const Axis& axis, std::size_t producers = 1) {
  const auto name = std::string(axis.name) + "/producers:" + std::to_string(producers) + "/" + Rival::name;
  const auto body = [axis, producers](benchmark::State& state) {
    if ((producers > 1 || axis.reader != Axis::Reader::none) && bench::cpus().size() < 2)
      return state.SkipWithError("needs two CPUs, for example taskset -c 0,1");
    try {
      Case<Rival>(state, axis, producers).run();
    } catch (const std::exception& e) {
      state.SkipWithError(e.what());
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), body)
      ->Iterations(static_cast<std::int64_t>(pushes(axis, Rival::traits)))
      ->UseManualTime();
}

/// Registers the axes that mean something for the rival.
template <class Rival>
void add_rival() {
  constexpr Traits traits = Rival::traits;
  add<Rival>(unread);
  if (traits.producers > 1) add<Rival>(unread, 2);
  if (!traits.read) return;
  add<Rival>(polled);
  if (traits.producers > 1) add<Rival>(polled, 2);
  add<Rival>(spinning);
  add<Rival>(flat_out);
  add<Rival>(full);
  if constexpr (traits.processes) add<Rival>(reader_killed);
}

inline void add_missing(const char* name, const char* package) {
  benchmark::RegisterBenchmark(
      (std::string("not_built/") + name).c_str(), [package](benchmark::State& state) {
        state.SkipWithError((std::string("not built here: install ") + package).c_str());
      });
}

}  // namespace peers
