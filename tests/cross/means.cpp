// means.cpp: prints a hash of what chunks are unpacked to where arithmetic decides. It must be the same
// everywhere.
#include <bit>
#include <cmath>
#include <cstdio>
#include <random>

#include "decimal.hpp"
#include "mean.hpp"

int main() {
  using ringdown::Means;
  std::mt19937_64 random(1);
  std::uint64_t hash = 0;
  const auto add = [&](const std::vector<double>& values) {
    for (const auto value : values) hash = (hash ^ std::bit_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15;
  };
  std::vector<std::uint64_t> digits(999), off(digits.size());
  std::vector<double> values(digits.size() + 1);
  for (int round = 0; round < 2000; ++round) {
    // Mostly as a mean would have it, at times anything: NaN, infinities, the smallest and the largest.
    const bool wild = round % 4 == 0;
    for (auto& digit : digits) digit = wild ? random() : random() % 5000;
    for (auto& bits : off) bits = wild && random() % 8 == 0 ? random() : random() % 3;
    values[0] = wild ? std::bit_cast<double>(random()) : 20;
    const double weight =
        wild ? std::bit_cast<double>(random()) : static_cast<double>(1 + random() % 999) / 1000;
    for (const auto way : {Means::Way::step, Means::Way::blended}) {
      from_means(way, static_cast<unsigned>(round % 4), weight, digits, off, values);
      add(values);
    }
    std::vector<double> decimals(digits.size());
    ringdown::from_digits(digits, static_cast<unsigned>(round % 19), decimals);
    add(decimals);
  }
  std::printf("%016jx\n", static_cast<std::uintmax_t>(hash));
}
