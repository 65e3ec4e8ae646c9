#include "section.hpp"

#include <sstream>

#include "config.hpp"
#include "nearest.hpp"

namespace ringdown {

std::string shown(std::string text) {
  constexpr std::size_t bytes_max = 80;
  if (text.size() > bytes_max) text = text.substr(0, bytes_max) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string shown(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) out << value;
  });
  return shown(out.str());
}

void Errors::add(const toml::source_position& at, const std::string& text) {
  all_.emplace_back(std::pair(at.line, at.column),
                    fmt::format("{}:{}:{}: {}", file_, at.line, at.column, text));
}

void Errors::throw_if_any() {
  if (empty()) return;
  std::stable_sort(all_.begin(), all_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [at, line] : all_) text += (text.empty() ? "" : "\n") + line;
  throw ConfigError(text);
}

void Section::refuse_unknown() {
  for (const auto& [key, node] : table_) {
    const std::string name(key.str());
    if (known_.contains(name)) continue;
    const auto near = nearest_names(name, known_);
    errors_.add(
        key.source().begin,
        path_ + shown(name) + ": unknown key; " +
            (near.empty() ? fmt::format("expected one of {}", fmt::join(known_, ", "))
                          : fmt::format("did you mean {}? Else remove it", fmt::join(near, " or "))));
  }
}

}  // namespace ringdown
