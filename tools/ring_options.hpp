// ring_options.hpp: the command-line options of the tools that may create a ring.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "ring/producer.hpp"

namespace ringdown {

struct RingOptions {
  std::string ring;
  ring::Options options = {};
  std::uint32_t arena_kib = ring::Geometry{}.arena_bytes >> 10;

  void add_to(CLI::App& app) {
    auto& geometry = options.geometry;
    app.add_option("--ring", ring, "The ring, created if it is not there")->required()->type_name("NAME");
    app.add_option("--lanes", geometry.lanes, "Lanes of a ring that is created here")->capture_default_str();
    app.add_option("--lane-records", geometry.lane_records, "Records a lane, a power of two")->capture_default_str();
    app.add_option("--arena-kib", arena_kib, "KiB of series definitions a lane")
        ->capture_default_str()
        ->check(CLI::Range(4, 65536));
  }
  /// After the command line was read.
  ring::Options producer() const {
    auto out = options;
    out.geometry.arena_bytes = arena_kib << 10;
    return out;
  }
};

}  // namespace ringdown
