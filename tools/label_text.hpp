// label_text.hpp: reads labels as Prometheus and ring-query write them: {name="value",other="x"}.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ring/definition.hpp"

namespace ringdown {

/// Reads the labels at `at`, where the '{' stands, and moves `at` behind the '}'. In a value \\, \" and \n stand for a
/// backslash, a quote and a line end. Throws ring::Error(bad_argument): "column 12: expected ..., found ...".
ring::Labels take_labels(std::string_view line, std::size_t& at);

/// Reads a name, with `colons` a metric's, else a label's, and moves `at` behind it. Empty: there is none.
std::string_view take_name(std::string_view line, std::size_t& at, bool colons) noexcept;

/// Throws what take_labels throws. A column is a byte of the line, from 1.
[[noreturn]] void refuse_column(std::string_view line, std::size_t at, const std::string& expected);

}  // namespace ringdown
