#include "query_time.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "ring/error.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

[[noreturn]] void refuse(const char* what, std::string_view text, const std::string& expected) {
  throw ring::Error(ring::Failure::bad_argument,
                    std::string(what) + " \"" + std::string(text) + "\": expected " + expected);
}

std::int64_t ns_or_refuse(const char* what, std::string_view text, std::int64_t seconds,
                          std::int64_t rest_ns) {
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(seconds, second_ns, &ns) || __builtin_add_overflow(ns, rest_ns, &ns))
    refuse(what, text, "at most 9223372036 seconds before or after 1970 (are these milliseconds?)");
  return ns;
}

/// Reads what a time is made of, from left to right; each step says whether it was there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_[0]) == any_of.npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <class Number>
  bool number(Number& out, std::size_t digits_min, std::size_t digits_max) {
    const auto digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits < digits_min || digits > digits_max) return false;
    const bool fits = std::from_chars(rest_.data(), rest_.data() + digits, out).ec == std::errc();
    rest_.remove_prefix(digits);
    return fits;
  }
  /// ".123": up to 9 decimals, in ns. True when there is no point at all.
  bool decimals(std::int64_t& ns) {
    if (!take(".")) return true;
    const auto before = rest_.size();
    if (!number(ns, 1, 9)) return false;
    for (auto digits = before - rest_.size(); digits < 9; ++digits) ns *= 10;
    return true;
  }
  bool at_end() const noexcept { return rest_.empty(); }
  char last_sign(std::string_view plus_or_minus) {
    const char sign = rest_.empty() ? '\0' : rest_[0];
    return take(plus_or_minus) ? sign : '\0';
  }

 private:
  std::string_view rest_;
};

struct Calendar {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t ns = 0;
  std::optional<int> zone_minutes;  // east of Greenwich; none: local time

  bool is_valid() const {
    return hour < 24 && minute < 60 && second < 60 &&
           std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month),
                                       std::chrono::day(day))
               .ok();
  }
  std::int64_t seconds() const {
    tm parts{};
    parts.tm_year = year - 1900;
    parts.tm_mon = static_cast<int>(month) - 1;
    parts.tm_mday = static_cast<int>(day);
    parts.tm_hour = static_cast<int>(hour);
    parts.tm_min = static_cast<int>(minute);
    parts.tm_sec = static_cast<int>(second);
    parts.tm_isdst = -1;
    return zone_minutes ? ::timegm(&parts) - *zone_minutes * 60 : ::mktime(&parts);
  }
};

bool scan_zone(Scanner& in, Calendar& out) {
  if (in.take("Zz")) {
    out.zone_minutes = 0;
    return true;
  }
  const char sign = in.last_sign("+-");
  if (sign == '\0') return true;
  int hours = 0, minutes = 0;
  if (!in.number(hours, 2, 2) || !in.take(":") || !in.number(minutes, 2, 2)) return false;
  if (hours > 23 || minutes > 59) return false;
  out.zone_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
  return true;
}

std::optional<Calendar> scan_calendar(std::string_view text) {
  Scanner in(text);
  Calendar out;
  if (!in.number(out.year, 4, 4) || !in.take("-") || !in.number(out.month, 2, 2) || !in.take("-") ||
      !in.number(out.day, 2, 2))
    return {};
  if (in.take("Tt ")) {
    if (!in.number(out.hour, 2, 2) || !in.take(":") || !in.number(out.minute, 2, 2)) return {};
    if (in.take(":") && (!in.number(out.second, 2, 2) || !in.decimals(out.ns))) return {};
    if (!scan_zone(in, out)) return {};
  }
  if (!in.at_end() || !out.is_valid()) return {};
  return out;
}

std::optional<std::pair<std::int64_t, std::int64_t>> scan_unix_seconds(std::string_view text) {
  Scanner in(text);
  const bool negative = in.take("-");
  std::int64_t seconds = 0, ns = 0;
  if (!in.number(seconds, 1, 18) || !in.decimals(ns) || !in.at_end()) return {};
  return std::pair(negative ? -seconds : seconds, negative ? -ns : ns);
}

}  // namespace

std::int64_t duration_ns(std::string_view text) {
  constexpr const char* expected = "a number with a unit, ms s m h d or w, or a sum such as 1h30m";
  constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ms", 1'000'000},       {"s", second_ns},          {"m", 60 * second_ns},
      {"h", 3600 * second_ns}, {"d", 86'400 * second_ns}, {"w", 7 * 86'400 * second_ns}};
  std::int64_t total = 0;
  auto rest = text;
  do {
    const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const auto letters = std::min(rest.find_first_of("0123456789", digits), rest.size()) - digits;
    const auto unit = std::find_if(std::begin(units), std::end(units),
                                   [&](const auto& u) { return u.first == rest.substr(digits, letters); });
    if (digits == 0 || unit == std::end(units)) refuse("duration", text, expected);
    std::int64_t part = 0;
    if (std::from_chars(rest.data(), rest.data() + digits, part).ec != std::errc() ||
        __builtin_mul_overflow(part, unit->second, &part) || __builtin_add_overflow(total, part, &total))
      refuse("duration", text, "at most 9223372036 seconds");
    rest.remove_prefix(digits + letters);
  } while (!rest.empty());
  return total;
}

std::int64_t parse_time_ns(std::string_view text, std::int64_t now_ns) {
  if (text == "now") return now_ns;
  if (text.starts_with("now-")) {
    std::int64_t ns = 0;
    if (__builtin_sub_overflow(now_ns, duration_ns(text.substr(4)), &ns))
      refuse("time", text, "a later one");
    return ns;
  }
  if (const auto unix_time = scan_unix_seconds(text))
    return ns_or_refuse("time", text, unix_time->first, unix_time->second);
  if (const auto calendar = scan_calendar(text))
    return ns_or_refuse("time", text, calendar->seconds(), calendar->ns);
  refuse(
      "time", text,
      "unix seconds, now, now-1h, 2026-11-24T10:00:00Z, or in local time \"2026-11-24 10:00\" or 2026-11-24");
}

std::int64_t whole_seconds(std::int64_t time_ns) noexcept { return time_ns / second_ns - (time_ns % second_ns < 0 ? 1 : 0); }

std::int64_t seconds_in_ns(std::int64_t time_s) noexcept {
  constexpr std::int64_t max_s = std::numeric_limits<std::int64_t>::max() / second_ns;
  return std::clamp(time_s, -max_s, max_s) * second_ns;
}

std::string unix_seconds(std::int64_t time_ns) {
  const auto magnitude =
      time_ns < 0 ? 0 - static_cast<std::uint64_t>(time_ns) : static_cast<std::uint64_t>(time_ns);
  return fmt::format("{}{}.{:09}", time_ns < 0 ? "-" : "", magnitude / second_ns, magnitude % second_ns);
}

}  // namespace ringdown
