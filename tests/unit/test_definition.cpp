#include <catch2/catch.hpp>
#include <random>

#include "ring/definition.hpp"
#include "support.hpp"

using namespace ring;

namespace {

Definition state_definition() {
  return checked({Kind::state, "link_state", "", {{"wan", "spectrum"}, {"direction", "download"}}, {"UP", "DOWN"}});
}

std::string refusal(Definition definition) {
  try {
    checked(std::move(definition));
  } catch (const Error& e) {
    CHECK(e.failure() == Failure::bad_argument);
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a definition survives its encoding and labels come out sorted", "[definition]") {
  const auto d = state_definition();
  std::size_t consumed = 0;
  const auto bytes = encode(d);
  CHECK(decode(bytes, consumed) == d);
  CHECK(consumed == bytes.size());
  CHECK(bytes.size() % 8 == 0);
  CHECK(d.labels.front().first == "direction");
}

TEST_CASE("names outside Prometheus' grammar are refused with the name and what was expected", "[definition]") {
  using Catch::Contains;
  for (const auto* bad : {"", "1abc", "rtt ms", "rtt-ms", "r\xc3\xa4tt"}) {
    INFO(bad);
    CHECK_THAT(refusal({Kind::gauge, bad, "", {}, {}}), Contains(std::string("\"") + bad + "\"") && Contains("expected"));
  }
  CHECK_THAT(refusal({Kind::gauge, std::string(256, 'a'), "", {}, {}}), Contains("255"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {{"__wan", "x"}}, {}}), Contains("__wan"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {{"wan:x", "x"}}, {}}), Contains("wan:x"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {{"wan", "x"}, {"wan", "y"}}, {}}), Contains("each label once"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {{"wan", "\xff"}}, {}}), Contains("UTF-8"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {{"wan", std::string(1, '\0')}}, {}}), Contains("without NUL"));
  CHECK_THAT(refusal({Kind::gauge, "a", std::string(64, 'u'), {}, {}}), Contains("63 bytes"));
  CHECK_THAT(refusal({Kind::gauge, "a", "", {}, {"UP"}}), Contains("state names"));
  CHECK_THAT(refusal({Kind::state, "a", "", {}, {}}), Contains("state names"));
  CHECK_THAT(refusal({Kind::state, "a", "", {}, {"UP", "UP"}}), Contains("differ"));
  CHECK(refusal({Kind::gauge, "ns:rtt_ms", "ms", {{"wan", "caf\xc3\xa9 \"1\"\n"}}, {}}) == "accepted");
}

TEST_CASE("no change of a definition's bytes is believed, and none is read beyond its end", "[definition]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto good = encode(state_definition());
  for (int round = 0; round < support::rounds(20000); ++round) {
    auto bytes = good;
    const auto changes = 1 + random() % 4;
    for (std::uint64_t i = 0; i < changes; ++i) bytes[random() % bytes.size()] ^= std::byte(1u << random() % 8);
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    if (bytes == good) continue;
    std::size_t consumed = 0;
    CHECK_THROWS_AS(decode(std::vector<std::byte>(bytes), consumed), Error);
  }
}
