#include "cli.hpp"

#include <fmt/format.h>
#include <time.h>

#include <cmath>

#include "ring/error.hpp"

namespace ringdown {

std::string series_text(const ring::Definition& definition) {
  std::string text = definition.name;
  char separator = '{';
  for (const auto& [key, value] : definition.labels) {
    text += separator + key + "=\"";
    for (const char c : value) {
      if (c == '\n') {
        text += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
    separator = ',';
  }
  return separator == ',' ? text + '}' : text;
}

std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string value_text(const ring::Definition& definition, double value) {
  if (definition.kind == ring::Kind::state && value >= 0 && value == std::floor(value) &&
      value < static_cast<double>(definition.states.size()))
    return definition.states[static_cast<std::size_t>(value)];
  return definition.unit.empty() ? fmt::format("{}", value) : fmt::format("{} {}", value, definition.unit);
}

int exit_status(void (*complain)(const std::string&), const std::function<int()>& run) try {
  return run();
} catch (const ring::Error& e) {
  complain(e.what());
  return e.failure() == ring::Failure::bad_argument ? 2 : 1;
} catch (const std::exception& e) {
  complain(e.what());
  return 1;
}

std::string local_time(std::int64_t time_ns, int decimals) {
  constexpr std::int64_t second = 1'000'000'000;
  auto fraction = time_ns % second;
  if (fraction < 0) fraction += second;
  const time_t seconds = time_ns / second - (time_ns % second < 0);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[64];
  ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  if (decimals == 0) return text;
  return decimals == 3 ? fmt::format("{}.{:03}", text, fraction / 1'000'000) : fmt::format("{}.{:09}", text, fraction);
}

}  // namespace ringdown
