// csv.hpp: reads comma separated values as RFC 4180 describes them: fields in quotes may hold commas, quotes written
// twice and line ends.
#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

namespace ringdown {

class CsvReader {
 public:
  static constexpr std::size_t record_bytes_max = 1 << 16;

  explicit CsvReader(std::istream& in) : in_(&in) {}

  /// The next record that is not an empty line; false at the end. Throws ring::Error(bad_argument).
  bool next(std::vector<std::string>& fields);
  /// Where the last record began, from 1.
  std::size_t line() const noexcept { return line_; }

 private:
  bool next_line();

  std::istream* in_;
  std::string text_;
  std::size_t line_ = 0, lines_read_ = 0;
};

}  // namespace ringdown
