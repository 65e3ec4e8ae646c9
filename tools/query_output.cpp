#include "query_output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <iostream>
#include <system_error>

#include "cli.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

std::string labels_text(ring::Definition definition) {
  definition.name.clear();
  return series_text(definition);
}

}  // namespace

Series::Series(SeriesRow from)
    : id(from.id), definition(std::move(from.definition)), labels(labels_text(definition)) {}

std::string_view Series::state(double value) const noexcept {
  const auto& states = definition.states;
  if (!(value >= 0 && value < static_cast<double>(states.size()) && value == std::floor(value))) return {};
  return states[static_cast<std::size_t>(value)];
}

void Output::put(std::string_view text) {
  constexpr std::size_t write_bytes = 1 << 16;
  buffer_ += text;
  if (buffer_.size() >= write_bytes) flush();
}

void Output::flush() {
  for (std::size_t at = 0; at < buffer_.size();) {
    const auto written = ::write(STDOUT_FILENO, buffer_.data() + at, buffer_.size() - at);
    if (written < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "write standard output");
    if (written > 0) at += static_cast<std::size_t>(written);
  }
  buffer_.clear();
}

void complain(const std::string& text) { std::cerr << "ring-query: " << text << '\n'; }

}  // namespace ringdown
