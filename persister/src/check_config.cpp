#include "check_config.hpp"

#include <fmt/format.h>

#include "setting.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

std::string age_text(std::int64_t age_s) {
  if (age_s == 0) return "off";
  return age_s == forever_s ? "forever" : duration_text(age_s * second_ns);
}

std::string rule_text(const Rule& rule) {
  std::string text = rule.name;
  for (const auto& [key, glob] : rule.labels)
    text += fmt::format("{}{}=\"{}\"", text.size() == rule.name.size() ? "{" : ", ", key, glob);
  if (!rule.labels.empty()) text += '}';
  std::string sets;
  if (rule.aggregation) sets += fmt::format(", aggregation {}", kind_name(*rule.aggregation));
  if (!rule.keep) sets += ", keep false";
  if (!rule.tier_1s) sets += ", tier_1s false";
  if (rule.on_change) sets += ", on_change true";
  if (rule.interval_ns > 0) sets += ", interval " + duration_text(rule.interval_ns);
  if (rule.resolution > 0) sets += fmt::format(", resolution {}", rule.resolution);
  for (std::size_t i = 0; i < tier_count; ++i)
    if (rule.age_s[i]) sets += fmt::format(", {} {}", tier_names[i], age_text(*rule.age_s[i]));
  return text + ": " + (sets.empty() ? "as without a rule" : sets.substr(2));
}

}  // namespace

std::string config_text(const Settings& settings) {
  const auto& tiers = settings.store.rules.tiers();
  std::string text, ages;
  const auto line = [&text](const std::string& key, const auto& value) { text += fmt::format("{:<22} {}\n", key, value); };
  for (std::size_t i = 0; i < tier_count; ++i)
    ages += fmt::format("{}{} {}", i ? ", " : "", tier_names[i], age_text(tiers.age_s[i]));
  line("database", settings.database.empty() ? "none: give --db" : settings.database);
  line("rings", settings.rings.empty() ? "none: give --ring" : fmt::format("{}", fmt::join(settings.rings, ", ")));
  for (const auto& setting : number_settings()) line(setting.key, setting.get(settings));
  for (const auto& setting : word_settings()) line(setting.key, setting.get(settings));
  line("maintenance_share_max", settings.maintenance_share_max);
  line("any_file_system", settings.store.any_file_system);
  line("listen", settings.listen.empty() ? "nowhere" : "http://" + settings.listen + "/metrics");
  line("remote_write", settings.remote_write.empty() ? "none" : "while a destination is behind, its batches are kept");
  for (const auto& to : settings.remote_write)
    text += fmt::format("  {}: {} of {} to {}, {} samples a request{}, kept up to {}\n", to.name, tier_names[to.send],
                        fmt::join(to.select, " or "), to.url, to.batch_samples,
                        to.samples_per_second ? fmt::format(", {} a second", to.samples_per_second) : "",
                        duration_text(to.lag_max_s * second_ns));
  line("tiers", ages);
  line("size_max", tiers.size_bytes_max ? size_text(tiers.size_bytes_max) : "none");
  line("rules", settings.store.rules.rules().empty() ? "none" : "the first that matches");
  int number = 0;
  for (const auto& rule : settings.store.rules.rules())
    text += fmt::format("  {}, line {}: {}\n", ++number, rule.line, rule_text(rule));
  return text;
}

std::string policy_text(const Rules& rules, const ring::Definition& series) {
  const auto* const rule = rules.match(series);
  const auto policy = rules.of(series);
  auto text = rule ? fmt::format("rule         {}, line {}: {}\n", rule - rules.rules().data() + 1,
                                 rule->line, rule_text(*rule))
                   : std::string("rule         none matches\n");
  text += fmt::format("aggregation  {}\nkeep         {}\ntier_1s      {}\non_change    {}\ninterval     {}\nresolution   {}\n",
                      rule && rule->aggregation ? kind_name(*rule->aggregation) : "its kind's", policy.keep,
                      policy.tier_1s, policy.on_change,
                      policy.interval_ns > 0 ? duration_text(policy.interval_ns) : "not known",
                      policy.resolution > 0 ? fmt::format("{}", policy.resolution) : "every bit is kept");
  for (std::size_t i = 0; i < tier_count; ++i) {
    const bool dropped = i == tier_raw && !policy.keep;
    text += fmt::format("{:<11}  {}\n", tier_names[i],
                        dropped ? "until it is rolled up" : age_text(policy.age_s[i]));
  }
  return text;
}

}  // namespace ringdown
