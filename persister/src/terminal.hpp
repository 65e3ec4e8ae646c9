// terminal.hpp: the terminal that a person reads our output in.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace ringdown {

/// How wide the terminal is; nothing when the output goes elsewhere.
inline std::optional<std::size_t> terminal_columns(int descriptor = STDOUT_FILENO) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return size.ws_col;
}

/// Characters of UTF-8.
inline std::size_t text_columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

}  // namespace ringdown
