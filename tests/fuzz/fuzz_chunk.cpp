// fuzz_chunk.cpp: opens chunks that somebody else wrote, and packs samples of any bits.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but std::runtime_error; an accepted
// chunk is as long as it says, is none of the other kind, and packed again it gives back every bit. The first
// byte says what the others are: bit 0 a chunk whose magic, checksum and count are made right, else hardly
// any input would come past them; bit 1 samples, 8 bytes each. Bit 2: of values, else of time stamps.
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

struct Times {
  using Sample = std::int64_t;
  static constexpr std::uint32_t magic = 0x31544452;  // "RDT1"
  static constexpr auto encode = ringdown::encode_times;
  static constexpr auto decode = ringdown::decode_times;
};
struct Values {
  using Sample = double;
  static constexpr std::uint32_t magic = 0x31564452;  // "RDV1"
  static constexpr auto encode = ringdown::encode_values;
  static constexpr auto decode = ringdown::decode_values;
};

void check(bool holds) {
  if (!holds) std::abort();
}

template <class Half>
std::vector<typename Half::Sample> unpacked(const Blob& blob) {
  std::vector<typename Half::Sample> out;
  Half::decode(blob, out);
  check(out.size() == ringdown::chunk_samples(blob));
  return out;
}

template <class Half>
void check_packing(const std::vector<typename Half::Sample>& samples) {
  Blob blob;
  Half::encode(samples, blob);
  const auto again = unpacked<Half>(blob);
  check(again.size() == samples.size() &&
        std::memcmp(again.data(), samples.data(), std::span(samples).size_bytes()) == 0);
}

template <class Half>
bool is_accepted(const Blob& blob) {
  try {
    check_packing<Half>(unpacked<Half>(blob));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void repair(Blob& blob, std::uint32_t magic) {
  constexpr std::size_t header_bytes = 12;
  if (blob.size() < header_bytes) return;
  std::uint32_t head[3];
  std::memcpy(head, blob.data(), sizeof head);
  head[0] = magic;
  head[2] = (head[2] - 1) % 2048 + 1;  // or it would take long
  std::memcpy(blob.data(), head, sizeof head);
  head[1] = static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
  std::memcpy(blob.data(), head, sizeof head);
}

template <class Half>
void run(unsigned kind, std::span<const std::byte> bytes) {
  if (kind & 2) {
    std::vector<typename Half::Sample> samples(bytes.size() / sizeof(typename Half::Sample));
    if (samples.empty()) return;
    std::memcpy(samples.data(), bytes.data(), std::span(samples).size_bytes());
    return check_packing<Half>(samples);
  }
  Blob blob(bytes.begin(), bytes.end());
  if (kind & 1) repair(blob, Half::magic);
  const bool times = is_accepted<Times>(blob), values = is_accepted<Values>(blob);
  check(!times || !values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  data[0] & 4 ? run<Values>(data[0], bytes) : run<Times>(data[0], bytes);
  return 0;
}
