#include "remote_write.hpp"

#include <snappy.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace ringdown {
namespace {

constexpr std::uint64_t stale_bits = 0x7ff0000000000002, nan_bits = 0x7ff8000000000001;  // as Prometheus has them

constexpr char tag(unsigned field, unsigned wire_type) { return static_cast<char>(field << 3 | wire_type); }
constexpr unsigned varint_type = 0, fixed64_type = 1, bytes_type = 2;

constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

char* put_varint(char* at, std::uint64_t value) noexcept {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
  return at;
}

void append_varint(std::string& out, std::uint64_t value) {
  char bytes[10];
  out.append(bytes, static_cast<std::size_t>(put_varint(bytes, value) - bytes));
}

void append_bytes(std::string& out, unsigned field, std::string_view bytes) {
  out += tag(field, bytes_type);
  append_varint(out, bytes.size());
  out += bytes;
}

constexpr std::size_t sample_bytes_max = 2 + 9 + 11;

/// A NaN that is the stale marker by accident would end its series.
std::uint64_t bits_of(double value) noexcept {
  return std::isnan(value) && std::bit_cast<std::uint64_t>(value) != stale_bits ? nan_bits
                                                                                : std::bit_cast<std::uint64_t>(value);
}

char* put_sample(char* at, const RemoteSample& sample) noexcept {
  const auto time = static_cast<std::uint64_t>(sample.time_ms);
  const auto bits = bits_of(sample.value);
  *at++ = tag(2, bytes_type);
  *at++ = static_cast<char>(9 + 1 + varint_bytes(time));  // below 128
  *at++ = tag(1, fixed64_type);
  for (unsigned i = 0; i < 8; ++i) *at++ = static_cast<char>(bits >> 8 * i);
  *at++ = tag(2, varint_type);
  return put_varint(at, time);
}

}  // namespace

double stale_marker() noexcept { return std::bit_cast<double>(stale_bits); }

std::string encode_labels(const ring::Definition& series, std::string_view suffix, const ring::Labels& more) {
  auto labels = series.labels;
  for (const auto& [key, value] : more) {
    const auto is_it = [&key = key](const auto& label) { return label.first == key; };
    if (std::none_of(labels.begin(), labels.end(), is_it)) labels.emplace_back(key, value);
  }
  labels.emplace_back("__name__", series.name + std::string(suffix));
  std::sort(labels.begin(), labels.end());
  std::string out, pair;
  for (const auto& [key, value] : labels) {
    if (value.empty()) continue;  // the same as no label, and refused by some
    pair.clear();
    append_bytes(pair, 1, key);
    append_bytes(pair, 2, value);
    append_bytes(out, 1, pair);
  }
  return out;
}

void append_series(std::string& request, std::string_view labels, std::span<const RemoteSample> samples) {
  constexpr std::size_t head_max = 1 + 10;
  const auto begin = request.size();
  request.resize(begin + head_max + labels.size() + samples.size() * sample_bytes_max);
  // The samples' bytes are known once they are written: the length's room is the longest, and moved up.
  char* const body = request.data() + begin + head_max;
  std::memcpy(body, labels.data(), labels.size());
  char* end = body + labels.size();
  for (const auto& sample : samples) end = put_sample(end, sample);
  const auto bytes = static_cast<std::size_t>(end - body);
  char head[head_max] = {tag(1, bytes_type)};
  const auto head_bytes = static_cast<std::size_t>(put_varint(head + 1, bytes) - head);
  std::memcpy(request.data() + begin, head, head_bytes);
  std::memmove(request.data() + begin + head_bytes, body, bytes);
  request.resize(begin + head_bytes + bytes);
}

void pack_request(std::string_view request, std::string& packed) {
  snappy::Compress(request.data(), request.size(), &packed);
}

}  // namespace ringdown
