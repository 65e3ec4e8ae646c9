// writer.cpp RING COUNT: pushes COUNT samples and a NaN.
#include <cmath>
#include <cstdlib>

#include "ring/producer.hpp"

int main(int, char** argv) {
  ring::Producer producer(argv[1], {.geometry = {.lanes = 2, .lane_records = 4096, .arena_bytes = 4096}});
  const auto series = producer.gauge("written_on_aarch64");
  bool ok = true;
  for (int i = 0; i < std::atoi(argv[2]); ++i) ok &= producer.push(series, i);
  ok &= !producer.push(series, std::nan(""));
  return ok ? 0 : 1;
}
