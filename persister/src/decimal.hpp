// decimal.hpp: doubles that are whole numbers of some decimal place.
//
// A double that was rounded to 0.1 is the nearest to k / 10. Dividing two doubles rounds to the nearest too,
// so k gives back every bit, as long as k and the power of ten are doubles themselves (ALP: Afroozeh, Kuffo,
// Boncz, SIGMOD 2024, has a multiplication there, which rounds twice).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ringdown {

inline constexpr unsigned decimal_places_max = 18;

struct Decimals {
  unsigned places = 0;
  std::vector<std::uint64_t> digits;   // two's complement; of a misfit, those of the value before
  std::vector<std::uint64_t> misfits;  // where the values are that are no such number, ascending
  std::vector<double> misfit_values;
};
/// As few places as do for some of the values; nothing if many are no decimal numbers.
std::optional<Decimals> find_decimals(std::span<const double> values);

/// digits / 10^places. Whatever the digits are, it is the same everywhere.
void from_digits(std::span<const std::uint64_t> digits, unsigned places, std::span<double> values);

}  // namespace ringdown
