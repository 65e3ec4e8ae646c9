// window.hpp: sealed samples as rows: how they are found, and how a window is made. See windows, chunks and columns in
// schema.hpp.
//
// A window is made out of sight, over several transactions: its chunks count from the one on that writes its row in
// `windows` and says that its batches, or the windows before it, do not count any more. What does not count is swept up
// afterwards (sweep.hpp). So readers see every sample once at any time, and a window whose making was killed is made
// again: it is at most a few seconds' work.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "rollup.hpp"
#include "sqlite.hpp"

namespace ringdown {

namespace window {

/// Of a chunk's row, where the number is the series, or of a column's.
inline constexpr unsigned number_bits = 26;
inline constexpr std::int64_t row_id(std::int64_t window, std::int64_t number) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(window) << number_bits) + number;
}
inline constexpr std::int64_t window_of(std::int64_t row_id) noexcept { return row_id >> number_bits; }
inline constexpr std::int64_t number_of(std::int64_t row_id) noexcept {
  return row_id & ((std::int64_t{1} << number_bits) - 1);
}

/// The row of `sealed`. Throws a SqliteError that is_damage() if it is not there, or cannot be.
struct Sealed {
  std::int64_t through_batch, next_window, changes;
};
Sealed read_sealed(Database& database);

}  // namespace window

/// Unpacks chunks. Time stamps are kept for other series of the window, which may share them.
class ChunkReader {
 public:
  explicit ChunkReader(Database& database) : database_(database) {}

  /// @param times, values  numbers of columns. @param count  what the chunk's row says
  /// Throws std::runtime_error saying what is wrong with it, SqliteError.
  void read(std::int64_t window, std::int64_t times, std::int64_t values, std::int64_t count);
  /// Of the last chunk that was read; `count` of each.
  std::span<const std::int64_t> times() const noexcept { return *times_; }
  std::span<const double> values() const noexcept { return values_; }
  void clear();

 private:
  Database& database_;
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> known_;  // time stamps, by the column's id
  std::size_t known_count_ = 0;
  const std::vector<std::int64_t>* times_ = nullptr;
  std::vector<double> values_;
};

/// Writes one window's chunks. What its series have in common, time stamps or values, is stored once.
class WindowWriter {
 public:
  explicit WindowWriter(Database& database) : database_(database) {}

  void begin(std::int64_t id);
  /// @param samples  of one series, in time order, not empty. Each series once.
  void add(std::uint32_t series, std::span<const Point> samples);
  /// Lets it be seen, unless it has no sample.
  void publish(std::int64_t first_batch, std::int64_t last_batch, std::int64_t committed_ns, std::int64_t strays,
               std::int64_t merged);

 private:
  struct Hash {
    std::uint64_t low, high;
    bool operator==(const Hash&) const = default;
  };
  struct HashOf {
    std::size_t operator()(const Hash& hash) const noexcept { return hash.low; }
  };
  using Numbers = std::unordered_map<Hash, std::int64_t, HashOf>;  // of columns, by the hash of what is in them

  template <class T, class Encode>
  std::int64_t column(Numbers& known, const std::vector<T>& content, Encode&& encode);

  Database& database_;
  std::int64_t id_ = 0, min_ns_ = 0, max_ns_ = 0, samples_ = 0, columns_ = 0;
  Numbers known_times_, known_values_;
  std::vector<std::int64_t> times_;
  std::vector<double> values_;
  std::vector<std::byte> blob_;
};

}  // namespace ringdown
