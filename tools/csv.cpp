#include "csv.hpp"

#include <algorithm>
#include <string_view>

#include "ring/error.hpp"

namespace ringdown {
namespace {

[[noreturn]] void refuse(const std::string& found_and_expected) {
  throw ring::Error(ring::Failure::bad_argument, found_and_expected);
}

bool is_open(std::string_view record) {
  std::size_t quotes = 0;
  for (const char c : record) quotes += c == '"';
  return quotes % 2 == 1;
}

/// Takes the field at `at`; behind it is a comma or the end.
std::string take_field(std::string_view record, std::size_t& at) {
  if (at == record.size() || record[at] != '"') {
    const auto end = std::min(record.find(',', at), record.size());
    const auto field = record.substr(at, end - at);
    if (field.find('"') != field.npos)
      refuse("found a quote within the field \"" + std::string(field.substr(0, 40)) +
             "\", expected quotes around all of it and those within written twice");
    at = end;
    return std::string(field);
  }
  std::string out;
  for (++at;; ++at) {
    if (record[at] == '"' && (++at == record.size() || record[at] != '"')) break;
    out += record[at];
  }
  if (at < record.size() && record[at] != ',')
    refuse(std::string("found '") + record[at] + "' behind a closing quote, expected ',' or the line's end");
  return out;
}

}  // namespace

bool CsvReader::next_line() {
  std::string line;
  if (!std::getline(*in_, line)) return false;
  ++lines_read_;
  if (line.ends_with('\r')) line.pop_back();
  text_ += line;
  return true;
}

bool CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  do {
    text_.clear();
    if (!next_line()) return false;
  } while (text_.empty());
  line_ = lines_read_;
  while (is_open(text_)) {
    text_ += '\n';
    if (text_.size() > record_bytes_max || !next_line())
      refuse("found a quote that is not closed, expected a closing one");
  }
  if (text_.size() > record_bytes_max)
    refuse("found " + std::to_string(text_.size()) + " bytes, expected at most " + std::to_string(record_bytes_max));
  for (std::size_t at = 0;; ++at) {
    fields.push_back(take_field(text_, at));
    if (at == text_.size()) return true;
  }
}

}  // namespace ringdown
