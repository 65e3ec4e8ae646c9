// fuzz_sketch.cpp: reads what a tier's row holds beside its numbers, a quantile sketch or times of states,
// when somebody else wrote it.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but std::runtime_error; what is
// accepted is the same when it is written and read again, small, and can be merged, asked and extended. The
// first byte says which it is: even a sketch, odd times of states.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "rollup.hpp"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_sketch(std::span<const std::byte> bytes) {
  using ringdown::Sketch;
  const auto sketch = Sketch::decode(bytes);
  const auto again = sketch.encode();
  check(again.size() <= bytes.size() && Sketch::decode(again) == sketch);
  double before = sketch.quantile(0);
  check(std::isnan(before) == sketch.empty());
  for (const double q : {0.01, 0.5, 0.99, 1.0}) {
    const double found = sketch.quantile(q);
    check(sketch.empty() || (found >= before && std::isfinite(found)));
    before = found;
  }
  Sketch other(1, 5), twice = sketch;
  other.merge(sketch);
  twice.add(1, 5);
  check(other == twice);
  twice.merge(twice);
  twice.merge(other);  // more samples than 64 bits count, maybe
  twice.encode();
  twice.quantile(0.5);
}

void check_states(std::string_view text) {
  const auto states = ringdown::parse_states(text);
  check(states.size() <= ringdown::states_max + 1);
  check(ringdown::parse_states(ringdown::states_text(states)) == states);
  ringdown::Rollup row, next;
  row.count = next.count = 1;
  row.states = next.states = states;
  row.last = ringdown::mode(states);
  row.last_ns = 10;
  append(ring::Kind::state, row, next);
  extend(ring::Kind::state, row, next, 60);
  check(row.states.size() == states.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    if (data[0] % 2 == 0)
      check_sketch(std::as_bytes(std::span(data + 1, size - 1)));
    else
      check_states({reinterpret_cast<const char*>(data + 1), size - 1});
  } catch (const std::runtime_error&) {
  }
  return 0;
}
