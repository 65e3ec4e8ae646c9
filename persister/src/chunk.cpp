#include "chunk.hpp"

#include <xxhash.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "chunk_values.hpp"
#include "column.hpp"

namespace ringdown {
namespace {

constexpr std::uint32_t magic = 0x31434452;  // "RDC1"

struct Header {
  std::uint32_t magic, checksum, samples, times_bytes;
};
static_assert(sizeof(Header) == 16);
constexpr std::size_t checked_from = 8;

std::uint32_t checksum(std::span<const std::byte> blob) {
  return static_cast<std::uint32_t>(XXH3_64bits(blob.data() + checked_from, blob.size() - checked_from));
}

std::runtime_error damaged(const std::string& why) { return std::runtime_error("chunk: " + why); }

Header read_header(std::span<const std::byte> blob) {
  Header header;
  if (blob.size() < sizeof header)
    throw damaged("it has " + std::to_string(blob.size()) + " bytes, fewer than a header");
  std::memcpy(&header, blob.data(), sizeof header);
  if (header.magic != magic) throw damaged("unknown version; this program reads version 1");
  if (header.samples == 0 || header.samples > chunk_samples_max)
    throw damaged(std::to_string(header.samples) + " samples, expected 1 to " +
                  std::to_string(chunk_samples_max));
  return header;
}

struct Halves {
  std::uint32_t samples;
  std::span<const std::byte> times, values;
};
Halves halve(std::span<const std::byte> blob) {
  const auto header = read_header(blob);
  if (header.checksum != checksum(blob)) throw damaged("wrong checksum");
  const auto contents = blob.subspan(sizeof header);
  if (header.times_bytes > contents.size())
    throw damaged("its time stamps take " + std::to_string(header.times_bytes) + " bytes, it has " +
                  std::to_string(contents.size()));
  return {header.samples, contents.first(header.times_bytes), contents.subspan(header.times_bytes)};
}

template <class Get>
void decode(std::span<const std::byte> half, const char* what, Get&& get) {
  ByteReader reader(half);
  try {
    get(reader);
  } catch (const std::runtime_error& error) {
    throw damaged(std::string(what) + ": " + error.what());
  }
  if (!reader.at_end()) throw damaged(std::string(what) + ": something is behind their end");
}
void decode_times(const Halves& halves, std::vector<std::int64_t>& times_ns) {
  times_ns.resize(halves.samples);
  auto* out = reinterpret_cast<std::uint64_t*>(times_ns.data());
  decode(halves.times, "time stamps", [&](auto& reader) { get_column(reader, {out, halves.samples}); });
}
void decode_values(const Halves& halves, std::vector<double>& values) {
  values.resize(halves.samples);
  decode(halves.values, "values", [&](auto& reader) { get_values(reader, values); });
}

}  // namespace

void encode_chunk(std::span<const Point> samples, std::vector<std::byte>& blob) {
  if (samples.empty() || samples.size() > chunk_samples_max)
    throw std::length_error("chunk of " + std::to_string(samples.size()) + " samples; 1 to " +
                            std::to_string(chunk_samples_max) + " are possible");
  thread_local std::vector<std::uint64_t> times;
  thread_local std::vector<double> values;
  times.clear();
  values.clear();
  for (const auto& sample : samples) {
    times.push_back(static_cast<std::uint64_t>(sample.time_ns));
    values.push_back(sample.value);
  }
  Header header{magic, 0, static_cast<std::uint32_t>(samples.size()), 0};
  blob.assign(sizeof header, {});
  put_column(times, blob);
  header.times_bytes = static_cast<std::uint32_t>(blob.size() - sizeof header);
  put_values(values, blob);
  std::memcpy(blob.data(), &header, sizeof header);
  header.checksum = checksum(blob);
  std::memcpy(blob.data(), &header, sizeof header);
}

void decode_chunk(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns,
                  std::vector<double>& values) {
  const auto halves = halve(blob);
  decode_times(halves, times_ns);
  decode_values(halves, values);
}
void decode_chunk_times(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns) {
  decode_times(halve(blob), times_ns);
}
void decode_chunk_values(std::span<const std::byte> blob, std::vector<double>& values) {
  decode_values(halve(blob), values);
}

std::uint32_t chunk_samples(std::span<const std::byte> blob) { return read_header(blob).samples; }

}  // namespace ringdown
