// test_rules.cpp: what a series gets from the tiers and the rules, and the durations and sizes they are
// written in.
#include <catch2/catch.hpp>

#include "rules.hpp"
#include "support.hpp"
#include "units.hpp"

using namespace ringdown;
using ring::Kind;

namespace {

ring::Definition series(const std::string& name, ring::Labels labels = {}, Kind kind = Kind::gauge) {
  auto states = kind == Kind::state ? std::vector<std::string>{"green", "red"} : std::vector<std::string>{};
  return ring::checked({kind, name, "", std::move(labels), std::move(states)});
}

/// Says what a glob means, in as few words as possible; exponential time. For ASCII.
bool naive_glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*')
    return naive_glob(pattern.substr(1), text) || (!text.empty() && naive_glob(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         naive_glob(pattern.substr(1), text.substr(1));
}

using Random = std::mt19937_64;
std::size_t below(Random& random, std::size_t n) {
  return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
}

std::string random_text(Random& random, std::string_view letters, std::size_t length_min,
                        std::size_t length_max) {
  std::string out(length_min + below(random, length_max - length_min + 1), ' ');
  for (char& c : out) c = letters[below(random, letters.size())];
  return out;
}

ring::Labels random_labels(Random& random, std::string_view letters) {
  ring::Labels out;
  for (const char* key : {"tin", "wan"})
    if (below(random, 2)) out.emplace_back(key, random_text(random, letters, 0, 2));
  return out;
}

Rule random_rule(Random& random) {
  Rule rule;
  if (below(random, 4)) rule.name = random_text(random, "ab*?", 1, 4);
  rule.labels = random_labels(random, "ab*?");
  if (below(random, 2)) rule.aggregation = Kind{static_cast<std::uint16_t>(1 + below(random, 3))};
  rule.keep = below(random, 2);
  rule.tier_1s = below(random, 2);
  rule.on_change = below(random, 2);
  rule.interval_ns = static_cast<std::int64_t>(below(random, 3)) * second_ns;
  for (auto& age : rule.age_s)
    if (below(random, 2)) age = 1'000'000 + static_cast<std::int64_t>(below(random, 1000));
  return rule;
}

bool naive_match(const Rule& rule, const ring::Definition& of) {
  for (const auto& [key, pattern] : rule.labels) {
    bool found = false;
    for (const auto& [label, value] : of.labels) found |= label == key && naive_glob(pattern, value);
    if (!found) return false;
  }
  return naive_glob(rule.name, of.name);
}

}  // namespace

TEST_CASE("a glob matches whole texts: * any characters or none, ? exactly one", "[rules]") {
  CHECK(glob_matches("", ""));
  CHECK_FALSE(glob_matches("", "a"));
  CHECK(glob_matches("*", ""));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK(glob_matches("wanctl_*", "wanctl_rtt_ms"));
  CHECK(glob_matches("wanctl_*", "wanctl_"));
  CHECK_FALSE(glob_matches("wanctl_*", "my_wanctl_rtt_ms"));
  CHECK_FALSE(glob_matches("rtt", "rtt_ms"));
  CHECK(glob_matches("*_ms", "rtt_ms_ms"));
  CHECK(glob_matches("lane_??", "lane_12"));
  CHECK_FALSE(glob_matches("lane_??", "lane_123"));
}

TEST_CASE("a question mark of a glob is a character, however many bytes it has", "[rules]") {
  CHECK(glob_matches("k?ln", "köln"));
  CHECK(glob_matches("*?", "€"));
  CHECK_FALSE(glob_matches("??", "€"));
  CHECK_FALSE(glob_matches("*??", "€"));
  CHECK(glob_matches("?", "𝄞"));
}

TEST_CASE("globs match as the naive matcher says", "[rules]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  int matched = 0;
  const int tries = support::rounds(20'000);
  for (int i = 0; i < tries; ++i) {
    const auto pattern = random_text(random, "ab*?*", 0, 8);
    const auto text = random_text(random, "ab", 0, 10);
    INFO("pattern " << pattern << ", text " << text);
    REQUIRE(glob_matches(pattern, text) == naive_glob(pattern, text));
    matched += naive_glob(pattern, text);
  }
  CHECK(matched > tries / 10);
  CHECK(matched < tries * 9 / 10);
}

TEST_CASE("a hostile pattern of 200 stars ends at once", "[rules]") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  const std::string text(1023, 'a');
  CHECK(glob_matches(pattern, text));
  CHECK_FALSE(glob_matches(pattern + "b", text));  // exponential time would never come to an end
  CHECK_FALSE(glob_matches(std::string(200, '*') + "b", text));
}

TEST_CASE("a series without a rule gets its own kind and the tiers' ages", "[rules]") {
  const auto policy = Rules().of(series("rtt", {}, Kind::state));
  CHECK(policy.aggregation == Kind::state);
  CHECK(policy.keep);
  CHECK(policy.tier_1s);
  CHECK_FALSE(policy.on_change);
  CHECK(policy.interval_ns == 0);
  CHECK(policy.age_s == Ages{7 * 86400, 15 * 60, 30 * 86400, 180 * 86400, forever_s});
}

TEST_CASE("every label of a rule must be there and match; a series without it does not, whatever the glob",
          "[rules]") {
  Rule rule;
  rule.name = "queue_*";
  rule.labels = {{"tin", "B*"}, {"wan", "spectrum"}};
  CHECK(rule.matches(series("queue_depth", {{"tin", "Bulk"}, {"wan", "spectrum"}})));
  CHECK(rule.matches(series("queue_depth", {{"tin", "Bulk"}, {"wan", "spectrum"}, {"host", "a"}})));
  CHECK_FALSE(rule.matches(series("queue_depth", {{"tin", "Voice"}, {"wan", "spectrum"}})));
  CHECK_FALSE(rule.matches(series("queue_depth", {{"tin", "Bulk"}})));
  CHECK_FALSE(rule.matches(series("rtt", {{"tin", "Bulk"}, {"wan", "spectrum"}})));
  rule.labels = {{"tin", "*"}};
  CHECK(rule.matches(series("queue_depth", {{"tin", ""}})));
  CHECK_FALSE(rule.matches(series("queue_depth")));
}

TEST_CASE("a rule changes what it names and leaves the rest to the tiers", "[rules]") {
  Rule rule;
  rule.aggregation = Kind::counter;
  rule.interval_ns = 50'000'000;
  rule.age_s[tier_1m] = 7200;
  const auto policy = Rules(Tiers{}, {rule}).of(series("packets"));
  CHECK(policy.aggregation == Kind::counter);
  CHECK(policy.interval_ns == 50'000'000);
  CHECK(policy.age_s == Ages{7 * 86400, 15 * 60, 7200, 180 * 86400, forever_s});
}

TEST_CASE("what is not kept has the age 0: raw without keep, 1s without its tier, and every tier that is off",
          "[rules]") {
  Rule rule;
  rule.keep = false;
  rule.tier_1s = false;
  rule.age_s[tier_1h] = 86400;
  auto policy = Rules(Tiers{}, {rule}).of(series("rtt"));
  CHECK(policy.age_s == Ages{0, 0, 30 * 86400, 180 * 86400, 86400});
  Tiers tiers;
  tiers.age_s[tier_1s] = tiers.age_s[tier_1h] = 0;
  rule.keep = rule.tier_1s = true;
  policy = Rules(tiers, {rule}).of(series("rtt"));
  CHECK_FALSE(policy.tier_1s);
  CHECK(policy.age_s == Ages{7 * 86400, 0, 30 * 86400, 180 * 86400, 0});
}

TEST_CASE("a counter is never one that is written on change, whoever says that it is a counter", "[rules]") {
  Rule rule;
  rule.on_change = true;
  CHECK(Rules(Tiers{}, {rule}).of(series("zone", {}, Kind::state)).on_change);
  CHECK(Rules(Tiers{}, {rule}).of(series("zone")).on_change);
  CHECK_FALSE(Rules(Tiers{}, {rule}).of(series("packets", {}, Kind::counter)).on_change);
  rule.aggregation = Kind::counter;
  CHECK_FALSE(Rules(Tiers{}, {rule}).of(series("packets")).on_change);
}

TEST_CASE("the first rule that matches wins, and no other has a say", "[rules]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  int second_could = 0;
  for (int i = support::rounds(3000); i > 0; --i) {
    std::vector<Rule> list(below(random, 6));
    for (auto& rule : list) rule = random_rule(random);
    const Rules rules(Tiers{}, list);
    const auto of = series(random_text(random, "ab", 1, 3), random_labels(random, "ab"));
    std::vector<std::size_t> matching;
    for (std::size_t r = 0; r < list.size(); ++r)
      if (naive_match(list[r], of)) matching.push_back(r);
    second_could += matching.size() > 1;
    const Rule* const found = rules.match(of);
    REQUIRE((found != nullptr) == !matching.empty());
    if (found) REQUIRE(found == &rules.rules()[matching[0]]);
    const Rule expected = found ? list[matching[0]] : Rule{};
    const auto policy = rules.of(of);
    REQUIRE(policy.aggregation == expected.aggregation.value_or(of.kind));
    REQUIRE(policy.keep == expected.keep);
    REQUIRE(policy.tier_1s == expected.tier_1s);
    REQUIRE(policy.interval_ns == expected.interval_ns);
    for (const auto tier : {tier_1m, tier_5m, tier_1h})
      REQUIRE(policy.age_s[tier] == expected.age_s[tier].value_or(Tiers{}.age_s[tier]));
  }
  CHECK(second_could > 0);
}

TEST_CASE("durations are whole numbers with units, the longest unit first", "[units]") {
  const auto s = [](const char* text) { return parse_duration_ns(text).value_or(-second_ns) / second_ns; };
  CHECK(s("90s") == 90);
  CHECK(s("15m") == 900);
  CHECK(s("1h30m") == 5400);
  CHECK(s("7d") == 7 * 86400);
  CHECK(s("4w") == 28 * 86400);
  CHECK(s("1y") == 365 * 86400);
  CHECK(s("1y2w3d4h5m6s") == (365 + 17) * 86400 + 4 * 3600 + 306);
  CHECK(s("100y") == duration_s_max);
  CHECK(parse_duration_ns("50ms") == 50'000'000);
  CHECK(parse_duration_ns("10us5ns") == 10'005);
  CHECK(parse_duration_ns("0s") == 0);
  for (const auto* bad : {"",
                          "s",
                          "7",
                          "7 d",
                          " 7d",
                          "7d ",
                          "-7d",
                          "+7d",
                          "1.5h",
                          "7x",
                          "7D",
                          "30m1h",
                          "1m1m",
                          "1h30",
                          "100y1ns",
                          "101y",
                          "9223372036854775807y",
                          "99999999999999999999s",
                          "forever",
                          "1h-5m"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration_ns(bad));
  }
}

TEST_CASE("sizes are a whole number and a unit", "[units]") {
  CHECK(parse_size_bytes("500MB") == 500'000'000);
  CHECK(parse_size_bytes("10GiB") == 10ull << 30);
  CHECK(parse_size_bytes("1TiB") == 1ull << 40);
  CHECK(parse_size_bytes("64KiB") == 65536);
  CHECK(parse_size_bytes("0B") == 0);
  CHECK(parse_size_bytes("9223372036854775807B") == 9223372036854775807u);
  for (const auto* bad : {"", "10", "10GiBB", "10 GiB", "GiB", "-1GiB", "1GiB500MiB", "10gib", "1.5GiB",
                          "9223372036854775808B", "8388608TiB"}) {
    INFO(bad);
    CHECK_FALSE(parse_size_bytes(bad));
  }
}

TEST_CASE("durations and sizes are written so that they can be read back", "[units]") {
  CHECK(duration_text(7 * 86400 * second_ns) == "7d");
  CHECK(duration_text(5400 * second_ns) == "1h30m");
  CHECK(duration_text(50'000'000) == "50ms");
  CHECK(size_text(10ull << 30) == "10GiB");
  CHECK(size_text(500'000'000) == "500MB");
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  Random random(seed);
  for (int i = support::rounds(1000); i > 0; --i) {
    const auto ns =
        static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(duration_s_max * second_ns)) >>
        below(random, 63);
    INFO(ns);
    REQUIRE(parse_duration_ns(duration_text(ns)) == ns);
    const auto bytes = (random() >> 1) >> below(random, 63);
    INFO(bytes);
    REQUIRE(parse_size_bytes(size_text(bytes)) == bytes);
  }
}
