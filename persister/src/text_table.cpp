#include "text_table.hpp"

#include <algorithm>
#include <utility>

namespace ringdown {

TextTable::TextTable(const Row& header, std::size_t texts, std::size_t columns_max)
    : texts_(texts), columns_max_(columns_max), widths_(header.size()) {
  add(header);
}

void TextTable::add(Row row) {
  for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], text_columns(row[i]));
  rows_.push_back(std::move(row));
}

std::string TextTable::take() {
  auto begins = line_begins();
  begins.push_back(widths_.size());
  std::string out;
  for (const auto& row : std::exchange(rows_, {}))
    for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
      const auto line = fields(row, begins[i], begins[i + 1]);
      if (i == 0 || !line.empty()) out += std::string(i == 0 ? 0 : indent, ' ') + line + '\n';
    }
  return out;
}

/// The column that each line of a row begins with.
std::vector<std::size_t> TextTable::line_begins() const {
  std::vector<std::size_t> out{0};
  std::size_t used = 0;
  for (std::size_t i = 0; i < widths_.size();) {
    const auto end = i < texts_ ? i + 1 : widths_.size();
    std::size_t width = 0;
    for (auto k = i; k < end; ++k) width += widths_[k] + (k > i ? gap : 0);
    if (i > 0 && used + gap + width > columns_max_) {
      out.push_back(i);
      used = indent + width;
    } else {
      used += (i > 0 ? gap : 0) + width;
    }
    i = end;
  }
  return out;
}

std::string TextTable::fields(const Row& row, std::size_t begin, std::size_t end) const {
  std::string line;
  for (auto i = begin; i < end; ++i) {
    const std::string padding(widths_[i] - text_columns(row[i]), ' ');
    if (i > begin) line.append(gap, ' ');
    line += i < texts_ ? row[i] + padding : padding + row[i];
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace ringdown
