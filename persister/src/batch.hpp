// batch.hpp: what one commit stores, and the blob that holds its samples.
//
// Blob, version 1 (little-endian; a varint has 7 bits a byte, the lowest first, and a zigzag is a signed one):
//   0   u32  magic "RDB1"
//   4   u32  checksum: low half of XXH3-64 of the bytes from 8 on
//   8   u32  series
//   12  u32  samples
//   16  u32  time stamps
//   20  u32  bytes of what follows when unpacked
//   24  a Zstandard frame of
//       f64     value of every sample, series by series, in the order they were pushed
//       varints per series, ascending: the id's distance from the one before; its samples
//       zigzags the time stamps, ns, each as the distance from the one before, in the order they were pushed.
//               Samples pushed one after the other with the same time (a cycle of a loop) share one
//       zigzags per series: its first sample's time stamp, as the distance from that of the series before;
//               then varints: of every further sample, as the distance from that of the sample before
#pragma once

#include <cstdint>
#include <cstring>
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

/// Most samples of one blob.
inline constexpr std::uint32_t batch_samples_max = 1 << 24;

/// Packs samples by series, keeping the order within each. O(n); `blob` is replaced.
void encode_batch(std::span<const Sample> samples, std::vector<std::byte>& blob);

/// A checked and unpacked blob.
class BatchView {
 public:
  BatchView() = default;
  explicit BatchView(std::span<const std::byte> blob) { read(blob); }
  /// Another blob, in the memory of the one before. Throws std::runtime_error saying what is wrong unless magic,
  /// checksum, sizes and contents hold; the view may then only be read into again.
  void read(std::span<const std::byte> blob);

  /// One series. Valid as long as its BatchView.
  struct Column {
    std::uint32_t series = 0;
    std::uint32_t count = 0;
    const std::int64_t* times = nullptr;
    const std::byte* values = nullptr;
    std::int64_t time_ns(std::size_t i) const noexcept { return times[i]; }
    double value(std::size_t i) const noexcept {
      double out;
      std::memcpy(&out, values + i * sizeof out, sizeof out);
      return out;
    }
  };

  std::uint32_t series() const noexcept { return static_cast<std::uint32_t>(columns_.size()); }
  std::uint32_t samples() const noexcept { return samples_; }
  const Column& column(std::uint32_t index) const noexcept { return columns_[index]; }
  /// nullptr when the series is not in the batch. O(log series)
  const Column* find(std::uint32_t series) const noexcept;

 private:
  std::uint32_t samples_ = 0;
  std::vector<std::byte> unpacked_;             // this and the next: and perhaps more behind what is used
  std::vector<std::int64_t> times_, stamps_;
  std::vector<Column> columns_;
};

}  // namespace ringdown
