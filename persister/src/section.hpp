// section.hpp: reads a configuration's tables, key by key, and collects all that is wrong with them.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ringdown {

/// As an error shows it: short, and without control characters.
std::string shown(std::string text);
std::string shown(const toml::node& node);

class Errors {
 public:
  explicit Errors(std::string file) : file_(std::move(file)) {}

  void add(const toml::source_position& at, const std::string& text);
  bool empty() const noexcept { return all_.empty(); }
  /// Throws a ConfigError with all of them, in the order of their places.
  void throw_if_any();

 private:
  std::string file_;
  std::vector<std::pair<std::pair<toml::source_index, toml::source_index>, std::string>> all_;
};

/// One table of the file. Hands out its values by key; those that nobody has asked for are unknown.
class Section {
 public:
  Section(const toml::table& table, std::string path, Errors& errors)
      : table_(table), path_(std::move(path)), errors_(errors) {}

  const toml::node* find(const std::string& key) {
    known_.insert(key);
    return table_.get(key);
  }
  void refuse(const toml::node& node, const std::string& key, const std::string& what) {
    errors_.add(node.source().begin, path_ + key + ": " + what);
  }
  void expect(const toml::node& node, const std::string& key, const std::string& expected) {
    refuse(node, key, "found " + shown(node) + ", expected " + expected);
  }
  /// What is found under the key, if it is of this type and `holds`; anything else is an error.
  template <class T, class Holds>
  std::optional<T> take(const std::string& key, const std::string& expected, const Holds& holds) {
    const auto* const node = find(key);
    if (!node) return {};
    const auto value = node->value_exact<T>();
    if (value && holds(*value)) return value;
    expect(*node, key, expected);
    return {};
  }
  std::optional<std::int64_t> whole(const std::string& key, std::int64_t min, std::int64_t max) {
    return take<std::int64_t>(key, fmt::format("a whole number from {} to {}, without quotes", min, max),
                              [&](std::int64_t n) { return n >= min && n <= max; });
  }
  std::optional<double> number(const std::string& key, double min, double max) {
    const auto* const node = find(key);
    if (!node) return {};
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (value && *value >= min && *value <= max) return value;
    expect(*node, key, fmt::format("a number from {} to {}, without quotes", min, max));
    return {};
  }
  void flag(const std::string& key, bool& out) {
    out = take<bool>(key, "true or false, without quotes", [](bool) { return true; }).value_or(out);
  }
  std::optional<std::string> word(const std::string& key, std::span<const std::string> all) {
    const auto expected = fmt::format("one of \"{}\"", fmt::join(all, "\", \""));
    return take<std::string>(
        key, expected, [&](const auto& w) { return std::find(all.begin(), all.end(), w) != all.end(); });
  }
  /// Calls each(Section&) for the table under the key, if there is one.
  template <class Each>
  void table(const std::string& key, const Each& each) {
    const auto* const node = find(key);
    if (node && !node->is_table()) expect(*node, key, "a table");
    if (!node || !node->is_table()) return;
    Section inner(*node->as_table(), path_ + key + ".", errors_);
    each(inner);
  }
  void refuse_unknown();
  /// Tells, at the table, that it needs this key.
  void refuse_missing(const std::string& key) {
    errors_.add(table_.source().begin, path_ + key + ": not there, expected in every one of these tables");
  }
  const toml::table& all() const noexcept { return table_; }
  Errors& errors() noexcept { return errors_; }

 private:
  const toml::table& table_;
  std::string path_;
  Errors& errors_;
  std::set<std::string> known_;
};

}  // namespace ringdown
