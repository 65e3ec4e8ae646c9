// producer.hpp: how a daemon records its metrics.
//
//   ring::Producer producer{"plant"};
//   auto rtt = producer.gauge("wanctl_rtt_ms", {{"wan", "spectrum"}}, "ms");
//   producer.push(rtt, 23.4);
//
// One Producer belongs to one thread; each thread that pushes has its own (a thread_local serves). Set-up
// (constructor, definitions, maintain) may block and allocate; a push does neither. A daemon outlives its
// telemetry: without a ring the producer is inert, its pushes return false and are counted, and why() tells.
#pragma once

#include <pthread.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ring/claim.hpp"
#include "ring/counter_clock.hpp"
#include "ring/definition.hpp"
#include "ring/segment.hpp"
#include "ring/writer.hpp"

namespace ring {

/// Whose time a push without a time stamp carries. Cost: the vDSO call, which push(series, value, time) saves.
enum class Clock {
  realtime,  // CLOCK_REALTIME
  coarse,    // CLOCK_REALTIME_COARSE: as of the last kernel tick, 1 to 10 ms old, several times cheaper
  counter,   // the time stamp counter, at less than half of realtime's cost. maintain() keeps it with CLOCK_REALTIME, and
             // has to be called about once a second. Where the processor has no steady one, this is realtime
};

struct Options {
  Geometry geometry = {};  // used if this producer is the one that creates the ring
  bool create = true;      // false: an error if the ring does not exist yet
  Clock clock = Clock::realtime;
  std::string name = {};   // at most 16 bytes; by default the process' command name
};

class Producer;

namespace detail {

/// All producers of this process, so that the child of a fork can give up their inherited descriptors.
class ForkRegistry {
 public:
  static void add(Producer* producer);
  static void remove(Producer* producer);

 private:
  struct State {
    std::mutex mutex;
    Producer* first = nullptr;
  };
  static State& state() {
    static State* const never_destroyed = [] {
      ::pthread_atfork([] { state().mutex.lock(); }, [] { state().mutex.unlock(); }, &in_child);
      return new State;
    }();
    return *never_destroyed;
  }
  static void in_child();
};

}  // namespace detail

class Producer {
 public:
  /// Attaches to `ring`, creating it if it is not there. Never throws for what the environment lacks: see
  /// attached() and why(). Throws Error(bad_argument) for a bad ring name or geometry.
  explicit Producer(std::string_view ring, Options options = {})
      : writer_(Writer::none()), ring_(ring), options_(std::move(options)) {
    object_name(ring_);
    check(options_.geometry);
    if (Writer* const own = Writer::create()) writer_ = own;
    if (options_.clock == Clock::counter && !CounterClock::available()) options_.clock = Clock::realtime;
    detail::ForkRegistry::add(this);
    maintain();
  }
  /// Frees the lane. A push that comes all the same, from the destructor of another thread-local object, finds
  /// a writer without a lane.
  ~Producer() {
    detail::ForkRegistry::remove(this);
    Writer* const mine = writer_;
    std::atomic_ref(writer_).store(Writer::none());
    if (mine != Writer::none()) Writer::destroy(mine);
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Defines a series; the same one twice gives the same handle. `unit` is what the values are measured in,
  /// for example "ms". Throws Error(bad_argument) for a name, label or unit outside Prometheus' grammar. With
  /// no room left for it the handle is inert: its samples are counted as lost, and why() tells.
  Series gauge(std::string_view name, Labels labels = {}, std::string_view unit = {}) {
    return define({Kind::gauge, std::string(name), std::string(unit), std::move(labels), {}});
  }
  Series counter(std::string_view name, Labels labels = {}, std::string_view unit = {}) {
    return define({Kind::counter, std::string(name), std::string(unit), std::move(labels), {}});
  }
  /// `states` names the values 0, 1, ...
  Series state(std::string_view name, Labels labels, std::vector<std::string> states) {
    return define({Kind::state, std::string(name), {}, std::move(labels), std::move(states)});
  }
  Series define(Definition definition);

  /// Publishes one sample. Wait-free: no allocation, lock, system call or exception.
  /// @param series   from gauge(), counter() or state(); any other is counted as a loss
  /// @param value    in the unit the series was defined with; NaN and infinity are refused and counted
  /// @param time_ns  CLOCK_REALTIME, nanoseconds since the epoch
  /// @return false when it was refused: nothing written, the loss is counted by reason
  bool push(Series series, double value, std::int64_t time_ns) noexcept {
    return writer_->push(series, value, time_ns);
  }
  /// As above, with the time of the clock chosen in Options.
  bool push(Series series, double value) noexcept { return push(series, value, now_ns()); }
  /// Publishes a cycle's values under one time stamp; `series` and `values` go in pairs.
  /// @return how many were accepted; each of the others is counted as a loss
  std::size_t push_many(std::int64_t time_ns, std::span<const Series> series,
                        std::span<const double> values) noexcept {
    return writer_->push_many(time_ns, series, values);
  }
  std::int64_t now_ns() const noexcept {
    if (options_.clock == Clock::counter) return counter_.now_ns();
    return clock_ns(options_.clock == Clock::realtime ? CLOCK_REALTIME : CLOCK_REALTIME_COARSE);
  }

  /// For outside the loop, once a second or so. Attaches a producer that is inert or a forked child's copy, and
  /// one whose ring was deleted or replaced to the ring that now has the name. Costs one system call when there
  /// is nothing to do; blocks at most 2 s, on another process that is creating the ring. @return attached()
  bool maintain();

  /// Records that were not stored yet in a ring when maintain() left it for the new one of its name. A
  /// ring-persister that still holds the old ring stores them; without one they are gone.
  std::uint64_t left_behind() const noexcept { return left_behind_; }

  bool attached() const noexcept { return writer_->attached(); }
  /// What keeps this producer from recording, or the last series it had no room for; empty when all is well.
  const std::string& why() const noexcept { return why_; }
  Failure failure() const noexcept { return failure_; }
  /// Samples this producer has lost since it attached, by reason.
  std::uint64_t lost(abi::Loss reason) const noexcept {
    return reason == abi::Loss::detached && !attached() ? writer_->detached() : writer_->lost(reason);
  }
  std::uint64_t lost() const noexcept {
    std::uint64_t sum = attached() ? 0 : writer_->detached();
    for (std::uint32_t r = 0; r < abi::producer_losses; ++r) sum += writer_->lost(abi::Loss{r});
    return sum;
  }
  /// The lane this producer writes to; meaningful while attached.
  std::uint32_t lane() const noexcept { return claim_.lane; }
  /// Sequence of the newest record, which counts the epoch records at the claim as well.
  std::uint64_t sequence() const noexcept { return writer_->next() - 1; }

 private:
  friend class detail::ForkRegistry;

  void attach();
  void give_up(Failure failure, const char* text) noexcept;
  void map(Series series);

  Writer* writer_;
  std::string ring_;
  Options options_;
  CounterClock counter_;
  std::optional<Segment> segment_;
  Claim claim_;
  DefinitionNumbers series_;                    // by definition: Series::index
  std::vector<const Definition*> definitions_;  // the other way round
  std::string why_;
  Failure failure_ = Failure::none;
  std::uint64_t left_behind_ = 0;
  Producer* previous_ = nullptr;  // in the ForkRegistry
  Producer* following_ = nullptr;
};

inline void Producer::attach() {
  segment_.reset();  // gives up every lock this producer may hold
  segment_ = options_.create ? Segment::open_or_create(ring_, options_.geometry) : Segment::open(ring_);
  claim_ = claim_lane(*segment_, this_process(options_.name));
  writer_->attach(segment_->lane(claim_.lane), claim_.next, claim_.epoch);
  for (std::size_t i = 0; i < definitions_.size(); ++i) map(Series{static_cast<std::uint16_t>(i)});
}

inline bool Producer::maintain() {
  if (options_.clock == Clock::counter) counter_.sync();
  if (attached()) {
    if (segment_->is_current()) return true;
    left_behind_ += sequence() - std::min(sequence(), words::load(segment_->lane(claim_.lane).header->tail));
    writer_->detach();
  }
  try {
    if (writer_ == Writer::none()) throw system_error("make a producer", ENOMEM);
    why_.clear();
    failure_ = Failure::none;
    attach();
  } catch (const Error& e) {
    give_up(e.failure(), e.what());
  } catch (const std::bad_alloc&) {
    give_up(Failure::no_memory, "out of memory");
  }
  return attached();
}

inline void Producer::give_up(Failure failure, const char* text) noexcept {
  if (attached()) writer_->detach();
  segment_.reset();
  failure_ = failure;
  try {
    why_ = text;
  } catch (const std::bad_alloc&) {
    why_ = "out of memory";  // short enough to need none
  }
}

inline Series Producer::define(Definition definition) {
  definition = checked(std::move(definition));
  encode(definition);  // refuses what is too long
  const auto known = series_.find(definition);
  if (known != series_.end()) return {static_cast<std::uint16_t>(known->second)};
  if (definitions_.size() == abi::series_max) {
    failure_ = Failure::arena_full;
    why_ = "define series " + definition.name + ": this producer has 65535 series already; use another producer";
    return {};
  }
  const Series series{static_cast<std::uint16_t>(definitions_.size())};
  definitions_.push_back(&series_.try_emplace(std::move(definition), series.index).first->first);
  if (attached()) map(series);
  return series;
}

/// Finds or makes the lane's id of a series that this producer has defined.
inline void Producer::map(Series series) {
  const auto& definition = *definitions_[series.index];
  auto known = claim_.ids.find(definition);
  if (known == claim_.ids.end()) {
    const auto id = claim_.next_id;
    if (id >= abi::series_max || !append_definition(segment_->lane(claim_.lane), definition)) {
      failure_ = Failure::arena_full;
      why_ = "define series " + definition.name + ": the lane's " +
             std::to_string(segment_->geometry().arena_bytes >> 10) + " KiB of definitions are full at " +
             std::to_string(id) + " series; create the ring with larger arenas or use another producer";
      return;
    }
    known = claim_.ids.emplace(definition, claim_.next_id++).first;
  }
  writer_->map(series, known->second);
}

namespace detail {

inline void ForkRegistry::add(Producer* producer) {
  const std::lock_guard guard(state().mutex);
  producer->following_ = state().first;
  if (state().first) state().first->previous_ = producer;
  state().first = producer;
}

inline void ForkRegistry::remove(Producer* producer) {
  const std::lock_guard guard(state().mutex);
  (producer->previous_ ? producer->previous_->following_ : state().first) = producer->following_;
  if (producer->following_) producer->following_->previous_ = producer->previous_;
}

inline void ForkRegistry::in_child() {
  for (auto* p = state().first; p; p = p->following_)
    if (p->segment_) p->segment_->close_descriptor();
  state().mutex.unlock();
}

}  // namespace detail
}  // namespace ring
