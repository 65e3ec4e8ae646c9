// test_chunk.cpp: chunks give back every bit, and are small.
#include <catch2/catch.hpp>

#include "chunk_shapes.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace chunks;

namespace {

double bytes_a_sample(const std::string& values, const std::string& times = "regular",
                      std::size_t count = 18'000) {
  Random random(7);
  const auto points = make(random, values, times, count);
  const auto blobs = packed(points);
  CHECK(first_difference(points, blobs) == -1);
  return static_cast<double>(blobs.times.size() + blobs.values.size()) / static_cast<double>(count);
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
        const auto blobs = packed(points);
        CHECK(chunk_samples(blobs.times) == count);
        CHECK(chunk_samples(blobs.values) == count);
        REQUIRE(first_difference(points, blobs) == -1);
      }
}

TEST_CASE("many values of changing shapes come back", "[chunk]") {  // RINGDOWN_ROUNDS: so many
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  const auto rounds = static_cast<std::size_t>(support::rounds(1'000'000));
  std::size_t done = 0, chunks = 0;
  for (; done < rounds; ++chunks) {
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
  WARN("RINGDOWN_SEED=" << seed << ": " << done << " values in " << chunks << " chunks came back");
}

TEST_CASE("a chunk of several parts gives back every bit", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  constexpr std::size_t part = 65'536;
  const auto times = [&] { return any_name(random, time_shapes); };
  for (const std::size_t count : {part - 1, part, part + 1, 2 * part, 3 * part + 100})
    for (const auto& values :
         {"rounded, with NaN", "few values", "a mean", "a state that lasts", "any bits"}) {
      const auto points = make(random, values, times(), count);
      INFO(count << " values, " << values);
      CHECK(first_difference(points, packed(points)) == -1);
    }
}

TEST_CASE("time stamps or values that are the same are the same blob", "[chunk]") {
  Random random(1);
  auto points = make(random, "rounded, with NaN", "with gaps", 1000), others = points;
  const auto blobs = packed(points);
  for (auto& point : others) point.value += 1;
  CHECK(packed(others).times == blobs.times);
  CHECK(packed(others).values != blobs.values);
  for (auto& point : points) ++point.time_ns;
  CHECK(packed(points).times != blobs.times);
  CHECK(packed(points).values == blobs.values);
}

TEST_CASE("the longest chunk is packed, none and one more are refused", "[chunk]") {
  std::vector<std::int64_t> times_ns(chunk_samples_max, start_ns), times_back;
  std::vector<double> values(chunk_samples_max, 1.5), values_back;
  Blob times, packed_values;
  encode_times(times_ns, times);
  encode_values(values, packed_values);
  CHECK(times.size() < 4000);
  CHECK(packed_values.size() < 3000);
  CHECK(chunk_samples(times) == chunk_samples_max);
  decode_times(times, times_back);
  decode_values(packed_values, values_back);
  CHECK((times_back == times_ns && values_back == values));
  times_ns.push_back(start_ns);
  values.push_back(1.5);
  CHECK_THROWS_AS(encode_times(times_ns, times), std::length_error);
  CHECK_THROWS_AS(encode_values(values, packed_values), std::length_error);
  CHECK_THROWS_AS(encode_times({}, times), std::length_error);
  CHECK_THROWS_AS(encode_values({}, packed_values), std::length_error);
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
  CHECK(bytes_a_sample("a mean") < 0.75);
  CHECK(bytes_a_sample("a mean that is held") < 0.12);
  CHECK(bytes_a_sample("full precision") < 6.7);
  CHECK(bytes_a_sample("any bits") < 8.01);

  CHECK(bytes_a_sample("constant", "all equal") < 0.01);
  CHECK(bytes_a_sample("constant", "on time but for some microseconds") < 1.70);
  CHECK(bytes_a_sample("constant", "later by what the last was late") < 1.70);
  CHECK(bytes_a_sample("constant", "in whole microseconds") < 0.83);
  CHECK(bytes_a_sample("constant", "with gaps") < 0.18);

  CHECK(bytes_a_sample("constant", "regular", 1) < 60);
  CHECK(bytes_a_sample("constant", "regular", 900) < 0.07);
}
