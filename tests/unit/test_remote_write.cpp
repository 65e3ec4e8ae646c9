// test_remote_write.cpp: the bytes of a request, read back by another reader.
#include <catch2/catch.hpp>

#include <bit>
#include <limits>
#include <random>

#include "remote_write.hpp"
#include "support.hpp"
#include "write_request.hpp"

using namespace ringdown;

namespace {

ring::Definition series_of(const std::string& name, const ring::Labels& labels = {}) {
  return {ring::Kind::gauge, name, "", labels, {}};
}

std::string packed(const std::string& request) {
  std::string out;
  pack_request(request, out);
  return out;
}

}  // namespace

TEST_CASE("a request has the very bytes of the specification", "[remote_write]") {
  std::string request;
  append_series(request, encode_labels(series_of("a", {{"l", "v"}}), "", {}), std::vector<RemoteSample>{{1, 300, 1.0}});
  CHECK(request == std::string("\x0a\x25"                              // TimeSeries of 37 bytes
                               "\x0a\x0d\x0a\x08__name__\x12\x01" "a"  // Label
                               "\x0a\x06\x0a\x01l\x12\x01v"            // Label
                               "\x12\x0c\x09\0\0\0\0\0\0\xf0\x3f\x10\xac\x02", 39));
  CHECK(packed("").size() == 1);  // no series at all
}

TEST_CASE("labels are sorted, a series' own come before those of the destination, and empty ones are left out", "[remote_write]") {
  std::string request;
  append_series(request,
                encode_labels(series_of("a", {{"Zone", "1"}, {"empty", ""}, {"wan", "own"}}), "_sum",
                              {{"instance", "plant"}, {"wan", "theirs"}}),
                std::vector<RemoteSample>{{1, 1, 1}});
  CHECK(support::read_write_request(packed(request)).at(0).labels ==
        std::vector<std::pair<std::string, std::string>>{
            {"Zone", "1"}, {"__name__", "a_sum"}, {"instance", "plant"}, {"wan", "own"}});
}

TEST_CASE("any value and time come back bit by bit, but a NaN is never the stale marker by accident", "[remote_write]") {
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  const auto back = [&](std::int64_t time_ms, double value) {
    std::string request;
    append_series(request, "", std::vector<RemoteSample>{{1, time_ms, value}});
    return support::read_write_request(packed(request)).at(0).samples.at(0);
  };
  using limits = std::numeric_limits<std::int64_t>;
  for (const auto time : {std::int64_t{0}, std::int64_t{127}, std::int64_t{128}, std::int64_t{-1}, limits::min(), limits::max()})
    CHECK(back(time, 1).first == time);
  for (const auto value : {0.0, -0.0, 0.1, -1e308, 5e-324, std::numeric_limits<double>::infinity()})
    CHECK(bits(back(1, value).second) == bits(value));
  CHECK(bits(back(1, stale_marker()).second) == 0x7ff0000000000002);
  CHECK(bits(back(1, std::numeric_limits<double>::quiet_NaN()).second) == 0x7ff8000000000001);
  CHECK(bits(back(1, std::bit_cast<double>(0x7ff0000000000003)).second) == 0x7ff8000000000001);
}

TEST_CASE("random series come back as they were put in", "[remote_write]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int round = support::rounds(50); round-- > 0;) {
    std::string request;
    std::vector<std::vector<RemoteSample>> all;
    std::vector<std::string> names;
    for (auto n = below(20); n-- > 0;) {
      auto series = series_of("s" + std::to_string(below(1000)));
      for (auto labels = below(5); labels-- > 0;)
        series.labels.emplace_back("l" + std::to_string(labels), std::string(1 + below(300), 'x'));
      auto& samples = all.emplace_back();
      auto time_ms = static_cast<std::int64_t>(below(1ull << 42));
      for (auto count = below(300); count-- > 0;)
        samples.push_back({1, time_ms += static_cast<std::int64_t>(1 + below(1000)), static_cast<double>(random()) / 8});
      names.push_back(series.name);
      append_series(request, encode_labels(series, "", {}), samples);
    }
    const auto sent = support::read_write_request(packed(request));
    REQUIRE(sent.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(sent[i].text().starts_with(names[i] + '{'));
      REQUIRE(sent[i].samples.size() == all[i].size());
      for (std::size_t k = 0; k < all[i].size(); ++k) {
        CHECK(sent[i].samples[k].first == all[i][k].time_ms);
        CHECK(sent[i].samples[k].second == all[i][k].value);
      }
    }
  }
}
