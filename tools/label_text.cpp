#include "label_text.hpp"

#include <utility>

namespace ringdown {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

class Scanner {
 public:
  Scanner(std::string_view line, std::size_t& at) : line_(line), at_(at) {}

  ring::Labels labels() {
    ring::Labels out;
    if (!take('{')) refuse_column(line_, at_, "'{'");
    for (;;) {
      skip_blanks();
      if (take('}')) return out;
      auto name = take_name();
      skip_blanks();
      if (!take('=')) refuse_column(line_, at_, "'='");
      skip_blanks();
      out.emplace_back(std::move(name), take_value());
      skip_blanks();
      if (!take(',') && peek() != '}') refuse_column(line_, at_, "',' or '}'");
    }
  }

 private:
  std::string take_name() {
    const auto name = ringdown::take_name(line_, at_, false);
    if (name.empty()) refuse_column(line_, at_, "a label name or '}'");
    return std::string(name);
  }
  std::string take_value() {
    if (!take('"')) refuse_column(line_, at_, "a value in \"\"");
    std::string out;
    while (!take('"')) {
      if (at_ == line_.size()) refuse_column(line_, at_, "the closing \"");
      out += peek() == '\\' ? take_escape() : peek();
      ++at_;
    }
    return out;
  }
  char take_escape() {
    constexpr std::string_view written = "\\\"n", meant = "\\\"\n";
    ++at_;
    const auto which = at_ == line_.size() ? written.npos : written.find(peek());
    if (which == written.npos) refuse_column(line_, at_, R"(one of \ " n after a backslash, itself written \\)");
    return meant[which];
  }
  void skip_blanks() noexcept {
    while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
  }
  bool take(char c) noexcept { return at_ < line_.size() && line_[at_] == c && (++at_, true); }
  char peek() const noexcept { return at_ < line_.size() ? line_[at_] : '\0'; }

  std::string_view line_;
  std::size_t& at_;
};

}  // namespace

std::string_view take_name(std::string_view line, std::size_t& at, bool colons) noexcept {
  const auto begin = at;
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  while (at < line.size() && (letter(line[at]) || (at > begin && digit(line[at])))) ++at;
  return line.substr(begin, at - begin);
}

void refuse_column(std::string_view line, std::size_t at, const std::string& expected) {
  auto found = std::string(line.substr(at, 40));
  for (char& c : found)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  throw ring::Error(ring::Failure::bad_argument, "column " + std::to_string(at + 1) + ": expected " + expected +
                                                     ", found " + (found.empty() ? "the end" : '"' + found + '"'));
}

ring::Labels take_labels(std::string_view line, std::size_t& at) { return Scanner(line, at).labels(); }

}  // namespace ringdown
