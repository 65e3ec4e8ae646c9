// chunk_shapes.hpp: series of many shapes for the tests of chunks, and whether they come back.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "chunk.hpp"
#include "rollup.hpp"

namespace chunks {

using ringdown::Point;

using Random = std::mt19937_64;
using Points = std::vector<Point>;
using Blob = std::vector<std::byte>;
using Limits = std::numeric_limits<double>;

inline constexpr std::int64_t start_ns = 1'700'000'040'123'456'789, cycle_ns = 50'000'000;
inline constexpr auto time_min = std::numeric_limits<std::int64_t>::min(),
                      time_max = std::numeric_limits<std::int64_t>::max();

inline double rounded(double value, double steps) { return std::round(value * steps) / steps; }
inline double rtt(Random& random) { return 22 + std::lognormal_distribution<>(0, 0.6)(random); }
/// NaN with this payload, signalling or not, of either sign.
inline double nan_of(std::uint64_t bits) { return std::bit_cast<double>(bits | 0x7ff0000000000001); }

inline const double specials[] = {0.0,
                                  -0.0,
                                  Limits::denorm_min(),
                                  -Limits::denorm_min(),
                                  Limits::min(),
                                  Limits::max(),
                                  -Limits::max(),
                                  Limits::infinity(),
                                  -Limits::infinity(),
                                  Limits::quiet_NaN(),
                                  Limits::signaling_NaN(),
                                  nan_of(0x8000'1234'5678'9abc),
                                  0.1,
                                  0.1 + 0.2,
                                  1e22,
                                  1e23,
                                  1e-18,
                                  0x1p51,
                                  0x1p51 - 1,
                                  -0x1p51,
                                  0x1p53 + 2,
                                  static_cast<double>(time_min),
                                  0x1p63};

/// What a series' values look like; called once for every value, in order.
using Shape = std::function<double()>;
using Make = std::function<Shape(Random&)>;

inline Make each(std::function<double(Random&)> value) {
  return [value](Random& random) -> Shape { return [value, &random] { return value(random); }; };
}

inline const std::map<std::string, Make> value_shapes{
    {"any bits", each([](Random& r) { return std::bit_cast<double>(r()); })},
    {"specials", each([](Random& r) { return specials[r() % std::size(specials)]; })},
    {"a special in 50",
     each([](Random& r) { return r() % 50 ? rounded(rtt(r), 10) : specials[r() % std::size(specials)]; })},
    {"extremes in turn", [](Random&) -> Shape { return [v = Limits::max()]() mutable { return v = -v; }; }},
    {"zeros of both signs", each([](Random& r) { return r() % 2 ? 0.0 : -0.0; })},
    {"rounded", each([](Random& r) { return rounded(rtt(r), 10); })},
    {"rounded and negative", each([](Random& r) { return rounded(rtt(r) - 23, 1000); })},
    {"rounded, with NaN", each([](Random& r) { return r() % 8 ? rounded(rtt(r), 100) : nan_of(r() % 2); })},
    {"more places later",
     [](Random& r) -> Shape {
       return [&r, i = 0]() mutable { return rounded(rtt(r), ++i < 500 ? 10 : 10'000); };
     }},
    {"full precision", each([](Random& r) { return rtt(r); })},
    {"full precision of both signs", each([](Random& r) { return rtt(r) - 23; })},
    {"small", each([](Random& r) { return rtt(r) * 1e-300; })},
    {"a mean",
     [](Random& r) -> Shape {
       return [&r, mean = 23.0]() mutable { return mean += 0.1 * (rounded(rtt(r), 10) - mean); };
     }},
    {"a mean that is held",
     [](Random& r) -> Shape {
       return [&r, mean = 23.0]() mutable {
         return r() % 20 ? mean : mean = 0.02 * rounded(rtt(r), 10) + 0.98 * mean;
       };
     }},
    {"few values", each([](Random& r) { return std::sqrt(static_cast<double>(r() % 40)); })},
    {"single precision", each([](Random& r) { return static_cast<double>(static_cast<float>(rtt(r))); })},
    {"booleans", each([](Random& r) { return static_cast<double>(r() % 2); })},
    {"a state that lasts",
     [](Random& r) -> Shape {
       return [&r, state = 0.0]() mutable { return r() % 30 ? state : state = static_cast<double>(r() % 4); };
     }},
    {"constant", each([](Random&) { return 1.0 / 3; })},
    {"a counter",
     [](Random& r) -> Shape {
       return [&r, n = 1e9]() mutable { return n += static_cast<double>(r() % 100); };
     }},
    {"a counter beyond 2^53",
     [](Random& r) -> Shape {
       return [&r, n = 0x1p60]() mutable { return n += static_cast<double>(r() % 10'000); };
     }},
    {"multiples of 4096", each([](Random& r) { return static_cast<double>(r() % 100'000 * 4096); })},
    {"a line", [](Random&) -> Shape { return [n = -1e6]() mutable { return n += 17; }; }},
    {"a curve", [](Random&) -> Shape { return [n = 0.0]() mutable { return ++n, n * n; }; }},
};

using Times = std::function<std::vector<std::int64_t>(Random&, std::size_t)>;
inline Times steps(std::function<std::int64_t(Random&)> step) {
  return [step](Random& random, std::size_t count) {
    std::vector<std::int64_t> out{start_ns};
    while (out.size() < count) out.push_back(out.back() + step(random));
    return out;
  };
}
inline std::int64_t below(Random& random, std::uint64_t limit) {
  return static_cast<std::int64_t>(random() % limit);
}

inline const std::map<std::string, Times> time_shapes{
    {"regular", steps([](Random&) { return cycle_ns; })},
    {"all equal", steps([](Random&) { return 0; })},
    {"some equal", steps([](Random& r) { return below(r, 3) * cycle_ns; })},
    {"later by what the last was late", steps([](Random& r) { return cycle_ns + below(r, 9000); })},
    {"in whole microseconds", steps([](Random& r) { return 50'000'000 + below(r, 90) * 1000; })},
    {"with gaps", steps([](Random& r) { return r() % 100 ? cycle_ns : below(r, 1'000'000'000'000); })},
    {"on time but for some microseconds",
     [](Random& r, std::size_t count) {
       std::vector<std::int64_t> out;
       for (std::size_t i = 0; i < count; ++i)
         out.push_back(start_ns + static_cast<std::int64_t>(i) * cycle_ns + below(r, 9000));
       return out;
     }},
    {"anywhere",
     [](Random& r, std::size_t count) {
       std::vector<std::int64_t> out(count);
       for (auto& time : out) time = static_cast<std::int64_t>(r());
       std::sort(out.begin(), out.end());
       return out;
     }},
    {"first the least, then the greatest",
     [](Random& r, std::size_t count) {
       std::vector<std::int64_t> out(count, time_min);
       std::fill(out.begin() + below(r, count), out.end(), time_max);
       return out;
     }},
    {"in no order",  // nobody promises that, yet nothing is lost
     [](Random& r, std::size_t count) {
       std::vector<std::int64_t> out(count);
       for (auto& time : out) time = r() % 2 ? time_min : static_cast<std::int64_t>(r());
       return out;
     }},
};

inline Points make(Random& random, const std::string& values, const std::string& times, std::size_t count) {
  const auto value = value_shapes.at(values)(random);
  const auto time_ns = time_shapes.at(times)(random, count);
  Points out;
  for (std::size_t i = 0; i < count; ++i) out.push_back({time_ns[i], value()});
  return out;
}
inline std::vector<std::int64_t> times_of(const Points& points) {
  std::vector<std::int64_t> out;
  for (const auto& point : points) out.push_back(point.time_ns);
  return out;
}
inline std::vector<double> values_of(const Points& points) {
  std::vector<double> out;
  for (const auto& point : points) out.push_back(point.value);
  return out;
}

struct Packed {
  Blob times, values;
};
inline Packed packed(const Points& points) {
  Packed out;
  ringdown::encode_times(times_of(points), out.times);
  ringdown::encode_values(values_of(points), out.values);
  return out;
}

/// The place of the first sample that does not come back bit by bit, or -1.
inline std::ptrdiff_t first_difference(const Points& points, const Packed& blobs) {
  static std::vector<std::int64_t> times_ns;
  static std::vector<double> values;
  ringdown::decode_times(blobs.times, times_ns);
  ringdown::decode_values(blobs.values, values);
  if (times_ns.size() != points.size() || values.size() != points.size()) return 0;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (times_ns[i] != points[i].time_ns || std::memcmp(&values[i], &points[i].value, sizeof(double)) != 0)
      return static_cast<std::ptrdiff_t>(i);
  return -1;
}

template <class Map>
const std::string& any_name(Random& random, const Map& map) {
  return std::next(map.begin(), below(random, map.size()))->first;
}

}  // namespace chunks
