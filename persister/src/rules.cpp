#include "rules.hpp"

#include <algorithm>

namespace ringdown {
namespace {

/// Where the character behind the one at `at` begins, in UTF-8.
std::size_t next_character(std::string_view text, std::size_t at) noexcept {
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

}  // namespace

/// Where the rest does not match, the last star takes one character more; those before it need not change.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0;
  auto star = pattern.npos;   // the last one passed
  std::size_t star_ends = 0;  // in text
  while (t < text.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_ends = t;
    } else if (p < pattern.size() && t < text.size() && pattern[p] == '?') {
      ++p;
      t = next_character(text, t);
    } else if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != pattern.npos && star_ends < text.size()) {
      t = star_ends = next_character(text, star_ends);
      p = star + 1;
    } else {
      return false;
    }
  }
  return true;
}

bool Rule::matches(const ring::Definition& series) const noexcept {
  return glob_matches(name, series.name) &&
         std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
           return std::any_of(series.labels.begin(), series.labels.end(), [&](const auto& label) {
             return label.first == wanted.first && glob_matches(wanted.second, label.second);
           });
         });
}

const Rule* Rules::match(const ring::Definition& series) const noexcept {
  const auto rule =
      std::find_if(rules_.begin(), rules_.end(), [&](const Rule& r) { return r.matches(series); });
  return rule == rules_.end() ? nullptr : &*rule;
}

Policy Rules::of(const ring::Definition& series) const noexcept {
  static const Rule none;
  const Rule* const found = match(series);
  const Rule& rule = found ? *found : none;
  Policy policy;
  policy.aggregation = rule.aggregation.value_or(series.kind);
  policy.keep = rule.keep;
  policy.tier_1s = rule.tier_1s && tiers_.age_s[tier_1s] > 0;
  policy.on_change = rule.on_change && policy.aggregation != ring::Kind::counter;
  policy.interval_ns = rule.interval_ns;
  policy.resolution = rule.resolution;
  for (std::size_t i = 0; i < tier_count; ++i)
    policy.age_s[i] = tiers_.age_s[i] > 0 ? rule.age_s[i].value_or(tiers_.age_s[i]) : 0;
  if (!policy.keep) policy.age_s[tier_raw] = 0;
  if (!policy.tier_1s) policy.age_s[tier_1s] = 0;
  return policy;
}

}  // namespace ringdown
