// chunk_values.hpp: a part of the values of a chunk (chunk.hpp), packed in the cheapest of several ways.
#pragma once

#include "varint.hpp"

namespace ringdown {

/// @param values  not empty
void put_values(std::span<const double> values, Bytes& out);

/// Fills `values`. Throws std::runtime_error that says what is wrong.
void get_values(ByteReader& reader, std::span<double> values);

}  // namespace ringdown
