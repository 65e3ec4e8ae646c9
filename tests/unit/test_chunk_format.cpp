// test_chunk_format.cpp: the bytes of a chunk: what version 1 wrote is read, and nothing that is damaged is
// believed.
#include <xxhash.h>

#include <catch2/catch.hpp>

#include "chunk_shapes.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace chunks;

namespace {

/// Samples that depend on nothing but arithmetic of the basic kind.
Points plain(std::size_t count, const std::function<std::int64_t(std::int64_t)>& time_ns,
             const std::function<double(std::int64_t)>& value) {
  Points out;
  for (std::size_t n = 0; n < count; ++n) {
    const auto i = static_cast<std::int64_t>(n);
    out.push_back({start_ns + time_ns(i), value(i)});
  }
  return out;
}
std::int64_t regular(std::int64_t i) { return i * cycle_ns; }
std::int64_t jittered(std::int64_t i) { return i * cycle_ns + i * i % 7 * 1000; }
double mean_at(std::int64_t i) {
  double mean = 20;
  for (std::int64_t k = 0; k <= i; ++k) mean += 0.125 * (static_cast<double>(k * 13 % 7) - mean);
  return mean;
}
std::vector<Points> plain_points() {
  return {
      plain(20, jittered,
            [](auto i) { return i % 9 == 4 ? nan_of(5) : static_cast<double>(i * 37 % 50) / 10; }),
      plain(
          6, [](auto i) { return i * i * 1001; }, [](auto i) { return 1 / (static_cast<double>(i) - 2.5); }),
      plain(40, regular, [](auto i) { return 1.0 / static_cast<double>(3 + i * i % 7); }),
      plain(60, regular, mean_at),
      plain(
          70, [](auto i) { return i * 1'000'000'000 / 3; },
          [](auto i) { return static_cast<double>(i / 11 % 3); }),
      plain(200, regular, [](auto i) { return i % 16 == 0 ? 7.5 : static_cast<double>(i % 2); }),
      plain(
          30, [](auto i) { return i * i * 1001; }, [](auto) { return -0.0; })};
}

/// The checksum made right.
void repair(Blob& blob) {
  if (blob.size() < 16) return;
  const auto sum = static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
  std::memcpy(blob.data() + 4, &sum, sizeof sum);
}

}  // namespace

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

TEST_CASE("contents that no chunk has are refused", "[chunk]") {
  using Part = std::vector<unsigned>;
  const auto join = [](std::initializer_list<Part> parts) {
    Part out;
    for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
  };
  const auto all = [](unsigned number) { return Part{0, 2 * number, 0, 0}; };  // a column of the same numbers
  // Of two samples, both at time 0.
  const auto message = [&](const Part& values) {
    const std::uint32_t header[] = {0x31434452, 0, 2, 4};
    Blob blob(sizeof header);
    std::memcpy(blob.data(), header, sizeof header);
    for (const auto byte : join({all(0), values})) blob.push_back(static_cast<std::byte>(byte));
    repair(blob);
    std::vector<std::int64_t> times_ns;
    std::vector<double> out;
    try {
      decode_chunk(blob, times_ns, out);
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  enum : unsigned { images, decimals, dictionary, means, runs };
  const Part double_zero(8);

  CHECK(message(join({{decimals, 1, 0}, all(5)})) == "accepted");
  CHECK(message({5}) == "chunk: values: values of kind 5 are unknown");
  CHECK(message({}) == "chunk: values: it ends 1 bytes too early");
  CHECK(message({images, 3, 0, 0, 0}) == "chunk: values: a column of kind 3 is unknown");
  CHECK(message({images, 9 << 2, 0, 0, 0}) == "chunk: values: a column of kind 36 is unknown");
  CHECK(message({images, 128, 0, 0, 0}) == "chunk: values: a column of kind 128 is unknown");
  CHECK(message({images, 0, 0, 0, 0x80, 0x80, 0x40}) ==
        "chunk: values: a slope's fraction is 1048576, at most 1048575 is possible");
  CHECK(message(join({{images, 0}, Part(10, 0x80)})) == "chunk: values: a number has more than 64 bits");
  CHECK(message({images, 4, 0, 0, 0, 10}) == "chunk: values: a plane of kind 10 is unknown");
  CHECK(message({images, 4, 0, 0, 0, 8, 1}) == "chunk: values: it ends 1 bytes too early");
  CHECK(message({images, 4, 0, 0, 0, 9, 1, 1}) ==
        "chunk: values: it cannot be unpacked: Src size is incorrect");
  CHECK(message({images, 4, 0, 0, 0, 9, 10, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, 42}) ==
        "chunk: values: 1 bytes are unpacked, expected 2");
  CHECK(message(join({{decimals, 19, 0}, all(0)})) ==
        "chunk: values: 19 decimal places, at most 18 are possible");
  CHECK(message({decimals, 0, 3}) == "chunk: values: the number of misfits is 3, at most 2 is possible");
  CHECK(message(join({{decimals, 0, 1}, all(2), all(0), all(0)})) ==
        "chunk: values: a misfit is behind the last value");
  CHECK(message({dictionary, 0}) == "chunk: values: a dictionary is empty");
  CHECK(message(join({{dictionary, 1}, all(0), all(1)})) ==
        "chunk: values: a value is not in the dictionary");
  CHECK(message({means, 8}) == "chunk: values: means of kind 8 are unknown");
  CHECK(message({runs, 0}) == "chunk: values: there are no runs");
  CHECK(message(join({{runs, 1}, all(1), {runs}})) == "chunk: values: values of kind 4 are unknown");
  CHECK(message(join({{runs, 1}, all(2), {images}, all(0)})) ==
        "chunk: values: the runs are longer than the chunk");
  CHECK(message(join({{runs, 1}, all(0), {images}, all(0)})) ==
        "chunk: values: the runs are shorter than the chunk");
  CHECK(message(join({{runs, 1}, all(1), {means, 0}, double_zero, double_zero})) ==
        "chunk: values: one value is no means");
}

TEST_CASE("what version 1 wrote is read", "[chunk]") {
  const auto bytes = [](const std::string& hex) {
    Blob out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      out.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return out;
  };
  const std::vector<std::string> written{
      "52444331eec4f95d140000001c00000044ca93abdbf1c1ce972fa08d0699b306e807030b016621a2754a040001010244"
      "1a000009010100f5ffffffffffff0f0000051a1907003200a051020064000040d6640064000000000000",
      "5244433186bf948a060000001300000044e2b5aadbf1c1ce972f0a00e90704083380000101024408000003010144d5aa"
      "d5aad5aad59a80010000abd5aad5aad5aae57f010144280000080455093000",
      "5244433152e05ea3280000001000000040aaf4aadbf1c1ce972f020080e1eb1702041cdbedb6dbedb6dbbd8001eeb6db"
      "edb6dbed06000800a200c3068003c00000000800ea000c0800a000c3068003c00000000800ea000c02c0000404000002"
      "728d5c23d7c835728d5c",
      "524443312ac59f3d3c0000001000000040aaf4aadbf1c1ce972f020080e1eb1703000000000000803140000000000000"
      "c03f050e0104000000e00000000e0000e00000000e0000e00000000e0000e00000000e00000000000000",
      "52444331e43881d9460000001c00000004aaf4aadbf1c1ce972faa8df2bd02c3f2150100000000009224491204074414"
      "00000701400100000404000002c731",
      "52444331d05e30acc80000001000000040aaf4aadbf1c1ce972f020080e1eb170101004414000005091a28b52ffd20c8"
      "8d0000201a00031a0400a59904c0c28b713bdc10",
      "5244433171b3656a1e0000001a00000046d8e4aadbf1c1ce972f02e907030049922449922449922449020000feffffff"
      "ffffffffff010000"};
  const auto expected = plain_points();
  REQUIRE(written.size() == expected.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    INFO(written[i]);
    CHECK(first_difference(expected[i], bytes(written[i])) == -1);
  }
}
