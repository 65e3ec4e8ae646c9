#include "config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "remote_write_config.hpp"
#include "section.hpp"
#include "setting.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

bool can_be_off(std::size_t tier) noexcept { return tier != tier_raw && tier != tier_1m; }

/// The age under a tier's key. `in_rule`: "off" is then no age.
std::optional<std::int64_t> read_age(Section& section, std::size_t tier, bool in_rule) {
  const std::string key = tier_names[tier];
  const auto* const node = section.find(key);
  if (!node) return {};
  const auto text = node->value_exact<std::string>().value_or("");
  const bool off = can_be_off(tier) && !in_rule;
  if (text == "forever") return forever_s;
  if (text == "off" && off) return 0;
  const auto ns = parse_duration_ns(text);
  if (!ns || *ns % second_ns != 0) {
    section.expect(
        *node, key,
        fmt::format("an age in quotes: \"90s\", \"15m\", \"1h30m\", \"7d\", \"4w\", up to \"100y\", or "
                    "\"forever\"{}",
                    off ? ", or \"off\"" : ""));
    return {};
  }
  const auto min = age_s_min[tier];
  if (*ns / second_ns >= min) return *ns / second_ns;
  auto expected = fmt::format("at least \"{}\"", duration_text(min * second_ns));
  if (tier != tier_1s && tier != tier_1h)
    expected += fmt::format(": the {} tier is made from it, and made again for late samples; make it longer",
                            tier == tier_raw ? "1m" : tier_names[tier + 1]);
  section.expect(*node, key, expected);
  return {};
}

/// A late sample goes into the finest tier that still has its time, so none may be kept longer than one made from it.
/// Told at the longer age if it stands in this section, else at the shorter one.
void refuse_shrinking(Section& section, const Ages& age_s) {
  const auto text = [](std::int64_t s) { return s == forever_s ? "forever" : duration_text(s * second_ns); };
  for (const auto& [finer, wider] : {std::pair{tier_1m, tier_5m}, {tier_5m, tier_1h}}) {
    if (age_s[wider] == 0 || age_s[finer] <= age_s[wider]) continue;
    const std::string finer_key = tier_names[finer], wider_key = tier_names[wider];
    if (const auto* const node = section.find(finer_key))
      section.expect(*node, finer_key,
                     fmt::format("at most the {} tier's \"{}\", which is made from it; make that one longer or this "
                                 "one shorter", wider_key, text(age_s[wider])));
    else if (const auto* const below = section.find(wider_key))
      section.expect(*below, wider_key,
                     fmt::format("at least the {} tier's \"{}\", from which it is made; make this one longer or that "
                                 "one shorter", finer_key, text(age_s[finer])));
  }
}

void read_tiers(Section& section, Tiers& tiers) {
  std::array<std::optional<std::int64_t>, tier_count> age_s;
  for (std::size_t i = 0; i < tier_count; ++i) {
    age_s[i] = read_age(section, i, false);
    tiers.age_s[i] = age_s[i].value_or(tiers.age_s[i]);
  }
  if (tiers.age_s[tier_5m] == 0) {
    if (age_s[tier_1h].value_or(0) != 0)
      section.expect(*section.find("1h"), "1h",
                     "\"off\", since it is made from 5m, which is off; remove one of the two");
    tiers.age_s[tier_1h] = 0;
  }
  refuse_shrinking(section, tiers.age_s);
  const auto is_size = [](const std::string& text) {
    return parse_size_bytes(text).value_or(0) >= size_bytes_min;
  };
  const auto size = section.take<std::string>(
      "size_max", "a size in quotes: \"500MB\", \"10GiB\", at least \"" + size_text(size_bytes_min) + '"',
      is_size);
  if (size) tiers.size_bytes_max = *parse_size_bytes(*size);
  section.refuse_unknown();
}

bool is_name_glob(const std::string& text) {
  auto name = text;
  for (char& c : name)
    if (c == '*' || c == '?') c = '_';
  return text.size() <= ring::limits::name_bytes && ring::detail::is_name(name, true);
}

void read_labels(Section& section, ring::Labels& labels) {
  for (const auto& [key, node] : section.all()) {
    const std::string name(key.str());
    const auto glob = section.take<std::string>(
        name,
        fmt::format("a glob in quotes of at most {} bytes: \"spectrum\", \"B*\"",
                    ring::limits::label_value_bytes),
        [](const auto& text) { return text.size() <= ring::limits::label_value_bytes; });
    if (!ring::detail::is_name(name, false))
      section.refuse(node, shown(name), "no label can have this name; expected letters, digits and _");
    if (glob) labels.emplace_back(name, *glob);
  }
}

Rule read_rule(Section& section, const Tiers& tiers) {
  static const std::vector<std::string> kinds{"gauge", "counter", "state"};
  Rule rule;
  rule.name =
      section
          .take<std::string>("name",
                             "a glob over series names: letters, digits, _ and :, * for any characters, ? "
                             "for one",
                             is_name_glob)
          .value_or(rule.name);
  section.table("labels", [&](Section& labels) { read_labels(labels, rule.labels); });
  if (const auto kind = section.word("aggregation", kinds))
    rule.aggregation = *kind == kinds[0]   ? ring::Kind::gauge
                       : *kind == kinds[1] ? ring::Kind::counter
                                           : ring::Kind::state;
  section.flag("keep", rule.keep);
  section.flag("tier_1s", rule.tier_1s);
  section.flag("on_change", rule.on_change);
  const auto is_interval = [](const std::string& text) {
    const auto ns = parse_duration_ns(text).value_or(0);
    return ns >= 1000 && ns <= 86400 * second_ns;
  };
  const auto interval = section.take<std::string>(
      "interval", "a duration in quotes from \"1us\" to \"1d\": \"50ms\"", is_interval);
  if (interval) rule.interval_ns = *parse_duration_ns(*interval);
  rule.resolution = section.number("resolution", resolution_min, resolution_max).value_or(0);
  for (const std::size_t tier : {tier_raw, tier_1m, tier_5m, tier_1h}) {
    rule.age_s[tier] = read_age(section, tier, true);
    if (rule.age_s[tier] && tiers.age_s[tier] == 0)
      section.expect(*section.find(tier_names[tier]), tier_names[tier],
                     "no age, since [tiers] has this tier off; remove one of the two");
  }
  auto age_s = tiers.age_s;
  for (std::size_t i = 0; i < tier_count; ++i)
    if (age_s[i] > 0) age_s[i] = rule.age_s[i].value_or(age_s[i]);
  refuse_shrinking(section, age_s);
  if (!rule.keep && rule.age_s[tier_raw])
    section.expect(*section.find("raw"), "raw", "no age beside keep = false; remove one of the two");
  if (!rule.keep && rule.resolution > 0)
    section.expect(*section.find("resolution"), "resolution", "none beside keep = false; remove one of the two");
  if (rule.on_change && rule.aggregation == ring::Kind::counter)
    section.expect(*section.find("on_change"), "on_change",
                   "false for a counter, which is not held between samples");
  section.refuse_unknown();
  return rule;
}

/// Only once the rules are otherwise sound: a rule whose name is wrong seems to match every series.
void refuse_unreached(Section& top, const std::vector<Rule>& rules) {
  for (auto rule = rules.begin(); rule != rules.end(); ++rule) {
    const auto before = std::find_if(rules.begin(), rule, [&](const Rule& r) {
      return r.matches_all() || (r.name == rule->name && r.labels == rule->labels);
    });
    const auto index = static_cast<std::size_t>(rule - rules.begin());
    if (before != rule)
      top.refuse(
          *top.find("rule")->as_array()->get(index), fmt::format("rule[{}]", index + 1),
          fmt::format(
              "never reached: the first rule that matches wins, and the one in line {} matches all of its "
              "series; move it up or remove it",
              before->line));
  }
}

std::vector<Rule> read_rules(Section& top, const Tiers& tiers) {
  std::vector<Rule> rules;
  const auto* const node = top.find("rule");
  if (!node) return rules;
  if (!node->is_array_of_tables()) {
    top.expect(*node, "rule", "tables, each headed [[rule]] in double brackets");
    return rules;
  }
  for (const auto& item : *node->as_array()) {
    const auto number = std::to_string(rules.size() + 1);
    Section section(*item.as_table(), "rule[" + number + "].", top.errors());
    auto rule = read_rule(section, tiers);
    rule.line = item.source().begin.line;
    rules.push_back(std::move(rule));
  }
  if (rules.size() > rules_max)
    top.refuse(*node, "rule", fmt::format("found {} rules, expected at most {}", rules.size(), rules_max));
  return rules;
}

void read_rings(Section& top, std::vector<std::string>& rings) {
  const auto* const node = top.find("rings");
  if (!node) return;
  const auto* const array = node->as_array();
  if (!array || array->empty()) return top.expect(*node, "rings", "names of rings: [\"plant\", \"test\"]");
  rings.clear();
  for (const auto& item : *array) {
    const auto name = item.value_exact<std::string>();
    if (!name) {
      top.expect(item, "rings", "the name of a ring in quotes");
      continue;
    }
    try {
      ring::object_name(*name);
    } catch (const ring::Error&) {
      top.expect(item, "rings", "1 to 200 of the characters a-z A-Z 0-9 _ - .");
    }
    if (std::find(rings.begin(), rings.end(), *name) != rings.end())
      top.expect(item, "rings", "each ring once");
    rings.push_back(*name);
  }
}

void read_numbers(Section& top, Settings& settings) {
  for (const auto& setting : number_settings()) {
    const auto number = top.whole(setting.key, setting.min, setting.max);
    if (!number) continue;
    auto changed = settings;
    setting.set(changed, *number);
    try {
      ring::check(changed.geometry);
      settings = std::move(changed);
    } catch (const ring::Error& e) {
      top.refuse(*top.find(setting.key), setting.key, e.what());
    }
  }
}

Settings read(Section top, Settings settings) {
  const auto is_path = [](const std::string& text) { return !text.empty() && text.find('\0') == text.npos; };
  settings.database =
      top.take<std::string>("database", "the path of a file in quotes", is_path).value_or(settings.database);
  read_rings(top, settings.rings);
  read_numbers(top, settings);
  for (const auto& setting : word_settings())
    if (const auto word = top.word(setting.key, setting.words)) setting.set(settings, *word);
  top.flag("any_file_system", settings.store.any_file_system);
  const auto is_share = [](double share) { return share >= 0.01 && share <= 1; };
  settings.maintenance_share_max =
      top.take<double>("maintenance_share_max",
                       "a number from 0.01 to 1.0, with its point and without quotes", is_share)
          .value_or(settings.maintenance_share_max);
  auto tiers = settings.store.rules.tiers();
  top.table("exposition", [&](Section& section) {
    const auto is_address = [](const std::string& text) { return parse_listen(text).has_value(); };
    settings.listen = section.take<std::string>("listen", "an address and a port from 1 to 65535 in quotes: "
                                                          "\"127.0.0.1:9747\", \"[::1]:9747\"", is_address)
                          .value_or(settings.listen);
    if (!settings.listen.empty() && settings.own_metrics.count() == 0)
      section.expect(*section.find("listen"), "listen", "nothing beside own_metrics_s = 0; remove one of the two");
    section.refuse_unknown();
  });
  top.table("tiers", [&](Section& section) { read_tiers(section, tiers); });
  settings.store.rules = Rules(tiers, read_rules(top, tiers));
  if (top.find("remote_write")) settings.remote_write = read_remote_write(top);
  top.refuse_unknown();
  if (top.errors().empty()) refuse_unreached(top, settings.store.rules.rules());
  return settings;
}

}  // namespace

Settings parse_config(std::string_view text, const std::string& file, const Settings& base) {
  Errors errors(file);
  Settings settings;
  try {
    const toml::table table = toml::parse(text);
    settings = read(Section(table, "", errors), base);
  } catch (const toml::parse_error& e) {
    errors.add(e.source().begin,
               fmt::format("not TOML: {}; see https://toml.io", shown(std::string(e.description()))));
  }
  errors.throw_if_any();
  return settings;
}

Settings load_config(const std::string& file, const Settings& base) {
  std::string text(config_bytes_max + 1, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || !in.is_open())
    throw ConfigError(fmt::format("{}: {}; expected a file that can be read", file, std::strerror(errno)));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > config_bytes_max)
    throw ConfigError(
        fmt::format("{}: more than {} bytes; expected a configuration", file, config_bytes_max));
  return parse_config(text, file, base);
}

/// What stands in the braces is an inline table of TOML as well.
ring::Definition parse_series(std::string_view text) {
  ring::Definition series;
  const auto brace = text.find('{');
  series.name = text.substr(0, brace);
  if (brace != text.npos) {
    const auto refuse = [&](const std::string& why) {
      ring::detail::refuse("series", text, R"(NAME{label="value", ...}: )" + why);
    };
    try {
      const auto table = toml::parse("labels = " + std::string(text.substr(brace)));
      const auto* const labels = table["labels"].as_table();
      if (!labels || table.size() != 1) refuse("nothing behind the closing brace");
      for (const auto& [key, node] : *labels) {
        if (!node.is_string()) refuse("values in double quotes");
        series.labels.emplace_back(key.str(), node.value_or(std::string()));
      }
    } catch (const toml::parse_error& e) {
      refuse(std::string(e.description()));
    }
  }
  return ring::checked(std::move(series));
}

}  // namespace ringdown
