// query_time.hpp: the times and durations that a person hands to a tool.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringdown {

/// "500ms", "30s", "10m", "1h", "7d", "1w" and sums such as "1h30m". Throws ring::Error(bad_argument).
std::int64_t duration_ns(std::string_view text);

/// Unix seconds with up to 9 decimals, "now", "now-1h", RFC 3339 ("2026-11-24T10:00:00Z") or, without a zone,
/// local time ("2026-11-24 10:00", "2026-11-24"). Throws ring::Error(bad_argument).
std::int64_t parse_time_ns(std::string_view text, std::int64_t now_ns);

/// The second that a time is in, s since the epoch; and a second's time, as near as 64 bits allow.
std::int64_t whole_seconds(std::int64_t time_ns) noexcept;
std::int64_t seconds_in_ns(std::int64_t time_s) noexcept;

/// "1764000000.123456789"
std::string unix_seconds(std::int64_t time_ns);

}  // namespace ringdown
