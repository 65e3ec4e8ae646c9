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
  if (blob.size() < 12) return;
  const auto sum = static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
  std::memcpy(blob.data() + 4, &sum, sizeof sum);
}

}  // namespace

TEST_CASE("no chunk with a wrong bit or without its end is believed", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  const auto check_refused = [](const Blob& good, const auto& decode) {
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      auto bad = good;
      bad[bit / 8] ^= std::byte(1u << bit % 8);
      CHECK_THROWS_AS(decode(bad), std::runtime_error);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      const Blob bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_THROWS_AS(decode(bad), std::runtime_error);
      auto repaired = bad;
      repair(repaired);
      CHECK_THROWS_AS(decode(repaired), std::runtime_error);
    }
  };
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  for (const auto& shape :
       {"rounded", "constant", "few values", "a state that lasts", "a mean", "a special in 50", "any bits"}) {
    INFO(shape);
    check_refused(packed(make(random, shape, "regular", 200)).values,
                  [&](const Blob& blob) { decode_values(blob, values); });
  }
  for (const auto& [shape, make_times] : time_shapes) {
    INFO(shape);
    check_refused(packed(make(random, "constant", shape, 200)).times,
                  [&](const Blob& blob) { decode_times(blob, times_ns); });
  }
}

TEST_CASE("a chunk that somebody made is as long as it says, or refused", "[chunk]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  const auto is_accepted = [&](Blob blob, const auto& decode) {
    for (auto changes = 1 + random() % 3; changes > 0; --changes)
      blob[8 + random() % (blob.size() - 8)] ^= std::byte(1 + random() % 255);
    repair(blob);
    std::size_t size;
    try {
      size = decode(blob);
    } catch (const std::runtime_error&) {
      return false;
    }
    CHECK(size == chunk_samples(blob));
    return true;
  };
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  const int rounds = support::rounds(20'000);
  int times_accepted = 0, values_accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto blobs = packed(
        make(random, any_name(random, value_shapes), any_name(random, time_shapes), 1 + random() % 300));
    times_accepted += is_accepted(
        blobs.times, [&](const Blob& blob) { return decode_times(blob, times_ns), times_ns.size(); });
    values_accepted += is_accepted(
        blobs.values, [&](const Blob& blob) { return decode_values(blob, values), values.size(); });
  }
  for (const auto accepted : {times_accepted, values_accepted}) {
    CHECK(accepted > 0);
    CHECK(accepted < rounds);
  }
}

TEST_CASE("an error says what is wrong", "[chunk]") {
  const auto message = [](const auto& decode) {
    try {
      decode();
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  const auto of_times = [&](const Blob& blob) { return message([&] { decode_times(blob, times_ns); }); };
  const auto of_values = [&](const Blob& blob) { return message([&] { decode_values(blob, values); }); };

  const auto good = packed({{start_ns, 1.5}, {start_ns + 1, 2.5}});
  CHECK(of_times(good.times) == "accepted");
  CHECK(of_values(good.values) == "accepted");
  CHECK(of_times(good.values) == "chunk: it holds values, expected time stamps");
  CHECK(of_values(good.times) == "chunk: it holds time stamps, expected values");
  CHECK(of_values(Blob(11)) == "chunk: it has 11 bytes, fewer than a header");
  auto bad = good;
  bad.times[3] = bad.values[3] = std::byte('2');
  CHECK(of_times(bad.times) == "chunk: unknown version; this program reads version 1");
  CHECK(of_values(bad.values) == "chunk: unknown version; this program reads version 1");
  CHECK(message([&] { chunk_samples(bad.values); }) == of_values(bad.values));
  bad = good;
  bad.times.back() ^= std::byte(1);
  bad.values.back() ^= std::byte(1);
  CHECK(of_times(bad.times) == "chunk: wrong checksum");
  CHECK(of_values(bad.values) == "chunk: wrong checksum");
  bad = good;
  bad.times.push_back({});
  bad.values.push_back({});
  repair(bad.times);
  repair(bad.values);
  CHECK(of_times(bad.times) == "chunk: time stamps: something is behind their end");
  CHECK(of_values(bad.values) == "chunk: values: something is behind their end");
  bad = good;
  bad.values[11] = std::byte(1);
  repair(bad.values);
  CHECK(of_values(bad.values) == "chunk: 16777218 samples, expected 1 to 16777216");
  CHECK(message([&] { chunk_samples(bad.values); }) == of_values(bad.values));
}

TEST_CASE("a few bytes that claim to be the longest chunk get no room", "[chunk]") {
  const std::uint32_t longest = chunk_samples_max;
  auto blobs = packed({{start_ns, 1.5}});
  for (auto* blob : {&blobs.times, &blobs.values}) {
    std::memcpy(blob->data() + 8, &longest, sizeof longest);
    repair(*blob);
    CHECK(chunk_samples(*blob) == longest);
  }
  std::vector<std::int64_t> times_ns;
  std::vector<double> values;
  CHECK_THROWS_AS(decode_times(blobs.times, times_ns), std::runtime_error);
  CHECK_THROWS_AS(decode_values(blobs.values, values), std::runtime_error);
  CHECK(times_ns.capacity() + values.capacity() == 0);

  for (auto* blob : {&blobs.times, &blobs.values}) {  // long enough, but no part is right
    blob->resize(1000, std::byte(0xff));
    std::fill(blob->begin() + 12, blob->end(), std::byte(0xff));
    repair(*blob);
  }
  CHECK_THROWS_AS(decode_times(blobs.times, times_ns), std::runtime_error);
  CHECK_THROWS_AS(decode_values(blobs.values, values), std::runtime_error);
  CHECK(times_ns.size() <= 65'536);
  CHECK(values.size() <= 65'536);
}

TEST_CASE("contents that no chunk has are refused", "[chunk]") {
  using Part = std::vector<unsigned>;
  const auto join = [](std::initializer_list<Part> parts) {
    Part out;
    for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
  };
  const auto all = [](unsigned number) { return Part{0, 2 * number, 0, 0}; };  // a column of the same numbers
  // Of two values.
  const auto message = [&](const Part& values) {
    const std::uint32_t header[] = {0x31564452, 0, 2};
    Blob blob(sizeof header);
    std::memcpy(blob.data(), header, sizeof header);
    for (const auto byte : values) blob.push_back(static_cast<std::byte>(byte));
    repair(blob);
    std::vector<double> out;
    try {
      decode_values(blob, out);
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  enum : unsigned { images, decimals, dictionary, means, runs };
  const Part double_zero(8);

  CHECK(message(join({{decimals, 1, 0}, all(5)})) == "accepted");
  CHECK(message({5, 0, 0}) == "chunk: values: values of kind 5 are unknown");
  CHECK(message({images, 0}) == "chunk: 2 bytes cannot hold 2 values");
  CHECK(message({images, 0, 0, 0}) == "chunk: values: it ends 1 bytes too early");
  CHECK(message({images, 3, 0, 0, 0}) == "chunk: values: a column of kind 3 is unknown");
  CHECK(message({images, 9 << 2, 0, 0, 0}) == "chunk: values: a column of kind 36 is unknown");
  CHECK(message({images, 128, 0, 0, 0}) == "chunk: values: a column of kind 128 is unknown");
  CHECK(message({images, 0, 0, 0, 0x80, 0x80, 0x40}) ==
        "chunk: values: a slope's fraction is 1048576, at most 1048575 is possible");
  CHECK(message(join({{images, 0}, Part(10, 0x80)})) == "chunk: values: a number has more than 64 bits");
  CHECK(message(join({{images, 0}, Part(9, 0x80), {2, 0, 0}})) ==
        "chunk: values: a number has more than 64 bits");
  CHECK(message(join({{images, 0}, Part(9, 0xff), {1, 0, 0}})) == "accepted");
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
  CHECK(message({dictionary, 0, 0}) == "chunk: values: a dictionary is empty");
  CHECK(message(join({{dictionary, 1}, all(0), all(1)})) ==
        "chunk: values: a value is not in the dictionary");
  CHECK(message({means, 8, 0}) == "chunk: values: means of kind 8 are unknown");
  CHECK(message({runs, 0, 0}) == "chunk: values: there are no runs");
  CHECK(message(join({{runs, 1}, all(1), {runs}})) == "chunk: values: values of kind 4 are unknown");
  CHECK(message(join({{runs, 1}, all(2), {images}, all(0)})) ==
        "chunk: values: the runs are longer than the values");
  CHECK(message(join({{runs, 1}, all(0), {images}, all(0)})) ==
        "chunk: values: the runs are shorter than the values");
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
  struct Written {
    const char *times, *values;
  };
  const std::vector<Written> written{
      {"524454311639bbb61400000044ca93abdbf1c1ce972fa08d0699b306e807030b016621a2754a0400",
       "52445631824434f314000000010102441a000009010100f5ffffffffffff0f0000051a1907003200a051020064000040d664"
       "0064000000000000"},
      {"524454311a0505720600000044e2b5aadbf1c1ce972f0a00e9070408338000",
       "52445631e05189ff060000000101024408000003010144d5aad5aad5aad59a80010000abd5aad5aad5aae57f010144280000"
       "080455093000"},
      {"52445431ffa9d1922800000040aaf4aadbf1c1ce972f020080e1eb17",
       "524456317609e6cc2800000002041cdbedb6dbedb6dbbd8001eeb6dbedb6dbed06000800a200c3068003c00000000800ea00"
       "0c0800a000c3068003c00000000800ea000c02c0000404000002728d5c23d7c835728d5c"},
      {"52445431e95676ab3c00000040aaf4aadbf1c1ce972f020080e1eb17",
       "524456319617847e3c00000003000000000000803140000000000000c03f050e0104000000e00000000e0000e00000000e00"
       "00e00000000e0000e00000000e00000000000000"},
      {"5244543121488ab84600000004aaf4aadbf1c1ce972faa8df2bd02c3f21501000000000092244912",
       "524456318a54e498460000000407441400000701400100000404000002c731"},
      {"524454315b098ce7c800000040aaf4aadbf1c1ce972f020080e1eb17",
       "52445631cd4c7888c80000000101004414000005091a28b52ffd20c88d0000201a00031a0400a59904c0c28b713bdc10"},
      {"5244543199585a0e1e00000046d8e4aadbf1c1ce972f02e90703004992244992244992244902",
       "524456314e58ae931e0000000000feffffffffffffffff010000"}};
  const auto expected = plain_points();
  REQUIRE(written.size() == expected.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    INFO(written[i].times << ", " << written[i].values);
    CHECK(first_difference(expected[i], {bytes(written[i].times), bytes(written[i].values)}) == -1);
  }
}
