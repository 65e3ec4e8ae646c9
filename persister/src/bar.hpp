// bar.hpp: how far a long command is, on a terminal.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace ringdown {

/// Draws one line again and again, when standard error is a terminal.
class Bar {
 public:
  void draw(const std::string& pass, double part) {
    constexpr int width = 30;
    const auto done = static_cast<int>(std::clamp(part, 0.0, 1.0) * width);
    if (!is_terminal_ || (pass == pass_ && done == done_)) return;
    pass_ = pass;
    done_ = done;
    fmt::print(stderr, "\r{:<20} [{:<{}}]\x1b[K", pass, std::string(static_cast<std::size_t>(done), '='),
               width);
  }
  /// Before another line is written.
  void clear() {
    if (is_terminal_ && !pass_.empty()) std::fputs("\r\x1b[K", stderr);
    pass_.clear();
  }
  ~Bar() { clear(); }

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::string pass_;
  int done_ = 0;
};

}  // namespace ringdown
