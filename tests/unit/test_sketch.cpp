// test_sketch.cpp: quantile sketches beside the exact order statistics, and their encoding.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "sketch.hpp"
#include "support.hpp"

using ringdown::Sketch;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double smallest = std::numeric_limits<double>::denorm_min(),
                 greatest = std::numeric_limits<double>::max();

using Random = std::mt19937_64;
using Values = std::vector<double>;

double any_double(Random& random) {
  for (;;)
    if (const auto value = std::bit_cast<double>(random()); std::isfinite(value)) return value;
}

/// Magnitudes of all sizes within `octaves` behind `most`.
double within(Random& random, double octaves, double most) {
  return most * std::exp2(-octaves * std::uniform_real_distribution<>()(random));
}

const std::map<std::string, std::function<double(Random&)>> distributions{
    {"lognormal", [](Random& r) { return 22 + std::lognormal_distribution<>(1, 0.8)(r); }},
    {"rounded", [](Random& r) { return std::round(std::lognormal_distribution<>(1, 0.8)(r) * 10) / 10; }},
    {"mixed sign", [](Random& r) { return std::normal_distribution<>(0, 100)(r); }},
    {"mostly zeros", [](Random& r) { return r() % 4 ? 0.0 : std::normal_distribution<>(0, 1)(r); }},
    {"constant", [](Random&) { return -17.3; }},
    {"integers", [](Random& r) { return static_cast<double>(r() % 100) - 20; }},
    {"heavy tail", [](Random& r) { return std::exp2(std::exponential_distribution<>(0.2)(r)); }},
    {"subnormal",
     [](Random& r) { return static_cast<double>(r() % 100'000) * smallest * (r() % 2 ? 1 : -1); }},
    {"at the normal ones' end",
     [](Random& r) { return within(r, 50, std::numeric_limits<double>::min() * 64); }},
    {"greatest", [](Random& r) { return within(r, 57, greatest) * (r() % 2 ? 1 : -1); }},
    {"powers of two", [](Random& r) { return std::exp2(static_cast<int>(r() % 50)); }},
    {"beside powers of two",
     [](Random& r) { return std::nextafter(std::exp2(static_cast<int>(r() % 50)), 0); }},
    {"all doubles", any_double},
};

Values some(Random& random, const std::function<double(Random&)>& distribution) {
  Values out(1 + random() % 300);
  for (auto& value : out) value = distribution(random);
  return out;
}

Sketch sketch_of(const Values& values) {
  Sketch out;
  for (const auto value : values) out.add(value);
  return out;
}

/// Of all values in order, the one that quantile(q) stands for.
double exact(const Values& sorted, double q) {
  return sorted[static_cast<std::size_t>(std::floor(q * static_cast<double>(sorted.size() - 1)))];
}

/// Values below this share the lowest bin of their sign. 2048 bins, 35 an octave.
double collapsed_below(const Values& values, bool negative) {
  double most = 0;
  for (const auto value : values)
    if (std::signbit(value) == negative) most = std::max(most, std::abs(value));
  return most * std::exp2(-2047.0 / 35);
}

void check_quantile(const Values& sorted, double q, double found) {
  const auto expected = exact(sorted, q);
  INFO("of " << sorted.size() << " values, q " << q << ": expected " << expected << ", found " << found);
  const auto low = collapsed_below(sorted, std::signbit(expected));
  if (std::abs(expected) < low) {
    CHECK(std::abs(found) <= low * 1.05);
    CHECK((expected == 0 || std::signbit(found) == std::signbit(expected)));
    CHECK(std::abs(found) >= std::abs(expected) * (1 - Sketch::relative_error));
  } else {
    CHECK(std::abs(found - expected) <= std::abs(expected) * Sketch::relative_error + smallest / 2);
  }
}

void check_all_quantiles(Values values, const Sketch& sketch) {
  std::sort(values.begin(), values.end());
  CHECK(sketch.count() == values.size());
  for (int i = 0; i <= 200; ++i) check_quantile(values, i / 200.0, sketch.quantile(i / 200.0));
  for (const auto q : {0.99, 0.999, 0.9999}) check_quantile(values, q, sketch.quantile(q));
}

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const auto value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

std::string why(const std::vector<std::byte>& bytes) {
  try {
    Sketch::decode(bytes);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "accepted";
}

/// What is decoded must be as good as any sketch: the same again, and able to answer.
void check_valid(const Sketch& sketch) {
  CHECK(Sketch::decode(sketch.encode()) == sketch);
  for (const auto q : {0.0, 0.5, 1.0}) CHECK(std::isnan(sketch.quantile(q)) == sketch.empty());
  auto twice = sketch;
  twice.merge(sketch);
  CHECK(twice.count() == 2 * sketch.count());
}

}  // namespace

TEST_CASE("quantiles are within 1 % of the exact order statistic", "[sketch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (const auto& [name, distribution] : distributions)
    for (int round = support::rounds(20); round > 0; --round) {
      INFO(name);
      const auto values = some(random, distribution);
      check_all_quantiles(values, sketch_of(values));
    }
}

TEST_CASE("every bin answers within 1 % of both its ends", "[sketch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  double before = 0;  // the answer for the value before
  constexpr int steps = 1 << 14;
  for (int step = 0; step < steps; ++step) {  // through an octave, a bin in 300 to 600 steps
    const auto mantissa = 1 + (step + std::uniform_real_distribution<>()(random)) / steps;
    for (const int exponent : {0, 1023, -1022, static_cast<int>(random() % 2000) - 1000}) {
      const auto value = std::ldexp(mantissa, exponent), found = Sketch(value, 1).quantile(0.5);
      if (!(std::abs(found - value) <= value * Sketch::relative_error))
        FAIL(value << " is answered with " << found);
    }
    const auto found = Sketch(mantissa, 1).quantile(0.5);
    if (found < before) FAIL(mantissa << " is answered with " << found << ", a lesser value with " << before);
    before = found;
  }
}

TEST_CASE("the smallest doubles answer exactly, and the greatest is finite", "[sketch]") {
  for (const auto value : {0.0, smallest, 2 * smallest, 49 * smallest, -smallest})
    CHECK(Sketch(value, 3).quantile(0.5) == value);
  CHECK(Sketch(-0.0, 1) == Sketch(0.0, 1));
  CHECK(std::isfinite(Sketch(greatest, 1).quantile(1)));
  CHECK(std::isfinite(Sketch(-greatest, 1).quantile(0)));
}

TEST_CASE("an empty sketch answers NaN, and what is not finite is left out", "[sketch]") {
  Sketch sketch;
  CHECK(std::isnan(sketch.quantile(0.5)));
  for (const auto value :
       {inf, -inf, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN()})
    sketch.add(value);
  sketch.add(1, 0);
  CHECK(sketch == Sketch{});
  CHECK(sketch.empty());
  sketch.add(5);
  for (const auto q : {-1.0, 0.0, 1.0, 2.0, inf}) CHECK(std::abs(sketch.quantile(q) - 5) <= 0.05);
}

TEST_CASE("merging in any order and grouping equals one sketch", "[sketch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (const auto& [name, distribution] : distributions)
    for (int round = support::rounds(30); round > 0; --round) {
      INFO(name);
      auto values = some(random, distribution);
      const auto whole = sketch_of(values);
      std::shuffle(values.begin(), values.end(), random);
      std::vector<Sketch> parts(1 + random() % 8);
      for (const auto value : values) parts[random() % parts.size()].add(value);
      while (parts.size() > 1) {
        const auto at = random() % parts.size(), into = random() % parts.size();
        if (at == into) continue;
        parts[into].merge(parts[at]);
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at));
      }
      CHECK(parts.front() == whole);
      CHECK(sketch_of(values) == whole);
      Sketch counted;
      for (const auto value : values) counted.add(value, 3);
      auto thrice = whole;
      thrice.merge(whole);
      thrice.merge(whole);
      CHECK(counted == thrice);
    }
}

TEST_CASE("values of every size that a double has take 2048 bins of each sign", "[sketch]") {
  Values values;
  for (int exponent = -1074; exponent < 1024; ++exponent)
    for (int eighths = 8; eighths < 16; ++eighths) {
      values.push_back(std::ldexp(eighths / 8.0, exponent));
      values.push_back(-std::ldexp(eighths / 8.0, -51 - exponent));
    }
  const auto sketch = sketch_of(values);
  check_all_quantiles(values, sketch);
  CHECK(sketch.encode().size() < 2 * 2048 * 2);
  CHECK(sketch.quantile(0.51) == sketch.quantile(0.9));  // of a sign, all but 58 of 2098 octaves share a bin
}

TEST_CASE("the encoding is the one described, on every machine", "[sketch]") {
  Sketch sketch;
  CHECK(sketch.encode() == bytes_of({1, 0, 0, 0}));
  for (const auto value : {0.0, 1.0, 1.01, -2.0}) sketch.add(value);
  // 1.0 is the first bin of octave 1074: 1074 * 35 = 37590 = 86 + 128 * (37 + 128 * 2)
  CHECK(sketch.encode() == bytes_of({1, 1, 1, 121 + 128, 37 + 128, 2, 8, 1, 86 + 128, 37 + 128, 2, 16}));
  Sketch gaps;
  for (const auto octave : {0, 0, 1, 2}) gaps.add(std::ldexp(1.0, octave));
  gaps.add(1.05);  // two bins on
  CHECK(gaps.encode() == bytes_of({1, 0, 0, 4, 86 + 128, 37 + 128, 2, 16, 9, 15, 25, 15, 27}));

  Random random(1);
  std::uint64_t hash = 14695981039346656037u;
  for (int round = 0; round < 1000; ++round) {
    Sketch any;
    for (int i = 0; i < 30; ++i) any.add(any_double(random));
    for (const auto byte : any.encode())
      hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 1099511628211u;
    hash = (hash ^ std::bit_cast<std::uint64_t>(any.quantile(0.7))) * 1099511628211u;
  }
  CHECK(hash == 7957223533752433957u);
}

TEST_CASE("an encoding is decoded to the same sketch, and takes two bytes a bin", "[sketch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (const auto& [name, distribution] : distributions)
    for (int round = support::rounds(30); round > 0; --round) {
      INFO(name);
      const auto values = some(random, distribution);
      const auto sketch = sketch_of(values);
      check_valid(sketch);
      CHECK(sketch.encode().size() <= 14 + 3 * values.size());
    }
  Sketch rtt;
  for (int i = 0; i < 1200; ++i) rtt.add(distributions.at("lognormal")(random));
  CHECK(rtt.encode().size() < 120);
}

TEST_CASE("any part and any flipped bit of an encoding is refused or a valid sketch", "[sketch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  int refused = 0;
  for (const auto& [name, distribution] : distributions)
    for (int round = support::rounds(3); round > 0; --round) {
      INFO(name);
      const auto whole = sketch_of(some(random, distribution)).encode();
      const auto try_it = [&](const std::vector<std::byte>& bytes) {
        try {
          check_valid(Sketch::decode(bytes));
        } catch (const std::runtime_error&) {
          ++refused;
        }
      };
      for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto before = refused;
        try_it({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
        CHECK(refused == before + 1);
      }
      for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        auto bytes = whole;
        bytes[bit / 8] ^= std::byte{1} << bit % 8;
        try_it(bytes);
      }
    }
  CHECK(refused > 0);
}

TEST_CASE("a damaged sketch is refused with a reason", "[sketch]") {
  CHECK(why({}) == "quantile sketch: it is empty");
  CHECK(why(bytes_of({2, 0, 0, 0})) == "quantile sketch: version 2; this program reads version 1");
  CHECK(why(bytes_of({1, 0, 0})) == "quantile sketch: it ends 1 bytes too early");
  CHECK(why(bytes_of({1, 0, 0, 0, 0, 0})) == "quantile sketch: 2 bytes behind its end");
  CHECK(why(bytes_of({1, 0, 1, 0, 0, 0})) == "quantile sketch: a bin without samples");
  CHECK(why(bytes_of({1, 0, 1, 0, 9, 0})) == "quantile sketch: empty bins below its lowest");
  CHECK(why(bytes_of({1, 0, 2, 0, 8, 15, 255, 15, 0})) ==
        "quantile sketch: a bin more than 2047 above the lowest");
  CHECK(why(bytes_of({1, 0, 2, 0, 8, 15, 247, 15, 0})) == "accepted");                  // 2047 above
  CHECK(why(bytes_of({1, 0, 2, 0, 8, 15, 248, 15, 0})).ends_with("above the lowest"));  // 2048
  CHECK(why(bytes_of({1, 0, 1, 213, 189, 4, 8, 0})) == "accepted");                     // the last there is
  CHECK(why(bytes_of({1, 0, 1, 214, 189, 4, 8, 0})) == "quantile sketch: bin 73430; expected at most 73429");
  CHECK(why(bytes_of({1, 0, 2, 213, 189, 4, 8, 8, 0})) ==
        "quantile sketch: a bin more than 0 above the lowest");
  const auto most = bytes_of({1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0});
  CHECK(why(most) == "quantile sketch: 2^63 samples or more");
  CHECK(why(bytes_of({1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 0, 0})) ==
        "quantile sketch: a number has more than 64 bits");
}
