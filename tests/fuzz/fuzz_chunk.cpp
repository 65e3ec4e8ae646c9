// fuzz_chunk.cpp: opens chunks that somebody else wrote, and packs samples of any bits.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but std::runtime_error; an accepted
// chunk is as long as it says, its halves are the same alone, and packed again it gives back every bit. The
// first byte says what the others are: bit 0 a chunk whose magic, checksum and count are made right, else
// hardly any input would come past them; bit 1 samples, 16 bytes each.
#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "chunk.hpp"

namespace {

using Blob = std::vector<std::byte>;
using ringdown::Point;

struct Columns {
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
};

void check(bool holds) {
  if (!holds) std::abort();
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

Columns unpacked(const Blob& blob) {
  Columns out;
  ringdown::decode_chunk(blob, out.times_ns, out.values);
  check(out.times_ns.size() == ringdown::chunk_samples(blob) && out.values.size() == out.times_ns.size());
  return out;
}

void check_packing(const Columns& columns) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < columns.values.size(); ++i)
    points.push_back({columns.times_ns[i], columns.values[i]});
  Blob blob;
  ringdown::encode_chunk(points, blob);
  const auto again = unpacked(blob);
  check(same(again.times_ns, columns.times_ns) && same(again.values, columns.values));
}

void check_chunk(const Blob& blob) {
  const auto columns = unpacked(blob);
  Columns alone;
  ringdown::decode_chunk_times(blob, alone.times_ns);
  ringdown::decode_chunk_values(blob, alone.values);
  check(same(alone.times_ns, columns.times_ns) && same(alone.values, columns.values));
  check_packing(columns);
}

void repair(Blob& blob) {
  constexpr std::size_t header_bytes = 16;
  if (blob.size() < header_bytes) return;
  std::uint32_t head[3];
  std::memcpy(head, blob.data(), sizeof head);
  head[0] = 0x31434452;
  head[2] = head[2] % 2048 + 1;  // or it would take long
  std::memcpy(blob.data(), head, sizeof head);
  head[1] = static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
  std::memcpy(blob.data(), head, sizeof head);
}

Columns samples(std::span<const std::byte> bytes) {
  Columns out;
  for (; bytes.size() >= sizeof(Point); bytes = bytes.subspan(sizeof(Point))) {
    Point point;
    std::memcpy(&point, bytes.data(), sizeof point);
    out.times_ns.push_back(point.time_ns);
    out.values.push_back(point.value);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] & 2) {
    if (const auto columns = samples(bytes); !columns.values.empty()) check_packing(columns);
    return 0;
  }
  Blob blob(bytes.begin(), bytes.end());
  if (data[0] & 1) repair(blob);
  try {
    check_chunk(blob);
  } catch (const std::runtime_error&) {
  }
  return 0;
}
