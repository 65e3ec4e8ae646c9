// units.hpp: durations and sizes as a person writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringdown {

inline constexpr std::int64_t second_ns = 1'000'000'000;
/// The longest duration that can be written: 100 years of 365 days.
inline constexpr std::int64_t duration_s_max = std::int64_t{100} * 365 * 86400;

/// "90s", "1h30m", "50ms": whole numbers with y, w, d, h, m, s, ms, us or ns, the longest unit first; a year
/// has 365 days. Nothing when the text is anything else, or longer than duration_s_max.
std::optional<std::int64_t> parse_duration_ns(std::string_view text) noexcept;
/// "7d", "1h30m", "50ms"; parse_duration_ns reads it back.
std::string duration_text(std::int64_t ns);

/// "500MB", "10GiB": a whole number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB. Nothing when the text is
/// anything else, or more than 2^63 - 1 bytes.
std::optional<std::uint64_t> parse_size_bytes(std::string_view text) noexcept;
std::string size_text(std::uint64_t bytes);

}  // namespace ringdown
