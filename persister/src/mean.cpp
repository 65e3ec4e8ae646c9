#include "mean.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "decimal.hpp"
#include "varint.hpp"

namespace ringdown {
namespace {

using Way = Means::Way;

constexpr std::array powers{1.0, 10.0, 100.0, 1000.0};  // 10^places
static_assert(powers.size() == Means::places_max + 1);
constexpr double rounder = 0x1.8p52;  // see decimal.cpp
constexpr double digits_end = 0x1p40;

template <Way way>
double follow(double x, double s, double weight) {
  const double out = way == Way::step ? x + weight * (s - x) : weight * s + (1 - weight) * x;
  return out == out ? out : 0;  // machines differ in the bits of a NaN
}

struct Move {
  double from, by;
};
/// Some changes in a row.
std::vector<Move> some_moves(std::span<const double> values) {
  constexpr std::size_t moves = 24;
  std::vector<Move> out;
  for (auto i = values.size() / 3 + 1; i < values.size() && out.size() < moves; ++i)
    if (const Move move{values[i - 1], values[i] - values[i - 1]}; move.by != 0 && std::isfinite(move.by))
      out.push_back(move);
  return out;
}

/// Whether nearly all of the moves are towards multiples of 1 / power.
/// @param scale  1 / weight
bool all_decimal(const std::vector<Move>& moves, double scale, double power) {
  constexpr double near = 1e-4;
  constexpr std::size_t others_max = 4;
  std::size_t others = 0;
  for (const auto& move : moves) {
    const double scaled = (move.from + move.by * scale) * power;
    const double rounded = scaled + rounder - rounder;
    const bool whole = std::abs(scaled) < digits_end && std::abs(scaled - rounded) < near;
    if (!whole && ++others > others_max) return false;
  }
  return true;
}

/// 1 / weight, or 0: one of the smaller moves is taken to be towards one number after the other.
double find_scale(const std::vector<Move>& moves, double power, std::size_t tries) {
  constexpr double scale_max = 1000;
  double most = 0;
  for (const auto& move : moves) most = std::max(most, std::abs(move.by));
  Move small{0, most};
  for (const auto& move : moves)
    if (std::abs(move.by) >= most / 8 && std::abs(move.by) <= std::abs(small.by)) small = move;

  const double sign = small.by < 0 ? -1 : 1;
  double digits = std::round((small.from + small.by) * power);  // a weight of 1, about
  for (; tries > 0; --tries, digits += sign) {
    const double scale = (digits / power - small.from) / small.by;
    if (!(scale < scale_max)) break;
    if (scale > 1.01 && all_decimal(moves, scale, power)) return scale;
  }
  return 0;
}

template <Way way>
void follow_all(std::span<const double> values, Means& means) {
  means.way = way;
  const double power = powers[means.places], scale = 1 / means.weight;
  means.digits.resize(values.size() - 1);
  means.off.resize(values.size() - 1);
  std::int64_t digits = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const double x = values[i - 1], scaled = (x + (values[i] - x) * scale) * power;
    if (std::abs(scaled) < digits_end) digits = static_cast<std::int64_t>(scaled + rounder - rounder);
    means.digits[i - 1] = static_cast<std::uint64_t>(digits);
    const double computed = follow<way>(x, static_cast<double>(digits) / power, means.weight);
    means.off[i - 1] = std::bit_cast<std::uint64_t>(values[i]) - std::bit_cast<std::uint64_t>(computed);
  }
}
void follow_all(std::span<const double> values, Means& means) {
  means.way == Way::step ? follow_all<Way::step>(values, means) : follow_all<Way::blended>(values, means);
}

/// The way and, near 1 / scale, the weight that a loop would have been given.
Means find_way(std::span<const double> values, unsigned places, double scale) {
  constexpr double millionths = 1e6;
  Means best;
  int least = -1;
  for (const double weight : {std::round(millionths / scale) / millionths, 1 / std::round(scale), 1 / scale})
    for (const auto way : {Way::step, Way::blended}) {
      Means means{way, places, weight, {}, {}};
      follow_all(values, means);
      int bits = 0;
      for (const auto off : means.off) bits += static_cast<int>(std::bit_width(zigzag(off)));
      if (least >= 0 && bits >= least) continue;
      least = bits;
      best = std::move(means);
    }
  return best;
}

}  // namespace

std::optional<Means> find_means(std::span<const double> values) {
  constexpr std::size_t moves_min = 20, look = 200, tries_max = 2048;
  const auto moves = some_moves(values);
  if (moves.size() < moves_min) return std::nullopt;
  for (unsigned places = 0; places < powers.size(); ++places)
    if (const auto scale = find_scale(moves, powers[places], std::min(tries_max, values.size() / 4));
        scale > 0) {
      auto out =
          find_way(values.subspan(values.size() / 3, std::min(look, values.size() / 2)), places, scale);
      follow_all(values, out);
      return out;
    }
  return std::nullopt;
}

void from_means(Way way, unsigned places, double weight, std::span<const std::uint64_t> digits,
                std::span<const std::uint64_t> off, std::span<double> values) {
  const auto all = [&]<Way chosen>() {
    double x = values[0];
    for (std::size_t i = 1; i < values.size(); ++i) {
      const double s = static_cast<double>(static_cast<std::int64_t>(digits[i - 1])) / powers[places];
      const auto computed = std::bit_cast<std::uint64_t>(follow<chosen>(x, s, weight));
      values[i] = x = std::bit_cast<double>(computed + off[i - 1]);
    }
  };
  way == Way::step ? all.operator()<Way::step>() : all.operator()<Way::blended>();
}

}  // namespace ringdown
