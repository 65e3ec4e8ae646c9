// selector.hpp: which series a person means, as Prometheus writes it:
// name{label="v",other!="x",re=~"a.*",not!~"b"}.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "ring/definition.hpp"

namespace ringdown {

/// Longest regular expression of a selector; bounds the depth of its compilation.
inline constexpr std::size_t selector_regex_bytes_max = 1024;

/// A name, matchers in braces, or both; {} means every series. As in Prometheus, a missing label has the
/// value "",
/// __name__ is the name, regular expressions must match the whole value, and values stand in "", '' or ``.
/// Regular expressions are ECMAScript's, matched in polynomial time: no back-references; (?i) only at the
/// beginning.
class Selector {
 public:
  /// Throws ring::Error(bad_argument) that names the column, what was expected there and what was found.
  explicit Selector(std::string_view text);

  bool matches(const ring::Definition& definition) const;
  /// Empty when the selector does not begin with one.
  const std::string& name() const noexcept { return name_; }
  const std::string& text() const noexcept { return text_; }

 private:
  class Parser;
  struct Matcher {
    std::string label;
    std::string value;
    std::optional<std::wregex> pattern;  // of =~ and !~
    bool negative = false;

    bool holds(const std::string& found) const;
  };

  std::string text_;
  std::string name_;
  std::vector<Matcher> matchers_;
};

}  // namespace ringdown
