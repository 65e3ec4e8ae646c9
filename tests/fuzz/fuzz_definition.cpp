// fuzz_definition.cpp: decodes definitions that somebody else wrote.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but ring::Error; what is accepted keeps
// within the limits and comes back the same from its own encoding; nothing beyond the end is read.
// Half of the inputs get the right checksum, else hardly any would come past it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ring/definition.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A heap block of just this size: a read beyond it is AddressSanitizer's.
  std::vector<std::byte> bytes(size - 1);
  if (size > 1) std::memcpy(bytes.data(), data + 1, size - 1);
  ring::abi::DefinitionHeader header;
  if (data[0] & 1 && bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.bytes >= sizeof header && header.bytes <= bytes.size()) {
      const auto sum = ring::abi::fnv1a(bytes.data() + 8, header.bytes - 8);
      std::memcpy(bytes.data() + 4, &sum, sizeof sum);
    }
  }
  try {
    std::size_t consumed = 0;
    const auto definition = ring::decode(bytes, consumed);
    if (consumed > bytes.size() || consumed % 8 != 0) std::abort();
    std::size_t again = 0;
    if (ring::decode(ring::encode(definition), again) != definition) std::abort();
  } catch (const ring::Error&) {
  }
  return 0;
}
