// fuzz_batch.cpp: opens batch blobs that somebody else wrote.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but std::runtime_error; an accepted blob's
// columns are ascending, found, add up to its samples, and are the same when they are packed and unpacked again.
// The first byte says what is made right, else hardly any input would come past it: bit 0 the magic and the checksum,
// bit 1 the packing, that is, the input is what was packed.
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "batch.hpp"

namespace {

bool same(const ringdown::Sample& a, const ringdown::Sample& b) {
  return a.time_ns == b.time_ns && a.series == b.series && std::memcmp(&a.value, &b.value, sizeof a.value) == 0;
}

std::vector<ringdown::Sample> read(const ringdown::BatchView& view) {
  std::vector<ringdown::Sample> samples;
  std::uint32_t last = 0;
  for (std::uint32_t c = 0; c < view.series(); ++c) {
    const auto& column = view.column(c);
    if ((c > 0 && column.series <= last) || !view.find(column.series)) std::abort();
    last = column.series;
    for (std::uint32_t i = 0; i < column.count; ++i) samples.push_back({column.time_ns(i), column.value(i), last});
  }
  if (samples.size() != view.samples()) std::abort();
  return samples;
}

void check(const ringdown::BatchView& view) {
  const auto samples = read(view);
  constexpr std::uint32_t series_max = 100'000;  // encode_batch takes memory for the largest id
  if (!samples.empty() && samples.back().series > series_max) return;
  std::vector<std::byte> blob;
  encode_batch(samples, blob);
  const auto again = read(ringdown::BatchView(blob));
  if (!std::equal(samples.begin(), samples.end(), again.begin(), again.end(), same)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::byte> blob(size - 1);
  if (size > 1) std::memcpy(blob.data(), data + 1, size - 1);
  constexpr std::size_t header_bytes = 24;
  if (data[0] & 2 && blob.size() >= header_bytes) {
    const auto contents = std::vector(blob.begin() + header_bytes, blob.end());
    blob.resize(header_bytes + ZSTD_compressBound(contents.size()));
    blob.resize(header_bytes + ZSTD_compress(blob.data() + header_bytes, blob.size() - header_bytes,
                                             contents.data(), contents.size(), 1));
    const auto unpacked_bytes = static_cast<std::uint32_t>(contents.size());
    std::memcpy(blob.data() + 20, &unpacked_bytes, sizeof unpacked_bytes);
  }
  if (data[0] & 1 && blob.size() >= header_bytes) {
    const std::uint32_t head[2] = {0x31424452,
                                   static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8))};
    std::memcpy(blob.data(), head, sizeof head);
  }
  try {
    check(ringdown::BatchView(blob));
  } catch (const std::runtime_error&) {
  }
  return 0;
}
