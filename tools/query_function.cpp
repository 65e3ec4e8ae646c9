#include "query_function.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "ring/error.hpp"

namespace ringdown {
namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& expected) {
  throw ring::Error(ring::Failure::bad_argument, "function '" + std::string(text) + "': expected " + expected);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

/// Of the time in states that are known, from 0 to 1.
std::optional<double> share(const Series& series, const Rollup& window, const std::string& state) {
  const auto& names = series.definition.states;
  const auto found = std::find(names.begin(), names.end(), state);
  const auto wanted = found != names.end() ? static_cast<double>(found - names.begin()) : number(state);
  double in_it = 0, all = 0;
  for (const auto& entry : window.states) {
    all += static_cast<double>(entry.ns);
    if (wanted && entry.state == *wanted) in_it += static_cast<double>(entry.ns);
  }
  if (all == 0) return {};
  return in_it / all;
}

}  // namespace

Function::Function(std::string_view text) : text_(text) {
  constexpr std::array plain{std::pair{"avg", What::avg},     std::pair{"min", What::min},     std::pair{"max", What::max},
                             std::pair{"sum", What::sum},     std::pair{"count", What::count}, std::pair{"first", What::first},
                             std::pair{"last", What::last},   std::pair{"increase", What::increase},
                             std::pair{"rate", What::rate}};
  for (const auto& [name, what] : plain)
    if (text == name) {
      what_ = what;
      return;
    }
  const auto open = text.find('(');
  if (open != text.npos && text.ends_with(')')) {
    const auto name = text.substr(0, open), argument = text.substr(open + 1, text.size() - open - 2);
    if (name == "quantile") {
      const auto q = number(argument);
      if (!q || !(*q >= 0 && *q <= 1)) refuse(text, "a number from 0 to 1: quantile(0.99)");
      what_ = What::quantile;
      quantile_ = *q;
      return;
    }
    if (name == "share") {
      if (argument.empty()) refuse(text, "a state's name or number: share(UP)");
      what_ = What::share;
      state_ = argument;
      return;
    }
  }
  refuse(text, "avg, min, max, sum, count, first, last, increase, rate, quantile(0.99) or share(STATE)");
}

std::optional<double> Function::of(ring::Kind kind, const Series& series, const Rollup& window, double seconds) const {
  const bool is_gauge = kind == ring::Kind::gauge, has_samples = window.count > 0;
  const auto when = [](bool known, double value) { return known && std::isfinite(value) ? std::optional(value) : std::nullopt; };
  switch (what_) {
    case What::avg: return when(is_gauge && has_samples, window.sum / static_cast<double>(window.count));
    case What::min: return when(has_samples, window.min);
    case What::max: return when(has_samples, window.max);
    case What::sum: return when(has_samples, window.sum);
    case What::count: return static_cast<double>(window.count);
    case What::first: return when(has_samples, window.first);
    case What::last: return window.last;
    case What::increase: return when(kind == ring::Kind::counter, window.increase);
    case What::rate: return when(kind == ring::Kind::counter && seconds > 0, window.increase / seconds);
    case What::quantile:
      return is_gauge && has_samples ? std::optional(std::clamp(window.sketch.quantile(quantile_), window.min, window.max))
                                     : std::nullopt;
    case What::share: return kind == ring::Kind::state ? share(series, window, state_) : std::nullopt;
  }
  return {};
}

std::vector<Function> parse_functions(std::string_view text) {
  std::vector<Function> out;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const char c = at < text.size() ? text[at] : ',';
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ',' || (depth > 0 && at < text.size())) continue;  // share(A, B) is one
    out.emplace_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  return out;
}

}  // namespace ringdown
