#include "column.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "plane.hpp"

namespace ringdown {
namespace {

constexpr unsigned fraction_bits = 20, planes_max = 8;
constexpr unsigned unit_flag = 1u << 6;

std::int64_t is_signed(std::uint64_t number) { return static_cast<std::int64_t>(number); }
std::uint64_t magnitude(std::uint64_t number) { return is_signed(number) < 0 ? 0 - number : number; }

/// The greatest number that divides every difference; 1 if there is none.
std::uint64_t unit_of(std::span<const std::uint64_t> column) {
  std::uint64_t unit = 0;
  for (std::size_t i = 1; i < column.size() && unit != 1; ++i) {
    const auto distance = magnitude(column[i] - column[0]);
    if (unit == 0 || distance % unit != 0) unit = std::gcd(unit, distance);
  }
  return unit == 0 || is_signed(unit) < 0 ? 1 : unit;
}

/// The numbers in units: those that a prediction is about.
struct Units {
  std::span<const std::uint64_t> column;
  std::int64_t unit;
  std::uint64_t operator[](std::size_t i) const {
    const auto distance = is_signed(column[i] - column[0]);
    return static_cast<std::uint64_t>(unit == 1 ? distance : distance / unit);
  }
};

constexpr std::size_t stretches = 4, stretch = 32;  // of numbers looked at

/// Numbers evenly over the column; the first ones are left out.
std::vector<std::size_t> some_places(std::size_t count) {
  constexpr std::size_t before = 2;
  std::vector<std::size_t> out;
  if (count <= stretches * stretch + before) {
    for (auto i = std::min(before, count - 1); i < count; ++i) out.push_back(i);
    return out;
  }
  for (std::size_t s = 0; s < stretches; ++s) {
    const auto from = before + (count - before - stretch) * s / (stretches - 1);
    for (auto i = from; i < from + stretch; ++i) out.push_back(i);
  }
  return out;
}

/// The middle of the guesses at `places`.
template <class Guess>
std::uint64_t middle(const std::vector<std::size_t>& places, Guess&& guess) {
  thread_local std::vector<std::int64_t> all;
  all.clear();
  for (const auto i : places) all.push_back(is_signed(guess(i)));
  const auto at = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), at, all.end());
  return static_cast<std::uint64_t>(*at);
}

template <class Off>
double mean_bits(const std::vector<std::size_t>& places, Off&& off) {
  int sum = 0;
  for (const auto i : places) sum += static_cast<int>(std::bit_width(zigzag(off(i))));
  return static_cast<double>(sum) / static_cast<double>(places.size());
}

std::uint64_t line(std::uint64_t i, std::uint64_t slope, std::uint64_t fraction) {
  return i * slope + (i * fraction >> fraction_bits);
}

/// What follows when `off` has been added, number by number.
struct Line {
  std::uint64_t slope, fraction, i = 0;
  std::uint64_t next(std::uint64_t off) { return line(i++, slope, fraction) + off; }
};
struct Step {
  std::uint64_t slope, y = 0;
  std::uint64_t next(std::uint64_t off) { return y += slope + off; }
};
struct Bend {
  std::uint64_t slope, y = 0;
  std::uint64_t next(std::uint64_t off) { return y += slope += off; }
};

/// @return the bits that any is off by
template <class Sequence>
std::uint64_t offs(const Units& y, std::uint64_t start, Sequence sequence, std::uint64_t* out) {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < y.column.size(); ++i) {
    auto ahead = sequence;
    const auto off = y[i] + start - ahead.next(0);
    sequence.next(off);
    all |= out[i] = zigzag(off);
  }
  return all;
}

/// The planes of a block of numbers, combined and added to the sequence.
template <unsigned planes, class Sequence>
void fill(const std::array<const std::uint8_t*, planes_max>& plane, std::span<std::uint64_t> column,
          std::uint64_t base, std::uint64_t unit, Sequence sequence) {
  constexpr std::size_t block = 256;
  std::uint64_t off[block];
  for (std::size_t from = 0; from < column.size(); from += block) {
    const auto count = std::min(block, column.size() - from);
    const auto combine = [&](std::size_t length) {
      for (std::size_t i = 0; i < length; ++i) {
        std::uint64_t coded = 0;
        for (unsigned p = 0; p < planes; ++p) coded |= std::uint64_t{plane[p][from + i]} << (8 * p);
        off[i] = unzigzag(coded);
      }
    };
    if (count == block)
      combine(block);  // a fixed length, so that the compiler uses vectors
    else
      combine(count);
    if (unit == 1)
      for (std::size_t i = 0; i < count; ++i) column[from + i] = base + sequence.next(off[i]);
    else
      for (std::size_t i = 0; i < count; ++i) column[from + i] = base + unit * sequence.next(off[i]);
  }
}

template <class Sequence, unsigned... planes>
void fill_any(unsigned count, std::integer_sequence<unsigned, planes...>,
              const std::array<const std::uint8_t*, planes_max>& plane, std::span<std::uint64_t> column,
              std::uint64_t base, std::uint64_t unit, Sequence sequence) {
  ((count == planes ? fill<planes>(plane, column, base, unit, sequence) : void()), ...);
}

}  // namespace

Prediction predict(std::span<const std::uint64_t> column) {
  const auto unit = unit_of(column);
  const Units y{column, is_signed(unit)};

  Prediction best{.unit = unit};
  if (column.size() == 1) return best;
  const auto places = some_places(column.size());

  const auto level = middle(places, [&](auto i) { return y[i]; });
  best.bits = mean_bits(places, [&](auto i) { return y[i] - level; });
  best.start = 0 - level;
  const auto consider = [&](double bits, unsigned order, std::uint64_t start, std::uint64_t slope,
                            std::uint64_t fraction) {
    if (bits < best.bits) best = {order, start, slope, fraction, unit, bits};
  };
  // Of two states next to each other both are then a bit: 0 and -1, not 0 and 1.
  consider(mean_bits(places, [&](auto i) { return y[i] - level - 1; }), 0, 0 - level - 1, 0, 0);

  // Several pairs, a stretch's beginning and its end apart: one number that is off would tilt the line.
  std::vector<std::size_t> begins(std::min(stretch, column.size() / 2));
  std::iota(begins.begin(), begins.end(), 0);
  const auto apart = column.size() - begins.size();
  const auto rise = middle(begins, [&](auto i) { return y[i + apart] - y[i]; });
  const auto steps = static_cast<std::int64_t>(apart);
  const auto rest = static_cast<std::uint64_t>((is_signed(rise) % steps + steps) % steps);
  const auto slope = static_cast<std::uint64_t>(is_signed(rise - rest) / steps);
  const auto fraction = (rest << fraction_bits) / apart;
  const auto height = middle(places, [&](auto i) { return y[i] - line(i, slope, fraction); });
  consider(mean_bits(places, [&](auto i) { return y[i] - line(i, slope, fraction) - height; }), 0, 0 - height,
           slope, fraction);

  const auto step = middle(places, [&](auto i) { return y[i] - y[i - 1]; });
  consider(mean_bits(places, [&](auto i) { return y[i] - y[i - 1] - step; }), 1, step, step, 0);
  if (column.size() > 2)
    consider(mean_bits(places, [&](auto i) { return y[i] - 2 * y[i - 1] + y[i - 2]; }), 2, y[1], y[1], 0);
  return best;
}

void put_column(std::span<const std::uint64_t> column, const Prediction& prediction, Bytes& out) {
  const auto& [order, start, slope, fraction, unit, bits] = prediction;
  thread_local std::vector<std::uint64_t> off;
  thread_local std::vector<std::uint8_t> plane;
  off.resize(column.size());
  const Units y{column, is_signed(unit)};
  const auto all = order == 0   ? offs(y, start, Line{slope, fraction}, off.data())
                   : order == 1 ? offs(y, start, Step{slope}, off.data())
                                : offs(y, start, Bend{slope}, off.data());
  const auto planes = (static_cast<unsigned>(std::bit_width(all)) + 7) / 8;
  put_byte(order | planes << 2 | (unit == 1 ? 0 : unit_flag), out);
  put_varint(zigzag(column[0] - unit * start), out);
  put_varint(zigzag(slope), out);
  if (order == 0) put_varint(fraction, out);
  if (unit != 1) put_varint(unit, out);
  plane.assign((column.size() + 7) / 8 * 8, 0);
  for (unsigned p = 0; p < planes; ++p) {
    for (std::size_t i = 0; i < off.size(); ++i) plane[i] = static_cast<std::uint8_t>(off[i] >> (8 * p));
    put_plane(plane.data(), column.size(), out);
  }
}

void get_column(ByteReader& reader, std::span<std::uint64_t> column) {
  const auto kind = reader.byte();
  const auto order = kind & 3, planes = kind >> 2 & 15;
  if (order > 2 || planes > planes_max || kind >> 7 != 0)
    throw std::runtime_error("a column of kind " + std::to_string(kind) + " is unknown");
  const auto base = unzigzag(reader.varint()), slope = unzigzag(reader.varint());
  const auto fraction = order == 0 ? reader.varint((1u << fraction_bits) - 1, "a slope's fraction") : 0;
  const auto unit = kind & unit_flag ? reader.varint() : 1;

  thread_local std::vector<std::uint8_t> room;
  const auto stride = column.size() + plane_spare_bytes;
  if (room.size() < planes * stride) room.resize(planes * stride);
  std::array<const std::uint8_t*, planes_max> plane{};
  for (unsigned p = 0; p < planes; ++p) plane[p] = get_plane(reader, column.size(), room.data() + p * stride);
  const std::make_integer_sequence<unsigned, planes_max + 1> any;
  if (order == 0)
    fill_any(planes, any, plane, column, base, unit, Line{slope, fraction});
  else if (order == 1)
    fill_any(planes, any, plane, column, base, unit, Step{slope});
  else
    fill_any(planes, any, plane, column, base, unit, Bend{slope});
}

}  // namespace ringdown
