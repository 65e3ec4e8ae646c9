// ours.hpp: our ring as one of the rivals.
#pragma once

#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "rival.hpp"

namespace peers {

template <ring::abi::Mode mode>
class Ours {
 public:
  static constexpr bool overwrites = mode == ring::abi::Mode::overwrite_oldest;
  static constexpr const char* name = overwrites ? "ring_overwrite" : "ring";
  static constexpr Traits traits{.producers = 2, .processes = true, .refuses = !overwrites};

  explicit Ours(std::size_t producers) : Ours("ring-peers-" + std::to_string(::getpid()), producers) {}

  struct Writer {
    ring::Producer* producer;
    ring::Series series;
    bool push(std::int64_t time_ns, double value) noexcept { return producer->push(series, value, time_ns); }
  };
  Writer writer(std::size_t i) {
    auto& producer = *producers_[i];
    return {&producer, producer.gauge("bench_value", {{"producer", std::to_string(i)}})};
  }

  std::uint64_t drain(Seen& seen) {
    std::uint64_t taken = 0;
    for (std::uint32_t lane = 0; lane < next_.size(); ++lane) {
      const auto from = next_[lane];
      consumer_.drain(lane, next_[lane], turn_records, Sink{seen});
      if (next_[lane] == from) continue;
      consumer_.release(lane, next_[lane] - 1);
      taken += next_[lane] - from;
    }
    return taken;
  }
  /// The next reader goes on where the dead one had released.
  void reader_lost() {
    for (std::uint32_t lane = 0; lane < next_.size(); ++lane) next_[lane] = consumer_.tail(lane) + 1;
  }

 private:
  struct Sink {
    Seen& seen;
    void record(const ring::RecordCopy& record) noexcept {
      if (record.is_control()) return;
      ++seen.read;
      seen.sum += record.value;
    }
    void overwritten(std::uint64_t, std::uint64_t count) noexcept { seen.lost += count; }
  };

  Ours(const std::string& ring, std::size_t producers)
      : consumer_(ring, geometry(producers)), next_(producers, 1) {
    ring::Options options;
    options.create = false;
    for (std::size_t i = 0; i < producers; ++i)
      producers_.push_back(std::make_unique<ring::Producer>(ring, options));
    ring::Segment::remove(ring);
    for (const auto& producer : producers_)
      if (!producer->attached()) throw ring::Error(producer->failure(), producer->why());
    Seen epochs;
    drain(epochs);
  }
  static ring::Geometry geometry(std::size_t producers) {
    ring::Geometry out;
    out.lanes = static_cast<std::uint32_t>(producers);
    out.lane_records = queue_records;
    out.mode = mode;
    return out;
  }

  ring::Consumer consumer_;
  std::vector<std::unique_ptr<ring::Producer>> producers_;
  std::vector<std::uint64_t> next_;  // by lane
};

using Ring = Ours<ring::abi::Mode::drop_newest>;
using RingOverwrite = Ours<ring::abi::Mode::overwrite_oldest>;

}  // namespace peers
