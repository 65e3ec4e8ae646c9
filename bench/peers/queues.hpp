// queues.hpp: the rivals that are queues between two threads of one process.
#pragma once

#include <boost/lockfree/spsc_queue.hpp>
#include <memory>
#include <vector>

#include "rival.hpp"

#if __has_include(<readerwriterqueue/readerwriterqueue.h>)
#include <readerwriterqueue/readerwriterqueue.h>
#define PEERS_READERWRITERQUEUE
#endif
#if __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>
#define PEERS_CONCURRENTQUEUE
#endif
#if __has_include(<atomic_queue/atomic_queue.h>)
#include <atomic_queue/atomic_queue.h>
#define PEERS_ATOMIC_QUEUE
#endif

namespace peers {

/// boost::lockfree::spsc_queue, its size known at compile time.
class BoostSpsc {
 public:
  static constexpr const char* name = "boost_spsc_queue";
  static constexpr Traits traits{};

  explicit BoostSpsc(std::size_t) {}
  auto writer(std::size_t) { return RecordWriter(*queue_); }
  std::uint64_t drain(Seen& seen) {
    const auto count = queue_->pop(turn_.data(), turn_.size());
    for (std::size_t i = 0; i < count; ++i) seen.take(turn_[i]);
    return count;
  }

 private:
  using Queue = boost::lockfree::spsc_queue<Record, boost::lockfree::capacity<queue_records>>;
  std::unique_ptr<Queue> queue_ = std::make_unique<Queue>();
  std::vector<Record> turn_ = std::vector<Record>(turn_records);
};

#ifdef PEERS_READERWRITERQUEUE
/// moodycamel::ReaderWriterQueue, its memory allocated beforehand. It has no bulk operation.
class MoodycamelSpsc {
 public:
  static constexpr const char* name = "moodycamel_readerwriterqueue";
  static constexpr Traits traits{};

  explicit MoodycamelSpsc(std::size_t) {}
  bool push(const Record& record) noexcept { return queue_.try_enqueue(record); }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    Record record;
    std::uint64_t taken = 0;
    for (; taken < turn_records && queue_.try_dequeue(record); ++taken) seen.take(record);
    return taken;
  }

 private:
  moodycamel::ReaderWriterQueue<Record> queue_{queue_records};
};
#endif

#ifdef PEERS_CONCURRENTQUEUE
/// moodycamel::ConcurrentQueue with a token a producer, its memory allocated beforehand.
class MoodycamelMpmc {
 public:
  static constexpr const char* name = "moodycamel_concurrentqueue";
  static constexpr Traits traits{.producers = 2};

  explicit MoodycamelMpmc(std::size_t producers) : queue_(queue_records * producers, producers, 0) {}

  class Writer {
   public:
    explicit Writer(moodycamel::ConcurrentQueue<Record>& queue) : queue_(&queue), token_(queue) {}
    bool push(std::int64_t time_ns, double value) noexcept {
      return queue_->try_enqueue(token_, Record{time_ns, value, 7, ++seq_});
    }

   private:
    moodycamel::ConcurrentQueue<Record>* queue_;
    moodycamel::ProducerToken token_;
    std::uint64_t seq_ = 0;
  };
  Writer writer(std::size_t) { return Writer(queue_); }

  std::uint64_t drain(Seen& seen) {
    const auto count = queue_.try_dequeue_bulk(token_, turn_.begin(), turn_.size());
    for (std::size_t i = 0; i < count; ++i) seen.take(turn_[i]);
    return count;
  }

 private:
  moodycamel::ConcurrentQueue<Record> queue_;
  moodycamel::ConsumerToken token_{queue_};
  std::vector<Record> turn_ = std::vector<Record>(turn_records);
};
#endif

#ifdef PEERS_ATOMIC_QUEUE
/// atomic_queue::AtomicQueue2, as its authors set it up. It has no bulk operation.
template <bool spsc>
class AtomicQueue {
 public:
  static constexpr const char* name = spsc ? "atomic_queue_spsc" : "atomic_queue_mpmc";
  static constexpr Traits traits{.producers = spsc ? 1 : 2, .pushes = 1'000'000};

  explicit AtomicQueue(std::size_t) {}
  bool push(const Record& record) noexcept { return queue_->try_push(record); }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    Record record;
    std::uint64_t taken = 0;
    for (; taken < turn_records && queue_->try_pop(record); ++taken) seen.take(record);
    return taken;
  }

 private:
  using Queue = atomic_queue::AtomicQueue2<Record, queue_records, true, true, false, spsc>;
  std::unique_ptr<Queue> queue_ = std::make_unique<Queue>();
};
#endif

}  // namespace peers
