// fuzz_batch.cpp: opens batch blobs that somebody else wrote.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but std::runtime_error; an accepted blob's
// columns are ascending, found, add up to its samples, and give the same blob when they are packed again.
// Half of the inputs get the right magic and checksum, else hardly any would come past them.
#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "batch.hpp"

namespace {

void check(const ringdown::BatchView& view, const std::vector<std::byte>& blob) {
  std::vector<ringdown::Sample> samples;
  std::uint32_t last = 0;
  for (std::uint32_t c = 0; c < view.series(); ++c) {
    const auto column = view.column(c);
    if ((c > 0 && column.series <= last) || !view.find(column.series)) std::abort();
    last = column.series;
    for (std::uint32_t i = 0; i < column.count; ++i) samples.push_back({column.time_ns(i), column.value(i), last});
  }
  if (samples.size() != view.samples()) std::abort();
  constexpr std::uint32_t series_max = 100'000;  // encode_batch takes memory for the largest id
  if (last > series_max) return;
  std::vector<std::byte> again;
  encode_batch(samples, again);
  if (again != blob) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::byte> blob(size - 1);
  if (size > 1) std::memcpy(blob.data(), data + 1, size - 1);
  if (data[0] & 1 && blob.size() >= 16) {
    const std::uint32_t head[2] = {0x31424452,
                                   static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8))};
    std::memcpy(blob.data(), head, sizeof head);
  }
  try {
    check(ringdown::BatchView(blob), blob);
  } catch (const std::runtime_error&) {
  }
  return 0;
}
