// write_request.hpp: reads the body of a remote write as a receiver does, and refuses what is not by the specification.
#pragma once

#include <snappy.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// name{key="value",...}, in the order of `labels`, which are pairs.
template <class Labels>
std::string series_key(const Labels& labels) {
  std::string name, rest;
  for (const auto& [key, value] : labels)
    if (key == "__name__")
      name = value;
    else
      rest += (rest.empty() ? "" : ",") + key + "=\"" + value + '"';
  return name + '{' + rest + '}';
}

struct SentSeries {
  std::vector<std::pair<std::string, std::string>> labels;  // as sent
  std::vector<std::pair<std::int64_t, double>> samples;     // milliseconds, value
  std::string text() const { return series_key(labels); }
};

/// The bytes of one message of protocol buffers, field by field.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : bytes_(bytes) {}
  bool at_end() const noexcept { return bytes_.empty(); }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      out |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return out;
    }
    throw std::runtime_error("varint: more than 10 bytes");
  }
  std::string_view bytes() { return take(varint()); }
  double fixed64() {
    double out;
    std::memcpy(&out, take(8).data(), 8);
    return out;
  }
  /// Throws unless the next field is this one.
  void expect(unsigned field, unsigned wire_type) {
    if (const auto found = varint(); found != (field << 3 | wire_type))
      throw std::runtime_error("found tag " + std::to_string(found) + ", expected field " + std::to_string(field));
  }
  unsigned next_field() const { return at_end() ? 0 : static_cast<unsigned char>(bytes_[0]) >> 3; }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size()) throw std::runtime_error("message: it ends early");
    const auto out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return out;
  }
  std::string_view bytes_;
};

/// Throws std::runtime_error saying what is wrong.
inline std::vector<SentSeries> read_write_request(const std::string& body) {
  std::string bytes;
  if (!snappy::Uncompress(body.data(), body.size(), &bytes)) throw std::runtime_error("body: not Snappy's block format");
  std::vector<SentSeries> out;
  for (ProtoReader request(bytes); !request.at_end();) {
    request.expect(1, 2);
    ProtoReader series(request.bytes());
    auto& sent = out.emplace_back();
    while (series.next_field() == 1) {
      series.expect(1, 2);
      ProtoReader label(series.bytes());
      label.expect(1, 2);
      const std::string name(label.bytes());
      label.expect(2, 2);
      sent.labels.emplace_back(name, label.bytes());
      if (name.empty() || sent.labels.back().second.empty()) throw std::runtime_error("label " + name + ": empty");
      if (!label.at_end()) throw std::runtime_error("label " + name + ": something behind its end");
    }
    for (std::size_t i = 1; i < sent.labels.size(); ++i)
      if (sent.labels[i - 1].first >= sent.labels[i].first) throw std::runtime_error("labels: not sorted, or one twice");
    while (!series.at_end()) {
      series.expect(2, 2);
      ProtoReader sample(series.bytes());
      sample.expect(1, 1);
      const auto value = sample.fixed64();
      sample.expect(2, 0);
      sent.samples.emplace_back(static_cast<std::int64_t>(sample.varint()), value);
      if (!sample.at_end()) throw std::runtime_error("sample: something behind its end");
    }
    if (!std::is_sorted(sent.samples.begin(), sent.samples.end(),
                        [](const auto& a, const auto& b) { return a.first < b.first; }))
      throw std::runtime_error(sent.text() + ": samples out of order");
  }
  return out;
}

}  // namespace support
