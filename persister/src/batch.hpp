// batch.hpp: what one commit stores, and the blob that holds its samples.
//
// Blob, version 1 (little-endian):
//   0   u32  magic "RDB1"
//   4   u32  checksum: low half of XXH3-64 of the bytes from 8 on
//   8   u32  series in the directory
//   12  u32  samples
//   16  directory: per series u32 id, u32 index of its first sample; ascending in both
//       i64  time_ns of every sample, series by series, in the order they were pushed
//       f64  value of every sample, likewise
// One series is found by a binary search in the directory, without reading the rest.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ring/definition.hpp"
#include "ring/ownership.hpp"

namespace ringdown {

struct Sample {
  std::int64_t time_ns;
  double value;
  std::uint32_t series;  // database id
};

struct SeriesRow {
  std::uint32_t id;
  ring::Definition definition;
};

struct ProducerRow {
  std::int64_t id;
  std::int64_t ring;
  std::uint32_t lane;
  std::uint64_t first_seq;
  ring::Holder holder;
};

struct LossRow {
  std::int64_t ring;
  std::uint32_t lane;
  std::int64_t producer;  // 0: not known
  ring::abi::Loss reason;
  std::uint64_t count;
  std::uint64_t first_seq, last_seq;
  std::int64_t time_ns;
};

struct CursorRow {
  std::int64_t ring;
  std::uint32_t lane;
  std::uint64_t next_seq = 1;
  std::int64_t producer = 0;
  std::uint64_t stored = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicates = 0;
  std::string ledger = "{}";
};

/// Everything of one commit. Committing it twice is impossible: its cursors move with it.
struct Batch {
  std::vector<Sample> samples;
  std::vector<SeriesRow> series;
  std::vector<ProducerRow> producers;
  std::vector<LossRow> losses;
  std::vector<CursorRow> cursors;

  bool empty() const noexcept {
    return samples.empty() && series.empty() && producers.empty() && losses.empty() && cursors.empty();
  }
  void clear() noexcept {
    samples.clear();
    series.clear();
    producers.clear();
    losses.clear();
    cursors.clear();
  }
};

/// Packs samples by series, keeping the order within each. O(n); `blob` is replaced.
void encode_batch(std::span<const Sample> samples, std::vector<std::byte>& blob);

/// A checked blob. Borrows its bytes.
class BatchView {
 public:
  /// Throws std::runtime_error saying what is wrong unless magic, sizes, directory and checksum hold.
  explicit BatchView(std::span<const std::byte> blob);

  struct Column {
    std::uint32_t series = 0;
    std::uint32_t count = 0;
    const std::byte* times = nullptr;
    const std::byte* values = nullptr;
    std::int64_t time_ns(std::size_t i) const noexcept { return at<std::int64_t>(times, i); }
    double value(std::size_t i) const noexcept { return at<double>(values, i); }

   private:
    template <class T>
    static T at(const std::byte* from, std::size_t i) noexcept {
      T out;
      std::memcpy(&out, from + i * sizeof out, sizeof out);
      return out;
    }
  };

  std::uint32_t series() const noexcept { return series_; }
  std::uint32_t samples() const noexcept { return samples_; }
  Column column(std::uint32_t index) const noexcept;
  std::optional<Column> find(std::uint32_t series) const noexcept;

 private:
  std::uint32_t word(std::size_t index) const noexcept;

  const std::byte* data_;
  std::uint32_t series_ = 0;
  std::uint32_t samples_ = 0;
};

}  // namespace ringdown
