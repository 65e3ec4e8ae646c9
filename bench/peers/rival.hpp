// rival.hpp: what a rival of the ring's push is, to the axes it is measured on.
//
// A rival is a class with
//   name, traits                              see below
//   Rival(producers)                          opens it for so many producers; throws ring::Error
//   writer(i) -> Writer                       the i-th producer's end, used by one thread
//   Writer::push(time_ns, value) -> bool      one record, as a loop would record it: never waits for a reader
//   drain(Seen&) -> how many                  at most turn_records of what is there, in bulk if it can
//   reader_lost()                             when traits.processes: the reader was killed, go on without it
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace peers {

/// What every rival carries; our own ring makes the same 32 bytes of time, value, series and sequence.
struct Record {
  std::int64_t time_ns;
  double value;
  std::uint64_t series;
  std::uint64_t seq;
};
static_assert(sizeof(Record) == 32);

struct Traits {
  std::size_t producers = 1;                       // how many it allows
  bool processes = false;                          // its two ends may be two processes
  bool refuses = true;                             // when it is full; else it overwrites or grows
  bool read = true;                                // somebody can read while it is pushed to
  bool counts = true;                              // what was pushed can be compared with what was read
  std::uint64_t pushes = 4'000'000;                // timed as blocks in one case
  std::uint64_t warm_up = std::uint64_t{1} << 18;  // pushes at most before the timing
};

inline constexpr std::size_t queue_records = 65536;  // where we may choose; as a lane of the default size
inline constexpr std::size_t turn_records = 4096;    // as ring-persister's

/// What a reader has got.
struct Seen {
  std::uint64_t read = 0;
  std::uint64_t lost = 0;  // that the rival itself told
  double sum = 0;

  void take(const Record& record) noexcept {
    ++read;
    sum += record.value;
  }
};

/// A writer of `Queue`, which has push(const Record&).
template <class Queue>
class RecordWriter {
 public:
  explicit RecordWriter(Queue& queue) : queue_(&queue) {}
  bool push(std::int64_t time_ns, double value) noexcept {
    return queue_->push(Record{time_ns, value, 7, ++seq_});
  }

 private:
  Queue* queue_;
  std::uint64_t seq_ = 0;
};

}  // namespace peers
