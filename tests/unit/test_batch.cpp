#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "batch.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

std::vector<Sample> random_samples(std::mt19937_64& random, std::size_t count, std::uint32_t series_max) {
  std::vector<Sample> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({random() % 4 && i > 0 ? out.back().time_ns : static_cast<std::int64_t>(random()), static_cast<double>(random()) / 7,
                   static_cast<std::uint32_t>(random() % series_max) + 1});
  return out;
}

}  // namespace

TEST_CASE("a batch gives back every sample by series in the order pushed", "[batch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < support::rounds(100); ++round) {
    const auto samples = random_samples(random, random() % 500, 1 + static_cast<std::uint32_t>(random() % 100));
    std::map<std::uint32_t, std::vector<Sample>> model;
    for (const auto& sample : samples) model[sample.series].push_back(sample);
    std::vector<std::byte> blob;
    encode_batch(samples, blob);
    const BatchView view(blob);
    REQUIRE(view.series() == model.size());
    REQUIRE(view.samples() == samples.size());
    for (const auto& [series, expected] : model) {
      const auto* column = view.find(series);
      REQUIRE(column);
      REQUIRE(column->count == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(column->time_ns(i) == expected[i].time_ns);
        CHECK(column->value(i) == expected[i].value);
      }
    }
    CHECK_FALSE(view.find(1000));
  }
}

TEST_CASE("no damaged batch is believed and none is read beyond its end", "[batch]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<std::byte> good;
  encode_batch(random_samples(random, 50, 5), good);
  for (int round = 0; round < support::rounds(20000); ++round) {
    auto bytes = good;
    bytes[random() % bytes.size()] ^= std::byte(1u << random() % 8);
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    CHECK_THROWS_AS(BatchView(std::vector<std::byte>(bytes)), std::runtime_error);
  }
}
