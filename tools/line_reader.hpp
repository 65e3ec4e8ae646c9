// line_reader.hpp: reads lines from a descriptor, with the time that each came in.
#pragma once

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>

#include "ring/ownership.hpp"

namespace ringdown {

class LineReader {
 public:
  /// @param line_bytes_max  of a longer line the rest is left out, which makes it one byte longer than this
  /// @param idle            called at least every 0.2 s while nothing comes in, and between reads
  LineReader(int descriptor, std::size_t line_bytes_max, const volatile std::sig_atomic_t& stop,
             std::function<void()> idle)
      : descriptor_(descriptor), line_bytes_max_(line_bytes_max), stop_(stop), idle_(std::move(idle)) {}

  /// False at the end, or when it is to stop; what came before is given first. The last line needs no line end.
  /// Throws std::system_error.
  bool next(std::string& line) {
    line.clear();
    for (;;) {
      while (at_ < size_) {
        const char c = buffer_[at_++];
        if (c == '\n') return ++number_, true;
        if (line.size() <= line_bytes_max_) line += c;
      }
      if (!fill()) return !line.empty() && (++number_, true);
    }
  }
  /// Of the last line, from 1.
  std::uint64_t number() const noexcept { return number_; }
  /// When the end of the last line was read. Lines that came together have the same.
  std::int64_t time_ns() const noexcept { return time_ns_; }

 private:
  bool fill() {
    pollfd ready{descriptor_, POLLIN, 0};
    do {
      if (stop_ || is_over_) return false;
      idle_();
    } while (::poll(&ready, 1, 200) <= 0);
    const auto got = ::read(descriptor_, buffer_.data(), buffer_.size());
    if (got < 0 && errno != EINTR && errno != EAGAIN)
      throw std::system_error(errno, std::generic_category(), "read the input");
    at_ = 0;
    size_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    is_over_ = got == 0;
    if (got > 0) time_ns_ = ring::clock_ns(CLOCK_REALTIME);
    return got != 0;
  }

  int descriptor_;
  std::size_t line_bytes_max_;
  const volatile std::sig_atomic_t& stop_;
  std::function<void()> idle_;
  std::array<char, 1 << 16> buffer_;
  std::size_t at_ = 0, size_ = 0;
  std::uint64_t number_ = 0;
  std::int64_t time_ns_ = 0;
  bool is_over_ = false;
};

}  // namespace ringdown
