#include "sketch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "varint.hpp"

namespace ringdown {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::int32_t bins_per_octave = 35;
constexpr std::int32_t octave_min = -1074, octave_end = 1024;
constexpr std::int32_t index_end = (octave_end - octave_min) * bins_per_octave;

// Mantissas are multiples of 2^-30 from here on, 1 being `one`.
constexpr int mantissa_bits = 30;
constexpr std::uint64_t one = std::uint64_t{1} << mantissa_bits;

/// Where the bins of an octave start, and the octave's end.
constexpr auto bounds = [] {
  constexpr std::uint64_t factor = 1'095'218'389;  // 2^(1/35)
  std::array<std::uint64_t, bins_per_octave + 1> out{one};
  for (std::size_t i = 1; i < bins_per_octave; ++i) out[i] = out[i - 1] * factor >> mantissa_bits;
  out[bins_per_octave] = 2 * one;
  return out;
}();
static_assert(Sketch::relative_error == 0.01 && [] {
  for (std::size_t i = 0; i < bins_per_octave; ++i)
    if (bounds[i] >= bounds[i + 1] || bounds[i + 1] * 99 > bounds[i] * 101) return false;
  return true;
}());

/// An octave in cells of equal width, narrower than any bin: the bin at a cell's start, which may end inside
/// it.
constexpr int cell_bits = 6;
constexpr auto bin_at_cell = [] {
  std::array<std::uint8_t, 1 << cell_bits> out{};
  for (std::size_t cell = 0; cell < out.size(); ++cell)
    while (bounds[out[cell] + 1u] <= one + (cell << (mantissa_bits - cell_bits))) ++out[cell];
  return out;
}();
static_assert(bounds[1] - bounds[0] > one >> cell_bits);

/// Of a positive, finite double's bits.
std::int32_t index_of(std::uint64_t bits) noexcept {
  auto exponent = static_cast<std::int32_t>(bits >> 52);
  if (exponent == 0) {  // subnormal
    const int shift = std::countl_zero(bits) - 11;
    bits <<= shift;
    exponent = 1 - shift;
  }
  const auto fraction = bits >> (52 - mantissa_bits) & (one - 1);
  const std::int32_t bin = bin_at_cell[fraction >> (mantissa_bits - cell_bits)];
  const bool behind = one + fraction >= bounds[static_cast<std::size_t>(bin) + 1];
  return (exponent - 1023 - octave_min) * bins_per_octave + bin + behind;
}

double value_of(std::int32_t index) noexcept {
  const auto bin = static_cast<std::size_t>(index % bins_per_octave);
  const auto from = static_cast<double>(bounds[bin]), to = static_cast<double>(bounds[bin + 1]);
  return std::ldexp(2 * from * to / (from + to), index / bins_per_octave + octave_min - mantissa_bits);
}

constexpr auto about = "quantile sketch: ";
std::runtime_error damaged(const std::string& why) { return std::runtime_error(about + why); }

constexpr unsigned gap_bits = 3;
constexpr std::uint64_t gap_max = (1 << gap_bits) - 1, count_max = ~std::uint64_t{0} >> gap_bits;

void put_bins(std::int32_t lowest, std::span<const std::uint64_t> counts, Bytes& out) {
  const auto empty = static_cast<std::size_t>(std::ranges::count(counts, 0u));
  put_varint(counts.size() - empty, out);
  if (counts.empty()) return;
  put_varint(static_cast<std::uint64_t>(lowest), out);
  std::uint64_t gap = 0;
  for (const auto count : counts) {
    if (count == 0) {
      ++gap;
      continue;
    }
    put_varint(std::min(count, count_max) << gap_bits | std::min(gap, gap_max), out);
    if (gap >= gap_max) put_varint(gap - gap_max, out);
    gap = 0;
  }
}

std::vector<std::uint64_t> get_bins(ByteReader& reader, std::int32_t& lowest) {
  std::vector<std::uint64_t> counts;
  const auto bins = reader.varint();
  if (bins == 0) return counts;
  const auto index = reader.varint();
  if (index >= index_end)
    throw damaged("bin " + std::to_string(index) + "; expected at most " + std::to_string(index_end - 1));
  lowest = static_cast<std::int32_t>(index);
  const auto size_max = static_cast<std::uint64_t>(std::min(Sketch::bins_max, index_end - lowest));
  for (std::uint64_t bin = 0; bin < bins; ++bin) {
    const auto coded = reader.varint(), count = coded >> gap_bits;
    auto gap = coded & gap_max;
    if (gap == gap_max) gap += std::min(reader.varint(), size_max);
    if (count == 0) throw damaged("a bin without samples");
    if (bin == 0 && gap > 0) throw damaged("empty bins below its lowest");
    if (counts.size() + gap >= size_max)
      throw damaged("a bin more than " + std::to_string(size_max - 1) + " above the lowest");
    counts.resize(counts.size() + gap);
    counts.push_back(count);
  }
  return counts;
}

}  // namespace

/// The count at `index` or, below the bins kept, of the lowest; bins in between are made. The caller has to
/// add to it.
std::uint64_t& Sketch::Side::cover(std::int32_t index) {
  if (counts.empty()) lowest = index;
  if (index > highest()) {
    if (const auto from = index - bins_max + 1; from > lowest) {
      const auto end = counts.begin() + (std::min(from, highest() + 1) - lowest);
      const auto below = std::accumulate(counts.begin(), end, std::uint64_t{0});
      counts.erase(counts.begin(), end);
      counts.resize(bins_max);
      counts.front() += below;
      lowest = from;
    } else {
      counts.resize(static_cast<std::size_t>(index - lowest) + 1);
    }
  } else if (index < lowest) {
    index = std::max(index, highest() - bins_max + 1);
    counts.insert(counts.begin(), static_cast<std::size_t>(lowest - index), 0);
    lowest = index;
  }
  return counts[static_cast<std::size_t>(index - lowest)];
}

void Sketch::Side::add(std::int32_t index, std::uint64_t count) {
  const auto at = static_cast<std::size_t>(index - lowest);  // wraps below the lowest
  (at < counts.size() ? counts[at] : cover(index)) += count;
}

void Sketch::Side::merge(const Side& other) {
  if (other.counts.empty()) return;
  cover(other.highest());
  cover(other.lowest);
  for (std::int32_t i = other.lowest; i <= other.highest(); ++i)
    counts[static_cast<std::size_t>(std::max(i, lowest) - lowest)] +=
        other.counts[static_cast<std::size_t>(i - other.lowest)];
}

void Sketch::add(double value, std::uint64_t count) {
  constexpr auto sign = std::uint64_t{1} << 63;
  constexpr auto infinity = std::uint64_t{0x7ff} << 52;
  const auto bits = std::bit_cast<std::uint64_t>(value), magnitude = bits & ~sign;
  if (magnitude >= infinity || count == 0) return;
  count_ += count;
  if (magnitude == 0)
    zeros_ += count;
  else
    (bits & sign ? negative_ : positive_).add(index_of(magnitude), count);
}

void Sketch::merge(const Sketch& other) {
  count_ += other.count_;
  zeros_ += other.zeros_;
  negative_.merge(other.negative_);
  positive_.merge(other.positive_);
}

double Sketch::quantile(double q) const {
  if (empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto behind = std::floor(q * static_cast<double>(count_ - 1));
  std::uint64_t left = !(behind > 0) ? 0 : behind < 0x1p63 ? static_cast<std::uint64_t>(behind) : count_ - 1;
  const auto is_in = [&](std::uint64_t count) {
    if (left < count) return true;
    left -= count;
    return false;
  };
  for (auto i = negative_.counts.size(); i-- > 0;)
    if (is_in(negative_.counts[i])) return -value_of(negative_.lowest + static_cast<std::int32_t>(i));
  if (is_in(zeros_)) return 0;
  for (std::size_t i = 0; i < positive_.counts.size(); ++i)
    if (is_in(positive_.counts[i])) return value_of(positive_.lowest + static_cast<std::int32_t>(i));
  // q was above 1 or the rank was rounded up: the greatest
  if (!positive_.counts.empty()) return value_of(positive_.highest());
  return zeros_ ? 0 : -value_of(negative_.lowest);
}

std::vector<std::byte> Sketch::encode() const {
  std::vector<std::byte> out{std::byte{version}};
  out.reserve(16 + negative_.counts.size() + positive_.counts.size());
  put_varint(zeros_, out);
  put_bins(negative_.lowest, negative_.counts, out);
  put_bins(positive_.lowest, positive_.counts, out);
  return out;
}

Sketch Sketch::decode(std::span<const std::byte> bytes) {
  if (bytes.empty()) throw damaged("it is empty");
  ByteReader reader(bytes, about);
  if (const auto found = reader.byte(); found != version)
    throw damaged("version " + std::to_string(found) + "; this program reads version " +
                  std::to_string(version));
  Sketch out;
  out.zeros_ = reader.varint();
  out.negative_.counts = get_bins(reader, out.negative_.lowest);
  out.positive_.counts = get_bins(reader, out.positive_.lowest);
  if (!reader.at_end()) throw damaged(std::to_string(reader.left()) + " bytes behind its end");
  const auto add = [&](std::uint64_t count) {
    if (count > std::numeric_limits<std::int64_t>::max() - out.count_) throw damaged("2^63 samples or more");
    out.count_ += count;
  };
  add(out.zeros_);
  std::ranges::for_each(out.negative_.counts, add);
  std::ranges::for_each(out.positive_.counts, add);
  return out;
}

}  // namespace ringdown
