// codec_rivals.hpp: what a chunk of samples could be packed with instead: each encode() and decode() of a
// type. Only ours packs time stamps and values apart; the others put both into the first blob.
#pragma once

#include <zstd.h>

#include <bit>
#include <cstring>
#include <stdexcept>

#include "chunk.hpp"
#include "rollup.hpp"

namespace bench {

using Bytes = std::vector<std::byte>;
using Points = std::span<const ringdown::Point>;
using Times = std::vector<std::int64_t>;
using Values = std::vector<double>;

struct Packed {
  Bytes times, values;
};

struct Ours {
  static void encode(Points points, Packed& packed) {
    thread_local Times times_ns;
    thread_local Values values;
    times_ns.clear();
    values.clear();
    for (const auto& point : points) {
      times_ns.push_back(point.time_ns);
      values.push_back(point.value);
    }
    ringdown::encode_times(times_ns, packed.times);
    ringdown::encode_values(values, packed.values);
  }
  static void decode(const Packed& packed, Times& times, Values& values) {
    ringdown::decode_times(packed.times, times);
    ringdown::decode_values(packed.values, values);
  }
};

/// Pairs of a time stamp and a value, 16 bytes each, under Zstandard.
struct RawZstd {
  static void encode(Points points, Packed& packed) {
    auto& blob = packed.times;
    const auto bytes = std::as_bytes(points);
    blob.resize(ZSTD_compressBound(bytes.size()));
    blob.resize(ZSTD_compress(blob.data(), blob.size(), bytes.data(), bytes.size(), 3));
  }
  static void decode(const Packed& packed, Times& times, Values& values) {
    const auto& blob = packed.times;
    thread_local std::vector<ringdown::Point> points;
    const auto bytes = ZSTD_getFrameContentSize(blob.data(), blob.size());
    points.resize(bytes / sizeof(ringdown::Point));
    if (ZSTD_decompress(points.data(), bytes, blob.data(), blob.size()) != bytes)
      throw std::runtime_error("zstd");
    times.resize(points.size());
    values.resize(points.size());
    for (std::size_t i = 0; i < points.size(); ++i) times[i] = points[i].time_ns, values[i] = points[i].value;
  }
};

/// Delta of delta and XOR, a bit stream (Pelkonen et al., VLDB 2015); the steps of its time stamps are wider,
/// as they are nanoseconds.
struct Gorilla {
  static constexpr unsigned step_bits[] = {0, 14, 20, 32, 64};

  class Writer {
   public:
    explicit Writer(Bytes& out) : out_(out) {}
    void put(std::uint64_t value, unsigned bits) {
      while (bits > 0) {
        if (free_ == 0) {
          out_.push_back({});
          free_ = 8;
        }
        const auto now = std::min(bits, free_);
        const auto part = value >> (bits - now) & ((1u << now) - 1);
        free_ -= now;
        bits -= now;
        out_.back() |= static_cast<std::byte>(part << free_);
      }
    }

   private:
    Bytes& out_;
    unsigned free_ = 0;
  };

  class Reader {
   public:
    explicit Reader(const Bytes& in) : at_(in.data()), end_(at_ + in.size()) {}
    std::uint64_t get(unsigned bits) {
      if (bits > 32) {
        const auto high = get(bits - 32);
        return high << 32 | get(32);
      }
      while (have_ < bits) {
        word_ = word_ << 8 | (at_ < end_ ? std::to_integer<std::uint64_t>(*at_) : 0);
        ++at_;
        have_ += 8;
      }
      have_ -= bits;
      return word_ >> have_ & ((std::uint64_t{1} << bits) - 1);
    }

   private:
    const std::byte* at_;
    const std::byte* end_;
    std::uint64_t word_ = 0;
    unsigned have_ = 0;
  };

  static void encode(Points points, Packed& packed) {
    auto& blob = packed.times;
    blob.clear();
    Writer writer(blob);
    writer.put(points.size(), 32);
    std::int64_t time = 0, delta = 0;
    std::uint64_t before = 0;
    unsigned lead = 0, length = 0;  // of the last window
    for (const auto& point : points) {
      const auto step = point.time_ns - time, bend = step - delta;
      time = point.time_ns;
      delta = step;
      unsigned kind = 0;
      const auto coded = static_cast<std::uint64_t>(bend) << 1 ^ static_cast<std::uint64_t>(bend >> 63);
      while (static_cast<unsigned>(std::bit_width(coded)) > step_bits[kind]) ++kind;
      writer.put((1u << kind) - 1, kind);
      if (kind < 4) writer.put(0, 1);
      writer.put(coded, step_bits[kind]);

      const auto bits = std::bit_cast<std::uint64_t>(point.value), x = bits ^ before;
      before = bits;
      writer.put(x != 0, 1);
      if (x == 0) continue;
      const auto leads = std::min(31u, static_cast<unsigned>(std::countl_zero(x)));
      const auto trails = static_cast<unsigned>(std::countr_zero(x));
      if (length > 0 && leads >= lead && trails >= 64 - lead - length) {
        writer.put(0, 1);
      } else {
        lead = leads;
        length = 64 - leads - trails;
        writer.put(1, 1);
        writer.put(lead, 5);
        writer.put(length - 1, 6);
      }
      writer.put(x >> (64 - lead - length), length);
    }
  }

  static void decode(const Packed& packed, Times& times, Values& values) {
    Reader reader(packed.times);
    const auto count = reader.get(32);
    times.resize(count);
    values.resize(count);
    std::uint64_t time = 0, delta = 0, bits = 0;
    unsigned lead = 0, length = 0;
    for (std::size_t i = 0; i < count; ++i) {
      unsigned kind = 0;
      while (kind < 4 && reader.get(1) != 0) ++kind;
      const auto coded = reader.get(step_bits[kind]);
      delta += coded >> 1 ^ (0 - (coded & 1));
      times[i] = static_cast<std::int64_t>(time += delta);
      if (reader.get(1) != 0) {
        if (reader.get(1) != 0) {
          lead = static_cast<unsigned>(reader.get(5));
          length = static_cast<unsigned>(reader.get(6)) + 1;
        }
        bits ^= reader.get(length) << (64 - lead - length);
      }
      values[i] = std::bit_cast<double>(bits);
    }
  }
};

}  // namespace bench
