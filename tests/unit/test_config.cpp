// test_config.cpp: what a configuration file makes of the settings, and what is said about a wrong one.
#include <catch2/catch.hpp>
#include <fstream>

#include "config.hpp"
#include "setting.hpp"
#include "support.hpp"
#include "units.hpp"

using namespace ringdown;
using Catch::Contains;
using ring::Kind;

namespace {

Settings parse(const std::string& text) { return parse_config(text, "a.toml"); }

/// What is wrong with a text, or "".
std::string refusal(const std::string& text) {
  try {
    parse(text);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

std::string example() { return support::read_file(EXAMPLE_CONFIG_PATH); }

/// The example with all of its settings in use, and without its text.
std::string full_example() {
  std::istringstream in(example());
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && !line.starts_with("# ") && line != "#") out += line.substr(line[0] == '#') + '\n';
  return out;
}

void check_equal(const Settings& a, const Settings& b) {
  for (const auto& setting : number_settings()) {
    INFO(setting.key);
    CHECK(setting.get(a) == setting.get(b));
  }
  for (const auto& setting : word_settings()) {
    INFO(setting.key);
    CHECK(setting.get(a) == setting.get(b));
  }
  CHECK(a.store.any_file_system == b.store.any_file_system);
  CHECK(a.maintenance_share_max == b.maintenance_share_max);
  CHECK(a.listen == b.listen);
  CHECK(a.remote_write == b.remote_write);
  CHECK(a.store.rules.tiers() == b.store.rules.tiers());
  CHECK(a.store.rules.rules() == b.store.rules.rules());
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("the example that is installed loads and equals the defaults, but for database and rings",
          "[config]") {
  const auto settings = load_config(EXAMPLE_CONFIG_PATH);
  check_equal(settings, Settings{});
  CHECK(settings.database == "/var/lib/ringdown/ringdown.db");
  CHECK(settings.rings == std::vector<std::string>{"plant"});
}

TEST_CASE("the example has every key, and each can be put to use", "[config]") {
  const auto full = full_example();
  for (const auto& setting : number_settings())
    CHECK_THAT(full, Contains(std::string("\n") + setting.key + " = "));
  for (const auto& setting : word_settings())
    CHECK_THAT(full, Contains(std::string("\n") + setting.key + " = "));
  const auto settings = parse(full);
  CHECK(settings.store.rules.tiers().size_bytes_max == 10ull << 30);
  const auto& rules = settings.store.rules.rules();
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].name == "wanctl_*");
  CHECK(rules[0].labels == ring::Labels{{"tin", "B*"}, {"wan", "spectrum"}});
  CHECK(rules[0].aggregation == Kind::gauge);
  CHECK(rules[0].interval_ns == 50'000'000);
  CHECK(rules[0].resolution == 0.001);
  CHECK(rules[0].age_s ==
        decltype(Rule::age_s){30 * 86400, std::nullopt, 90 * 86400, 365 * 86400, forever_s});
  CHECK(rules[0].keep);
  CHECK_FALSE(rules[1].keep);
  CHECK_FALSE(rules[1].tier_1s);
  CHECK(rules[1].age_s == decltype(Rule::age_s){});
  CHECK(rules[2].on_change);
}

TEST_CASE("an empty file changes nothing, and a file changes nothing that it does not name", "[config]") {
  check_equal(parse(""), Settings{});
  Settings base;
  base.database = "a.db";
  base.rings = {"a", "b"};
  base.series_max = 77;
  base.store.rules = Rules(Tiers{{86400, 60, 86400, 86400, 86400}, 1u << 30}, {});
  const auto settings = parse_config("round_ms = 50\n[tiers]\nraw = \"2d\"", "a.toml", base);
  CHECK(settings.round == std::chrono::milliseconds(50));
  CHECK(settings.database == "a.db");
  CHECK(settings.rings == base.rings);
  CHECK(settings.series_max == 77);
  CHECK(settings.store.rules.tiers() == Tiers{{2 * 86400, 60, 86400, 86400, 86400}, 1u << 30});
}

TEST_CASE("every whole number is taken at both ends of its range and refused beyond", "[config]") {
  for (const auto& setting : number_settings()) {
    const std::string key = setting.key;
    for (const auto value : {setting.min, setting.max})
      CHECK(setting.get(parse(key + " = " + std::to_string(value))) == value);
    for (const auto value : {setting.min - 1, setting.max + 1})
      CHECK(refusal("\n" + key + " = " + std::to_string(value)) ==
            "a.toml:2:" + std::to_string(key.size() + 4) + ": " + key + ": found " + std::to_string(value) +
                ", expected a whole number from " + std::to_string(setting.min) + " to " +
                std::to_string(setting.max) + ", without quotes");
    CHECK_THAT(refusal(key + " = \"" + std::to_string(setting.min) + "\""), Contains("without quotes"));
    CHECK_THAT(refusal(key + " = 100.0"), Contains("found 100.0, expected a whole number"));
  }
}

TEST_CASE("every word is taken, and another one refused with those that could stand there", "[config]") {
  for (const auto& setting : word_settings())
    for (const auto& word : setting.words)
      CHECK(setting.get(parse(std::string(setting.key) + " = \"" + word + "\"")) == word);
  CHECK(refusal("durability = \"ful\"") ==
        "a.toml:1:14: durability: found 'ful', expected one of \"normal\", \"full\"");
  CHECK_THAT(refusal("log_level = 3"), Contains("log_level: found 3, expected one of \"trace\", "));
}

TEST_CASE("a ring's shape must be one that a ring can have", "[config]") {
  CHECK(
      refusal("lane_records = 1000") ==
      "a.toml:1:16: lane_records: ring geometry: lane_records 1000; expected a power of two, 64 to 16777216");
  CHECK_THAT(refusal("arena_kib = 5"),
             Contains("a.toml:1:13: arena_kib: ") && Contains("a multiple of 4096"));
}

TEST_CASE("rings are names in an array, each once", "[config]") {
  CHECK(parse("rings = [\"a\", \"b\"]").rings == std::vector<std::string>{"a", "b"});
  CHECK_THAT(refusal("rings = \"a\""),
             Contains("a.toml:1:9: rings: found 'a', expected names of rings: [\"plant\""));
  CHECK_THAT(refusal("rings = []"), Contains("expected names of rings"));
  CHECK_THAT(refusal("rings = [1]"), Contains("found 1, expected the name of a ring in quotes"));
  CHECK_THAT(refusal("rings = [\"a/b\"]"), Contains("found 'a/b', expected 1 to 200 of the characters"));
  CHECK_THAT(refusal("rings = [\"a\", \"a\"]"),
             Contains("a.toml:1:15: rings: found 'a', expected each ring once"));
}

TEST_CASE("flags, the path and the share are checked for their type and range", "[config]") {
  CHECK(parse("any_file_system = true").store.any_file_system);
  CHECK_THAT(refusal("any_file_system = \"true\""), Contains("expected true or false, without quotes"));
  CHECK_THAT(refusal("database = 3"), Contains("expected the path of a file"));
  CHECK_THAT(refusal("database = \"\""), Contains("expected the path of a file"));
  CHECK_THAT(refusal("database = \"a\\u0000b\""), Contains("expected the path of a file"));
  CHECK(parse("maintenance_share_max = 0.5").maintenance_share_max == 0.5);
  for (const auto* bad : {"0.0", "1.1", "nan", "-inf", "\"0.5\""})
    CHECK_THAT(refusal(std::string("maintenance_share_max = ") + bad),
               Contains("expected a number from 0.01 to 1.0"));
}

TEST_CASE("the page of its own metrics has an address and a port, and metrics to show", "[config]") {
  for (const auto* good : {"127.0.0.1:9747", "[::1]:1", "localhost:65535", "0.0.0.0:80"})
    CHECK(parse("[exposition]\nlisten = \"" + std::string(good) + '"').listen == good);
  for (const auto* bad : {"", "9747", ":9747", "localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:-1",
                          "localhost:97x", "localhost: 97", "::1:9747", "[]:9747"}) {
    INFO(bad);
    CHECK_THAT(refusal("[exposition]\nlisten = \"" + std::string(bad) + '"'),
               Contains("a.toml:2:10: exposition.listen: found") && Contains("expected an address and a port from 1 to 65535"));
  }
  CHECK_THAT(refusal("[exposition]\nlisten = 9747"), Contains("exposition.listen: found 9747"));
  CHECK_THAT(refusal("[exposition]\nlist = \"a:1\""), Contains("exposition.list: unknown key; did you mean listen"));
  CHECK_THAT(refusal("own_metrics_s = 0\n[exposition]\nlisten = \"a:1\""),
             Contains("expected nothing beside own_metrics_s = 0; remove one of the two"));
}

TEST_CASE("tiers get ages, and three of them can be off; without 5m there is no 1h", "[config]") {
  const auto ages = [](const std::string& text) { return parse("[tiers]\n" + text).store.rules.tiers().age_s; };
  CHECK(ages("raw = \"10m\"\n1s = \"1s\"\n1m = \"1h\"\n5m = \"6h\"\n1h = \"6h\"") ==
        Ages{600, 1, 3600, 21600, 21600});
  CHECK(ages("raw = \"forever\"\n1m = \"180d\"")[tier_raw] == forever_s);
  CHECK(ages("1s = \"off\"") == Ages{7 * 86400, 0, 30 * 86400, 180 * 86400, forever_s});
  CHECK(ages("1h = \"off\"") == Ages{7 * 86400, 900, 30 * 86400, 180 * 86400, 0});
  CHECK(ages("5m = \"off\"") == Ages{7 * 86400, 900, 30 * 86400, 0, 0});
  CHECK(ages("5m = \"off\"\n1h = \"off\"") == Ages{7 * 86400, 900, 30 * 86400, 0, 0});
  CHECK(refusal("[tiers]\n5m = \"off\"\n1h = \"1y\"") ==
        "a.toml:3:6: tiers.1h: found '1y', expected \"off\", since it is made from 5m, which is off; remove "
        "one of the two");
}

TEST_CASE("an age that is too short for the next tier is refused with the reason", "[config]") {
  CHECK(refusal("[tiers]\nraw = \"9m59s\"") ==
        "a.toml:2:7: tiers.raw: found '9m59s', expected at least \"10m\": the 1m tier is made from it, and "
        "made again for "
        "late samples; make it longer");
  CHECK_THAT(refusal("[tiers]\n1m = \"59m\""), Contains("at least \"1h\": the 5m tier is made from it"));
  CHECK_THAT(refusal("[tiers]\n5m = \"5h\""), Contains("at least \"6h\": the 1h tier is made from it"));
  CHECK_THAT(refusal("[tiers]\n1s = \"0s\""), Contains("found '0s', expected at least \"1s\""));
  CHECK_THAT(refusal("[[rule]]\nraw = \"1m\""),
             Contains("a.toml:2:7: rule[1].raw: found '1m', expected at least \"10m\""));
}

TEST_CASE("no tier is kept longer than one that is made from it, of all series or of a rule's", "[config]") {
  CHECK(refusal("[tiers]\n1m = \"181d\"") ==
        "a.toml:2:6: tiers.1m: found '181d', expected at most the 5m tier's \"180d\", which is made from it; make that "
        "one longer or this one shorter");
  CHECK(refusal("[tiers]\n1h = \"100d\"") ==
        "a.toml:2:6: tiers.1h: found '100d', expected at least the 5m tier's \"180d\", from which it is made; make this "
        "one longer or that one shorter");
  CHECK_THAT(refusal("[tiers]\n5m = \"forever\"\n1h = \"90d\""),
             Contains("a.toml:2:6: tiers.5m: found 'forever', expected at most the 1h tier's \"90d\""));
  CHECK_THAT(refusal("[[rule]]\n1m = \"1y\""),
             Contains("a.toml:2:6: rule[1].1m: found '1y', expected at most the 5m tier's \"180d\""));
  CHECK_THAT(refusal("[[rule]]\n1h = \"2d\""),
             Contains("a.toml:2:6: rule[1].1h: found '2d', expected at least the 5m tier's \"180d\""));
  CHECK_THAT(refusal("[tiers]\n5m = \"30d\"\n[[rule]]\n1m = \"60d\"\n5m = \"90d\"\n[[rule]]\n5m = \"20d\""),
             Contains("a.toml:7:6: rule[2].5m: found '20d'") && !Contains("rule[1]"));
  CHECK(refusal("[tiers]\n1m = \"180d\"\n1h = \"180d\"").empty());  // equal ages
  CHECK(refusal("[tiers]\n1m = \"forever\"\n5m = \"forever\"").empty());
  CHECK(refusal("[tiers]\n1m = \"1y\"\n5m = \"off\"").empty());
  CHECK(refusal("[tiers]\n5m = \"1y\"\n1h = \"off\"").empty());
  CHECK(refusal("[tiers]\nraw = \"1y\"\n1s = \"1y\"").empty());  // nothing is made from 1s, nor again from raw
}

TEST_CASE("an age that is none is refused with examples, and off only where a tier can be off", "[config]") {
  for (const auto* bad :
       {"\"7x\"", "\"\"", "7", "\"1h500ms\"", "\"101y\"", "\"off\"", "[\"7d\"]", "{ a = 1 }"})
    CHECK_THAT(refusal(std::string("[tiers]\nraw = ") + bad),
               Contains("a.toml:2:7: tiers.raw: found ") && Contains("expected an age in quotes: \"90s\"") &&
                   !Contains("or \"off\""));
  CHECK_THAT(refusal("[tiers]\n1s = \"of\""), Contains("found 'of'") && Contains("or \"off\""));
  CHECK_THAT(refusal("[[rule]]\n1h = \"off\""),
             Contains("rule[1].1h: found 'off', expected an age") && !Contains("or \"off\""));
}

TEST_CASE("the database's size is limited by a size, not by a number or a few bytes", "[config]") {
  CHECK(parse("[tiers]\nsize_max = \"500MB\"").store.rules.tiers().size_bytes_max == 500'000'000);
  for (const auto* bad : {"500", "\"500\"", "\"10gib\"", "\"1MB\""})
    CHECK_THAT(refusal(std::string("[tiers]\nsize_max = ") + bad),
               Contains("a.toml:2:12: tiers.size_max: found ") && Contains("at least \"16MiB\""));
}

TEST_CASE("what contradicts itself in a rule is refused", "[config]") {
  CHECK_THAT(refusal("[[rule]]\nkeep = false\nraw = \"30d\""),
             Contains("a.toml:3:7: rule[1].raw: ") && Contains("keep = false"));
  CHECK_THAT(refusal("[[rule]]\naggregation = \"counter\"\non_change = true"),
             Contains("rule[1].on_change: found true, expected false"));
  CHECK_THAT(refusal("[tiers]\n5m = \"off\"\n[[rule]]\n5m = \"1y\""),
             Contains("a.toml:4:6: rule[1].5m: ") && Contains("off"));
  CHECK_THAT(refusal("[[rule]]\naggregation = \"mean\""),
             Contains("expected one of \"gauge\", \"counter\", \"state\""));
  for (const auto* bad : {"50", "\"0s\"", "\"2d\"", "\"fast\""})
    CHECK_THAT(refusal(std::string("[[rule]]\ninterval = ") + bad),
               Contains("expected a duration in quotes from \"1us\""));
  for (const auto* bad : {"\"0.001\"", "0", "-1", "1e13", "nan", "true"})
    CHECK_THAT(refusal(std::string("[[rule]]\nresolution = ") + bad),
               Contains("a.toml:2:14: rule[1].resolution: found ") && Contains("expected a number from 1e-12 to 1000000000000"));
  CHECK_THAT(refusal("[[rule]]\nkeep = false\nresolution = 1"),
             Contains("a.toml:3:14: rule[1].resolution: ") && Contains("keep = false"));
}

TEST_CASE("globs that no series can match are refused", "[config]") {
  for (const auto* bad : {"\"wan.*\"", "\"\"", "\"9*\"", "3", "\"a b\""})
    CHECK_THAT(refusal(std::string("[[rule]]\nname = ") + bad),
               Contains("a.toml:2:8: rule[1].name: found ") && Contains("expected a glob"));
  CHECK(refusal("[[rule]]\nname = \"?an:*_9?\"").empty());
  CHECK_THAT(refusal("[[rule]]\nlabels = { \"w-n\" = \"a\" }"),
             Contains("rule[1].labels.w-n: no label can have this name"));
  CHECK_THAT(refusal("[[rule]]\nlabels = { wan = 3 }"),
             Contains("rule[1].labels.wan: found 3, expected a glob in quotes"));
  CHECK_THAT(refusal("[[rule]]\nlabels = \"wan\""),
             Contains("rule[1].labels: found 'wan', expected a table"));
  CHECK_THAT(refusal("[[rule]]\nlabels = { wan = \"" + std::string(1024, '*') + "\" }"),
             Contains("at most 1023 bytes"));
}

TEST_CASE("a rule that is never reached is refused", "[config]") {
  CHECK(refusal("[[rule]]\nkeep = false\n[[rule]]\nname = \"a\"") ==
        "a.toml:3:1: rule[2]: never reached: the first rule that matches wins, and the one in line 1 matches "
        "all of its "
        "series; move it up or remove it");
  CHECK_THAT(refusal("[[rule]]\nname = \"a\"\n[[rule]]\nname = \"a\""),
             Contains("a.toml:3:1: rule[2]: never reached"));
  CHECK(refusal("[[rule]]\nname = \"a\"\nlabels = { b = \"c\" }\n[[rule]]\nname = \"a\"\n[[rule]]").empty());
}

TEST_CASE("an unknown key is refused with the nearest known one", "[config]") {
  CHECK(refusal("\nround_sm = 3") ==
        "a.toml:2:1: round_sm: unknown key; did you mean round_ms? Else remove it");
  CHECK_THAT(refusal("[tiers]\nsize_maximum = \"1GiB\""),
             Contains("a.toml:2:1: tiers.size_maximum: ") && Contains("did you mean size_max?"));
  CHECK_THAT(refusal("[[rule]]\n1s = \"15m\""),
             Contains("rule[1].1s: unknown key; did you mean 1h or 1m or tier_1s?"));
  CHECK_THAT(refusal("[tiers]\nzzzzzzzzzzzzzzz = 1"),
             Contains("expected one of 1h, 1m, 1s, 5m, raw, size_max"));
  CHECK_THAT(refusal("[[rules]]"), Contains("a.toml:1:3: rules: unknown key; did you mean rule?"));
  CHECK_THAT(refusal("[rule]"), Contains("rule: found a table, expected tables, each headed [[rule]]"));
  CHECK_THAT(refusal("tiers = 3"), Contains("tiers: found 3, expected a table"));
}

TEST_CASE("all that is wrong with a file is told at once, line by line in its order", "[config]") {
  const auto all = lines(refusal(
      "[tiers]\nraw = \"1m\"\n5m = 3\nweek = 1\n[[rule]]\nkeep = 1\n[[rule]]\ninterval = 1\nname = 1"));
  REQUIRE(all.size() == 6);
  const char* places[] = {"a.toml:2:7: tiers.raw",         "a.toml:3:6: tiers.5m",
                          "a.toml:4:1: tiers.week",        "a.toml:6:8: rule[1].keep",
                          "a.toml:8:12: rule[2].interval", "a.toml:9:8: rule[2].name"};
  for (std::size_t i = 0; i < all.size(); ++i) CHECK_THAT(all[i], Catch::StartsWith(places[i]));
}

TEST_CASE("what is not TOML is refused with its line and column", "[config]") {
  CHECK_THAT(refusal("round_ms = 100\nrings = [\"a\"\ncommit_ms = 3"),
             Catch::StartsWith("a.toml:3:1: not TOML: "));
  CHECK_THAT(refusal("round_ms = 1\nround_ms = 2"), Catch::StartsWith("a.toml:2:") && Contains("not TOML: "));
}

TEST_CASE("more rules than the limit are refused", "[config]") {
  std::string text;
  for (std::size_t i = 0; i < rules_max; ++i) text += "[[rule]]\nname = \"a" + std::to_string(i) + "\"\n";
  CHECK(refusal(text).empty());
  CHECK_THAT(refusal(text + "[[rule]]"), Contains("rule: found 1001 rules, expected at most 1000"));
}

TEST_CASE("a file that is missing, a folder or too long is refused by name", "[config]") {
  const auto folder = support::unique_folder();
  const auto load = [](const std::filesystem::path& path) -> std::string {
    try {
      load_config(path);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "";
  };
  CHECK(load(folder / "no.toml") ==
        (folder / "no.toml").string() + ": No such file or directory; expected a file that can be read");
  CHECK_THAT(load(folder), Contains(folder.string() + ": Is a directory"));
  std::ofstream(folder / "long.toml") << std::string(config_bytes_max, '\n');
  CHECK(load(folder / "long.toml").empty());
  std::ofstream(folder / "long.toml", std::ios::app) << '\n';
  CHECK_THAT(load(folder / "long.toml"), Contains("long.toml: more than 1048576 bytes"));
}

TEST_CASE("every change of one character in a full file loads, or is refused with a line of the file",
          "[config]") {
  const auto text = full_example();
  REQUIRE(refusal(text).empty());
  const auto line_count = lines(text).size();
  int loaded = 0, refused = 0;
  const auto attempt = [&](const std::string& changed) {
    const auto told = refusal(changed);
    ++(told.empty() ? loaded : refused);
    for (const auto& line : lines(told)) {
      const auto number = line.starts_with("a.toml:") ? std::atoi(line.c_str() + 7) : 0;
      if (number >= 1 && number <= static_cast<int>(line_count) + 2) continue;
      FAIL("no line of the file in: " << line << "\nwith the file:\n" << changed);
    }
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    attempt(text.substr(0, at) + text.substr(at + 1));
    attempt(text.substr(0, at));
    for (const char c : std::string("\"'=[]{}.,#-+_*?09zT\\ \n\r\t\0\x7f\x80\xc3\xff", 30)) {
      auto changed = text;
      changed[at] = c;
      attempt(changed);
      attempt(changed.insert(at + 1, 1, text[at]));
    }
  }
  CHECK(loaded > 1000);
  CHECK(refused > 10'000);
}

TEST_CASE("a series is read as Prometheus writes it", "[config]") {
  CHECK(parse_series("rtt_ms") == ring::Definition{Kind::gauge, "rtt_ms", "", {}, {}});
  CHECK(parse_series("rtt_ms{}").labels.empty());
  CHECK(parse_series(R"(rtt_ms{wan="spectrum", tin="a\"b\\"})").labels ==
        ring::Labels{{"tin", "a\"b\\"}, {"wan", "spectrum"}});
  for (const auto* bad :
       {"", "9a", "{}", "rtt_ms{", "rtt_ms}", "rtt_ms{wan}", "rtt_ms{wan=3}", "rtt_ms{wan=\"a\"}x",
        "rtt_ms{wan=\"a\"}\nb=1", "rtt_ms{a.b=\"c\"}", "rtt_ms{a=\"b\",a=\"c\"}", "rtt_ms{a-b=\"c\"}"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_series(bad), ring::Error);
  }
}

TEST_CASE("a destination of remote write has what its table says, and defaults", "[config]") {
  const auto destinations = parse(full_example()).remote_write;
  REQUIRE(destinations.size() == 2);
  const auto& site = destinations[0];
  CHECK(site.name == "site");
  CHECK(site.url == "http://localhost:8428/api/v1/write");
  CHECK(site.labels == ring::Labels{{"instance", "plant-1"}});
  CHECK(site.headers == std::vector<std::pair<std::string, std::string>>{{"X-Scope-OrgID", "site"}});
  CHECK(site.user == "plant-1");
  CHECK(destinations[1].bearer_file == "/etc/ringdown/archive.token");
  auto defaults = destinations[1];
  defaults.bearer_file.clear();
  RemoteWriteSettings expected;
  expected.name = "archive";
  expected.url = "https://archive.example/api/v1/write";
  CHECK(defaults == expected);
  const auto other = parse("[[remote_write]]\nname = \"a\"\nurl = \"http://h\"\nsend = \"5m\"\nlag_max = \"2h\"\nselect = "
                           "[\"a\", \"{x=~'b.*'}\"]").remote_write;
  CHECK(other[0].send == tier_5m);
  CHECK(other[0].lag_max_s == 7200);
  CHECK(other[0].select == std::vector<std::string>{"a", "{x=~'b.*'}"});
}

TEST_CASE("a destination that cannot be is refused, with its place and what was expected", "[config]") {
  const auto with = [](const std::string& more) {
    return refusal("[[remote_write]]\nname = \"a\"\nurl = \"http://h/w\"\n" + more);
  };
  CHECK(with("").empty());
  CHECK_THAT(refusal("remote_write = 1"), Contains("a.toml:1:16: remote_write: found 1, expected tables, each headed"));
  CHECK_THAT(refusal("[[remote_write]]\nname = \"a\""), Contains("a.toml:1:1: remote_write[1].url: not there"));
  CHECK_THAT(refusal("[[remote_write]]\nname = \"a b\"\nurl = \"ftp://h\""),
             Contains("remote_write[1].name: found 'a b', expected") && Contains("remote_write[1].url: found 'ftp://h'"));
  CHECK_THAT(refusal("[[remote_write]]\nname = \"a\"\nurl = \"http://u:p@h/w\""), Contains("expected a URL in quotes, without a password"));
  CHECK_THAT(with("[[remote_write]]\nname = \"a\"\nurl = \"http://h\""), Contains("remote_write[2].name: found 'a', expected a name"));
  CHECK_THAT(with("select = [\"{a=b}\"]"), Contains("a.toml:4:11: remote_write[1].select: selector '{a=b}': column 4"));
  CHECK_THAT(with("select = []"), Contains("expected selectors"));
  CHECK_THAT(with("labels = { __name__ = \"x\" }"), Contains("remote_write[1].labels.__name__: no label can have this name"));
  CHECK_THAT(with("headers = { Content-Type = \"x\" }"), Contains("headers.Content-Type: expected the name of a header"));
  CHECK_THAT(with("headers = { A = \"x\\r\\nB: y\" }"), Contains("expected one line of text"));
  CHECK_THAT(with("send = \"1s\""), Contains("expected one of \"raw\", \"1m\", \"5m\", \"1h\""));
  CHECK_THAT(with("lag_max = \"1s\""), Contains("expected a duration in quotes from"));
  CHECK_THAT(with("batch_samples = 0"), Contains("a whole number from 1 to 1000000"));
  CHECK_THAT(with("user = \"u\"\nbearer_file = \"f\""), Contains("bearer_file: found 'f', expected nothing beside user"));
  CHECK_THAT(with("password_file = \"f\""), Contains("expected a user beside it"));
  CHECK_THAT(with("key_file = \"f\""), Contains("expected a cert_file beside it"));
  CHECK_THAT(with("urls = \"f\""), Contains("did you mean url?"));
  std::string many;
  for (std::size_t i = 0; i <= destinations_max; ++i)
    many += "[[remote_write]]\nname = \"d" + std::to_string(i) + "\"\nurl = \"http://h\"\n";
  CHECK_THAT(refusal(many), Contains("found 9 destinations, expected at most 8"));
}
