// column.hpp: a column of integers modulo 2^64, packed: what a prediction is off by, in planes (plane.hpp).
//
//   u8      bits 0-1: the prediction's order; bits 2-5: planes; bit 6: there is a unit; bit 7: 0
//   zigzag  base
//   zigzag  slope
//   varint  fraction, below 2^20, if the order is 0
//   varint  unit, if there is one; else it is 1
//   planes  the lowest first: byte 0, 1, ... of every zigzag of what the prediction is off by
//
// Number i, from 0 on, is base + unit * y[i], and with off[i] what the prediction is off by,
//   order 0   y[i] = i * slope + (i * fraction >> 20) + off[i]
//   order 1   y[i] = y[i-1] + slope + off[i],  y[-1] = 0
//   order 2   y[i] = y[i-1] + d[i],  y[-1] = 0;  d[i] = d[i-1] + off[i],  d[-1] = slope
#pragma once

#include "varint.hpp"

namespace ringdown {

/// How a column is packed, chosen by a look at a few of its numbers.
struct Prediction {
  unsigned order = 0;
  std::uint64_t start = 0;  // units from the base to the first number
  std::uint64_t slope = 0, fraction = 0, unit = 1;
  double bits = 0;  // about so many a number
};
/// @param column  not empty
Prediction predict(std::span<const std::uint64_t> column);

void put_column(std::span<const std::uint64_t> column, const Prediction& prediction, Bytes& out);
inline void put_column(std::span<const std::uint64_t> column, Bytes& out) {
  put_column(column, predict(column), out);
}

/// Fills `column`. Throws std::runtime_error that says what is wrong.
void get_column(ByteReader& reader, std::span<std::uint64_t> column);

}  // namespace ringdown
