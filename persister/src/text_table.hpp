// text_table.hpp: rows in columns as wide as what is in them, for a person.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace ringdown {

class TextTable {
 public:
  using Row = std::vector<std::string>;

  /// @param texts        so many of the first columns are set to the left, the others, figures, to the right
  /// @param columns_max  of a line: what does not fit goes on below, the figures together
  TextTable(const Row& header, std::size_t texts,
            std::size_t columns_max = terminal_columns().value_or(std::numeric_limits<std::size_t>::max()));

  void add(Row row);
  /// The rows added since the last time, as lines; at first the header too. From time to time columns only grow wider.
  std::string take();
  std::size_t rows() const noexcept { return rows_.size(); }

 private:
  static constexpr std::size_t gap = 2, indent = 4;

  std::vector<std::size_t> line_begins() const;
  std::string fields(const Row& row, std::size_t begin, std::size_t end) const;

  std::size_t texts_, columns_max_;
  std::vector<std::size_t> widths_;
  std::vector<Row> rows_;
};

}  // namespace ringdown
