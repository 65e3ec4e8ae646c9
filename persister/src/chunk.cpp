#include "chunk.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "chunk_values.hpp"
#include "column.hpp"

namespace ringdown {
namespace {

constexpr std::uint32_t times_magic = 0x31544452;   // "RDT1"
constexpr std::uint32_t values_magic = 0x31564452;  // "RDV1"

struct Header {
  std::uint32_t magic, checksum, samples;
};
static_assert(sizeof(Header) == 12);
constexpr std::size_t checked_from = 8;

constexpr std::size_t part_samples = 1 << 16;
constexpr std::size_t part_bytes_min = 3;  // a column's kind, base and slope

std::uint32_t checksum(std::span<const std::byte> blob) {
  return static_cast<std::uint32_t>(XXH3_64bits(blob.data() + checked_from, blob.size() - checked_from));
}

const char* what(std::uint32_t magic) { return magic == times_magic ? "time stamps" : "values"; }

std::runtime_error damaged(const std::string& why) { return std::runtime_error("chunk: " + why); }

Header read_header(std::span<const std::byte> blob) {
  Header header;
  if (blob.size() < sizeof header)
    throw damaged("it has " + std::to_string(blob.size()) + " bytes, fewer than a header");
  std::memcpy(&header, blob.data(), sizeof header);
  if (header.magic != times_magic && header.magic != values_magic)
    throw damaged("unknown version; this program reads version 1");
  if (header.samples == 0 || header.samples > chunk_samples_max)
    throw damaged(std::to_string(header.samples) + " samples, expected 1 to " +
                  std::to_string(chunk_samples_max));
  return header;
}

/// Calls with the first and the number of each part's samples.
template <class Call>
void for_each_part(std::size_t samples, Call&& call) {
  for (std::size_t from = 0; from < samples; from += part_samples)
    call(from, std::min(part_samples, samples - from));
}

template <class Sample, class Put>
void encode(std::uint32_t magic, std::span<const Sample> samples, std::vector<std::byte>& blob, Put&& put) {
  if (samples.empty() || samples.size() > chunk_samples_max)
    throw std::length_error("chunk of " + std::to_string(samples.size()) + " samples; 1 to " +
                            std::to_string(chunk_samples_max) + " are possible");
  Header header{magic, 0, static_cast<std::uint32_t>(samples.size())};
  blob.assign(sizeof header, {});
  for_each_part(samples.size(), [&](auto from, auto count) { put(samples.subspan(from, count)); });
  std::memcpy(blob.data(), &header, sizeof header);
  header.checksum = checksum(blob);
  std::memcpy(blob.data(), &header, sizeof header);
}

template <class Sample, class Get>
void decode(std::uint32_t magic, std::span<const std::byte> blob, std::vector<Sample>& samples, Get&& get) {
  const auto header = read_header(blob);
  if (header.magic != magic)
    throw damaged(std::string("it holds ") + what(header.magic) + ", expected " + what(magic));
  if (header.checksum != checksum(blob)) throw damaged("wrong checksum");
  const auto contents = blob.subspan(sizeof header);
  const auto parts = (header.samples + part_samples - 1) / part_samples;
  if (contents.size() < parts * part_bytes_min)
    throw damaged(std::to_string(contents.size()) + " bytes cannot hold " + std::to_string(header.samples) +
                  " " + what(magic));
  ByteReader reader(contents);
  samples.resize(std::min<std::size_t>(samples.size(), header.samples));
  samples.reserve(header.samples);
  try {
    for_each_part(header.samples, [&](auto from, auto count) {
      if (samples.size() < from + count) samples.resize(from + count);  // what comes may be damaged
      get(reader, std::span(samples).subspan(from, count));
    });
  } catch (const std::runtime_error& error) {
    throw damaged(std::string(what(magic)) + ": " + error.what());
  }
  if (!reader.at_end()) throw damaged(std::string(what(magic)) + ": something is behind their end");
}

}  // namespace

void encode_times(std::span<const std::int64_t> times_ns, std::vector<std::byte>& blob) {
  encode(times_magic, times_ns, blob, [&](auto part) {
    put_column({reinterpret_cast<const std::uint64_t*>(part.data()), part.size()}, blob);
  });
}
void encode_values(std::span<const double> values, std::vector<std::byte>& blob) {
  encode(values_magic, values, blob, [&](auto part) { put_values(part, blob); });
}

void decode_times(std::span<const std::byte> blob, std::vector<std::int64_t>& times_ns) {
  decode(times_magic, blob, times_ns, [](auto& reader, auto part) {
    get_column(reader, {reinterpret_cast<std::uint64_t*>(part.data()), part.size()});
  });
}
void decode_values(std::span<const std::byte> blob, std::vector<double>& values) {
  decode(values_magic, blob, values, [](auto& reader, auto part) { get_values(reader, part); });
}

std::uint32_t chunk_samples(std::span<const std::byte> blob) { return read_header(blob).samples; }

}  // namespace ringdown
