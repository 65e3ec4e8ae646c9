// inspect_fixture.hpp: a ring for ring-inspect's tests: four lanes of 64 records, one of which a controller writes to.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "ring/producer.hpp"
#include "support.hpp"

struct InspectFixture {
  explicit InspectFixture(ring::abi::Mode mode)
      : geometry{.lanes = 4, .lane_records = 64, .arena_bytes = 4096, .mode = mode},
        segment(ring::Segment::open_or_create(ring, geometry)) {
    producer.emplace(ring, ring::Options{.name = "controller"});
    rtt = producer->gauge("rtt_ms", {{"wan", "spectrum"}}, "ms");
    total = producer->counter("cycles_total");
    mode_series = producer->state("mode", {}, {"GREEN", "RED"});
    push(1);
  }

  /// Cycles of three samples: the n-th has n, n and a state.
  void push(int cycles) const {
    for (int i = 0; i < cycles; ++i, ++pushed) {
      const auto time_ns = first_ns + pushed * 50'000'000LL;
      producer->push(rtt, 20 + static_cast<double>(pushed) / 10, time_ns);
      producer->push(total, static_cast<double>(pushed), time_ns);
      producer->push(mode_series, 0, time_ns);
    }
  }
  /// As a reader that stores what is there.
  void release() const { ring::words::store(segment.lane(0).header->tail, producer->sequence(), std::memory_order_release); }
  support::Run inspect(std::vector<std::string> words) const {
    words.insert(words.begin(), RING_INSPECT_PATH);
    return support::run(words);
  }
  std::string copy() const {
    const auto path = (folder / ("ringdown-" + ring)).string();
    std::filesystem::copy_file("/dev/shm/ringdown-" + ring, path);
    return path;
  }
  static void poke(const std::string& path, std::uint64_t at, std::uint64_t value, std::size_t bytes = 4) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.write(reinterpret_cast<const char*>(&value), static_cast<std::streamsize>(bytes));
  }

  static constexpr std::int64_t first_ns = 1'700'000'000'000'000'000;
  std::string ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  ring::Geometry geometry;
  ring::Segment segment;
  mutable std::optional<ring::Producer> producer;
  ring::Series rtt, total, mode_series;
  mutable std::int64_t pushed = 0;
};
