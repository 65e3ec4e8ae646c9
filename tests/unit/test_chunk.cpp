// test_chunk.cpp: chunks give back every bit, are small, and are believed only undamaged.
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "chunk.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

using Random = std::mt19937_64;
using Points = std::vector<Point>;
using Blob = std::vector<std::byte>;
using Limits = std::numeric_limits<double>;

constexpr std::int64_t start_ns = 1'700'000'040'123'456'789, cycle_ns = 50'000'000;
constexpr auto time_min = std::numeric_limits<std::int64_t>::min(),
               time_max = std::numeric_limits<std::int64_t>::max();

double rounded(double value, double steps) { return std::round(value * steps) / steps; }
double rtt(Random& random) { return 22 + std::lognormal_distribution<>(0, 0.6)(random); }
/// NaN with this payload, signalling or not, of either sign.
double nan_of(std::uint64_t bits) { return std::bit_cast<double>(bits | 0x7ff0000000000001); }

const double specials[] = {0.0,
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

Make each(std::function<double(Random&)> value) {
  return [value](Random& random) -> Shape { return [value, &random] { return value(random); }; };
}

const std::map<std::string, Make> value_shapes{
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
Times steps(std::function<std::int64_t(Random&)> step) {
  return [step](Random& random, std::size_t count) {
    std::vector<std::int64_t> out{start_ns};
    while (out.size() < count) out.push_back(out.back() + step(random));
    return out;
  };
}
std::int64_t below(Random& random, std::uint64_t limit) {
  return static_cast<std::int64_t>(random() % limit);
}

const std::map<std::string, Times> time_shapes{
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

Points make(Random& random, const std::string& values, const std::string& times, std::size_t count) {
  const auto value = value_shapes.at(values)(random);
  const auto time_ns = time_shapes.at(times)(random, count);
  Points out;
  for (std::size_t i = 0; i < count; ++i) out.push_back({time_ns[i], value()});
  return out;
}
Blob packed(const Points& points) {
  Blob out;
  encode_chunk(points, out);
  return out;
}

/// The place of the first sample that does not come back bit by bit, or -1.
std::ptrdiff_t first_difference(const Points& points, const Blob& blob) {
  static std::vector<std::int64_t> times_ns;
  static std::vector<double> values;
  decode_chunk(blob, times_ns, values);
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

/// The checksum made right.
void repair(Blob& blob) {
  if (blob.size() < 16) return;
  const auto sum = static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
  std::memcpy(blob.data() + 4, &sum, sizeof sum);
}

double bytes_a_sample(const std::string& values, const std::string& times = "regular",
                      std::size_t count = 18'000) {
  Random random(7);
  const auto points = make(random, values, times, count);
  const auto blob = packed(points);
  CHECK(first_difference(points, blob) == -1);
  return static_cast<double>(blob.size()) / static_cast<double>(count);
}

}  // namespace

TEST_CASE("a chunk of any shape and length gives back every bit", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (const auto& [values, value] : value_shapes)
    for (const auto& [times, time] : time_shapes)
      for (const std::size_t count : {1, 2, 3, 7, 8, 9, 63, 64, 65, 194, 195, 900, 2000}) {
        INFO(count << " values, " << values << ", at times, " << times);
        const auto points = make(random, values, times, count);
        const auto blob = packed(points);
        CHECK(chunk_samples(blob) == count);
        REQUIRE(first_difference(points, blob) == -1);
      }
}

TEST_CASE("many values of changing shapes come back", "[chunk]") {  // RINGDOWN_ROUNDS: so many
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  const auto rounds = static_cast<std::size_t>(support::rounds(1'000'000));
  for (std::size_t done = 0; done < rounds;) {
    const auto count = 1 + random() % (std::size_t{1} << random() % 17);
    Points points;
    while (points.size() < count) {  // one shape after the other
      const auto part = make(random, any_name(random, value_shapes), any_name(random, time_shapes),
                             random() % 3 ? count - points.size() : 1 + random() % (count - points.size()));
      points.insert(points.end(), part.begin(), part.end());
    }
    INFO("after " << done << " values, " << count << " more");
    REQUIRE(first_difference(points, packed(points)) == -1);
    done += count;
  }
}

TEST_CASE("times and values come back without each other", "[chunk]") {
  Random random(1);
  const auto blob = packed(make(random, "rounded, with NaN", "with gaps", 1000));
  std::vector<std::int64_t> times_ns, times_alone(5);
  std::vector<double> values, values_alone(5);
  decode_chunk(blob, times_ns, values);
  decode_chunk_times(blob, times_alone);
  decode_chunk_values(blob, values_alone);
  CHECK(times_alone == times_ns);
  REQUIRE(values_alone.size() == values.size());
  CHECK(std::memcmp(values_alone.data(), values.data(), values.size() * sizeof(double)) == 0);
}

TEST_CASE("the longest chunk is packed, none and one more are refused", "[chunk]") {
  Points points(chunk_samples_max, {start_ns, 1.5});
  const auto blob = packed(points);
  CHECK(blob.size() < 50);
  CHECK(first_difference(points, blob) == -1);
  Blob out;
  points.push_back(points.back());
  CHECK_THROWS_AS(encode_chunk(points, out), std::length_error);
  CHECK_THROWS_AS(encode_chunk({}, out), std::length_error);
}

TEST_CASE("no chunk with a wrong bit or without its end is believed", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  for (const auto& shape :
       {"rounded", "constant", "few values", "a state that lasts", "a mean", "a special in 50", "any bits"}) {
    const auto good = packed(make(random, shape, "with gaps", 200));
    INFO(shape);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      auto bad = good;
      bad[bit / 8] ^= std::byte(1u << bit % 8);
      CHECK_THROWS_AS(decode_chunk(bad, times_ns, values), std::runtime_error);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      const Blob bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_THROWS_AS(decode_chunk(bad, times_ns, values), std::runtime_error);
      auto repaired = bad;
      repair(repaired);
      CHECK_THROWS_AS(decode_chunk(repaired, times_ns, values), std::runtime_error);
    }
  }
}

TEST_CASE("a chunk that somebody made is as long as it says, or refused", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  int accepted = 0, refused = 0;
  for (int round = 0; round < support::rounds(20'000); ++round) {
    auto blob = packed(
        make(random, any_name(random, value_shapes), any_name(random, time_shapes), 1 + random() % 300));
    for (auto changes = 1 + random() % 3; changes > 0; --changes)
      blob[8 + random() % (blob.size() - 8)] ^= std::byte(1 + random() % 255);
    repair(blob);
    try {
      decode_chunk(blob, times_ns, values);
      ++accepted;
      CHECK(times_ns.size() == chunk_samples(blob));
      CHECK(values.size() == chunk_samples(blob));
    } catch (const std::runtime_error&) {
      ++refused;
    }
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
}

TEST_CASE("an error says what is wrong", "[chunk]") {
  const auto message = [](const Blob& blob) {
    std::vector<double> values;
    try {
      decode_chunk_values(blob, values);
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto good = packed({{start_ns, 1.5}, {start_ns + 1, 2.5}});
  CHECK(message(Blob(15)) == "chunk: it has 15 bytes, fewer than a header");
  auto bad = good;
  bad[3] = std::byte('2');
  CHECK(message(bad) == "chunk: unknown version; this program reads version 1");
  bad = good;
  bad.back() ^= std::byte(1);
  CHECK(message(bad) == "chunk: wrong checksum");
  bad = good;
  bad.push_back({});
  repair(bad);
  CHECK(message(bad) == "chunk: values: something is behind their end");
  bad = good;
  bad[10] = std::byte(0x10);
  repair(bad);
  CHECK(message(bad) == "chunk: 1048578 samples, expected 1 to 1048576");
}

TEST_CASE("a chunk is small", "[chunk]") {
  // Bytes a sample, each with a few percent to spare.
  CHECK(bytes_a_sample("constant") < 0.01);
  CHECK(bytes_a_sample("a line") < 0.01);
  CHECK(bytes_a_sample("a curve") < 0.01);
  CHECK(bytes_a_sample("booleans") < 0.13);
  CHECK(bytes_a_sample("a state that lasts") < 0.05);
  CHECK(bytes_a_sample("rounded") < 0.72);
  CHECK(bytes_a_sample("rounded, with NaN") < 1.5);
  CHECK(bytes_a_sample("more places later") < 2.1);
  CHECK(bytes_a_sample("few values") < 0.74);
  CHECK(bytes_a_sample("a counter") < 0.86);
  CHECK(bytes_a_sample("multiples of 4096") < 2.15);
  CHECK(bytes_a_sample("single precision") < 3.3);
  CHECK(bytes_a_sample("a mean") < 6.1);
  CHECK(bytes_a_sample("full precision") < 6.7);
  CHECK(bytes_a_sample("any bits") < 8.01);

  CHECK(bytes_a_sample("constant", "all equal") < 0.01);
  CHECK(bytes_a_sample("constant", "on time but for some microseconds") < 1.70);
  CHECK(bytes_a_sample("constant", "later by what the last was late") < 1.70);
  CHECK(bytes_a_sample("constant", "in whole microseconds") < 0.83);
  CHECK(bytes_a_sample("constant", "with gaps") < 0.18);

  CHECK(bytes_a_sample("constant", "regular", 1) < 50);
  CHECK(bytes_a_sample("constant", "regular", 900) < 0.06);
}
