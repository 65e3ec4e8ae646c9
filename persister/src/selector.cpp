#include "selector.hpp"

#include <algorithm>

#include "ring/error.hpp"

namespace ringdown {
namespace {

constexpr const char* name_label = "__name__";

bool begins_name(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::size_t utf8_bytes(char lead) noexcept {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// One element a character, so that "." and "[...]" match characters and not bytes.
std::wstring wide(std::string_view text) {
  std::wstring out;
  for (std::size_t i = 0; i < text.size();) {
    const auto bytes = std::min(utf8_bytes(text[i]), text.size() - i);
    auto point = static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    if (bytes > 1) point &= 0x7fu >> bytes;
    for (std::size_t k = 1; k < bytes; ++k)
      point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fu);
    out += static_cast<wchar_t>(point);
    i += bytes;
  }
  return out;
}

std::wregex compile(std::string_view pattern) {
  using namespace std::regex_constants;
  auto flags = ECMAScript | nosubs | __polynomial;
  if (pattern.starts_with("(?i)")) {
    flags |= icase;
    pattern.remove_prefix(4);
  }
  return std::wregex(wide(pattern), flags);
}

}  // namespace

class Selector::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    if (!ring::detail::is_text(text)) refuse(0, "UTF-8 without NUL");
  }

  void parse(Selector& out) {
    skip_space();
    if (!at_end() && (begins_name(peek()) || peek() == ':')) out.name_ = take_name(true);
    skip_space();
    if (!out.name_.empty()) out.matchers_.push_back({name_label, out.name_, {}, false});
    const bool braces = take('{');
    if (!braces && out.name_.empty()) refuse(at_, "a series name or '{'");
    if (braces) take_matchers(out.matchers_);
    skip_space();
    if (!at_end()) refuse(at_, braces ? "the end" : "'{' or the end");
  }

 private:
  void take_matchers(std::vector<Matcher>& out) {
    for (skip_space(); !take('}'); skip_space()) {
      if (at_end() || !begins_name(peek())) refuse(at_, "a label name or '}'");
      out.push_back(take_matcher());
      skip_space();
      if (!take(',') && (at_end() || peek() != '}')) refuse(at_, "',' or '}'");
    }
  }

  Matcher take_matcher() {
    Matcher out;
    out.label = take_name(false);
    skip_space();
    const auto at = at_;
    out.negative = take('!');
    const bool is_regex = out.negative ? take('~') : take('=') && take('~');
    if (out.negative && !is_regex && !take('=')) refuse(at, "one of = != =~ !~");
    if (at == at_) refuse(at, "one of = != =~ !~");
    skip_space();
    const auto value_at = at_;
    out.value = take_string();
    if (is_regex) out.pattern = take_pattern(value_at, out.value);
    return out;
  }

  std::wregex take_pattern(std::size_t at, const std::string& value) {
    if (value.size() > selector_regex_bytes_max)
      refuse(at, "a regular expression of at most " + std::to_string(selector_regex_bytes_max) + " bytes",
             std::to_string(value.size()) + " bytes");
    try {
      return compile(value);
    } catch (const std::regex_error& e) {
      refuse(at, "a regular expression", "\"" + value + "\" (" + e.what() + ")");
    }
  }

  std::string take_name(bool colons) {
    const auto begin = at_;
    while (!at_end() &&
           (begins_name(peek()) || (colons && peek() == ':') || (peek() >= '0' && peek() <= '9')))
      ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string take_string() {
    const char quote = at_end() ? '\0' : peek();
    if (quote != '"' && quote != '\'' && quote != '`') refuse(at_, "a value in quotes");
    std::string out;
    for (++at_; !take(quote); ++at_) {
      if (at_end()) refuse(at_, std::string("the closing ") + quote);
      out += peek() == '\\' && quote != '`' ? take_escape() : peek();
    }
    return out;
  }

  char take_escape() {
    constexpr std::string_view written = "\\\"'nt", meant = "\\\"'\n\t";
    ++at_;
    const auto which = at_end() ? written.npos : written.find(peek());
    if (which == written.npos) refuse(at_, R"(one of \ " ' n t after a backslash, itself written \\,)");
    return meant[which];
  }

  void skip_space() noexcept {
    while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }
  bool take(char c) noexcept { return !at_end() && peek() == c && (++at_, true); }
  char peek() const noexcept { return text_[at_]; }
  bool at_end() const noexcept { return at_ == text_.size(); }

  [[noreturn]] void refuse(std::size_t at, const std::string& expected) const {
    const auto rest = text_.substr(at);
    refuse(at, expected,
           rest.empty() ? "the end" : "\"" + std::string(rest.substr(0, utf8_bytes(rest[0]))) + "\"");
  }
  [[noreturn]] void refuse(std::size_t at, const std::string& expected, const std::string& found) const {
    const auto before = text_.substr(0, at);
    const auto column =
        1 + std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xc0) != 0x80; });
    throw ring::Error(ring::Failure::bad_argument, "selector '" + std::string(text_) + "': column " +
                                                       std::to_string(column) + ": expected " + expected +
                                                       ", found " + found);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Selector::Selector(std::string_view text) : text_(text) { Parser(text).parse(*this); }

bool Selector::Matcher::holds(const std::string& found) const {
  const bool same = pattern ? std::regex_match(wide(found), *pattern) : found == value;
  return same != negative;
}

bool Selector::matches(const ring::Definition& definition) const {
  return std::all_of(matchers_.begin(), matchers_.end(), [&](const Matcher& matcher) {
    if (matcher.label == name_label) return matcher.holds(definition.name);
    const auto label = std::find_if(definition.labels.begin(), definition.labels.end(),
                                    [&](const auto& pair) { return pair.first == matcher.label; });
    return matcher.holds(label == definition.labels.end() ? std::string() : label->second);
  });
}

}  // namespace ringdown
