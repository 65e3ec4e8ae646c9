// sketch.hpp: a mergeable quantile sketch of bounded size and relative error (DDSketch: Masson, Rim, Lee,
// VLDB 2019).
//
// A value counts in a bin of its magnitude. An octave has 35 bins, each 2^(1/35) = 1.0200 times as wide as
// the one before, and is found by the value's exponent and a table of its mantissa: integers, no logarithm,
// so every machine makes the same sketch of the same values. A bin from lo to hi answers with 2 lo hi / (lo +
// hi), which is off by at most (hi - lo) / (hi + lo) = 0.0099 of any value in it; sketch.cpp asserts that of
// every bin.
//
// A sign has 2048 bins behind its highest, 58 octaves: smaller magnitudes, of both signs those next to zero,
// count in the lowest of these. So a sketch depends on nothing but the values in it.
//
// Encoding, version 1 (a varint has 7 bits a byte, the lowest first):
//   u8      1
//   varint  count of zeros
//   then of the negative values, then of the positive ones:
//   varint  bins with a count; 0: no such values, and nothing of the following
//   varint  index of the lowest: 35 an octave from 0 at 2^-1074, the smallest double
//   varints of every bin, the lowest first: 8 * its count + the number of empty bins between it and the bin
//   before, or
//           + 7 if there are 7 or more; then a varint says how many more than 7. (No bin has 2^61 samples.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ringdown {

class Sketch {
 public:
  static constexpr double relative_error = 0.01;
  static constexpr std::int32_t bins_max = 2048;  // of a sign

  Sketch() = default;
  /// Of `count` samples, all `value`.
  Sketch(double value, std::uint64_t count) { add(value, count); }

  /// NaN and infinity are left out.
  void add(double value, std::uint64_t count = 1);
  /// Exactly as if all values had been added to one sketch, in any order and grouping.
  void merge(const Sketch& other);

  std::uint64_t count() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  /// The value that has floor(q * (count - 1)) of the others before it in ascending order, within
  /// relative_error; of a subnormal one, within the rounding to a double besides. NaN when empty.
  /// @param q 0 (the least) to 1 (the greatest)
  double quantile(double q) const;

  bool operator==(const Sketch&) const = default;

  std::vector<std::byte> encode() const;
  /// Throws std::runtime_error saying what is wrong.
  static Sketch decode(std::span<const std::byte> bytes);

 private:
  /// The bins of a sign. The first and the last one are not empty.
  struct Side {
    std::int32_t lowest = 0;
    std::vector<std::uint64_t> counts;

    std::int32_t highest() const noexcept { return lowest + static_cast<std::int32_t>(counts.size()) - 1; }
    void add(std::int32_t index, std::uint64_t count);
    void merge(const Side& other);
    std::uint64_t& cover(std::int32_t index);
    bool operator==(const Side&) const = default;
  };

  std::uint64_t count_ = 0, zeros_ = 0;
  Side negative_, positive_;
};

}  // namespace ringdown
