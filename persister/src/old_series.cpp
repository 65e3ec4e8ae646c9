#include "old_series.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "rules.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

constexpr std::size_t rows_max = 1 << 21;  // that are remembered; labels somebody writes may all differ

std::string identity(const ring::Definition& definition) { return definition.name + labels_json(definition.labels); }

/// Nothing unless it is an object of scalars.
std::optional<ring::Labels> parse_labels(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  ring::Labels labels;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string())
      labels.emplace_back(key, value.get<std::string>());
    else if (value.is_number() || value.is_boolean())
      labels.emplace_back(key, value.dump());
    else
      return {};
  }
  return labels;
}

bool is_metric_name(std::string_view text) {
  return text.size() <= ring::limits::name_bytes && ring::detail::is_name(text, true);
}

/// States that nobody has named.
std::vector<std::string> numbered_states() { return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; }

}  // namespace

KindRule parse_kind_rule(const std::string& text) {
  const auto equals = text.rfind('=');
  const auto fail = [&] {
    throw std::invalid_argument("found " + text + ", expected NAME-GLOB=gauge, counter, state or state:NAME,NAME...");
  };
  if (equals == text.npos || equals == 0) fail();
  KindRule rule{text.substr(0, equals), ring::Kind::gauge};
  auto kind = text.substr(equals + 1);
  if (kind.starts_with("state:")) {
    for (auto names = kind.substr(6);;) {
      const auto comma = names.find(',');
      rule.states.push_back(names.substr(0, comma));
      if (comma == names.npos) break;
      names.erase(0, comma + 1);
    }
    kind = "state";
  } else if (kind == "state") {
    rule.states = numbered_states();
  }
  if (kind == "counter")
    rule.kind = ring::Kind::counter;
  else if (kind == "state")
    rule.kind = ring::Kind::state;
  else if (kind != "gauge")
    fail();
  try {
    ring::checked({.kind = rule.kind, .name = "x", .unit = {}, .labels = {}, .states = rule.states});
  } catch (const ring::Error& e) {
    throw std::invalid_argument(text + ": " + e.what());
  }
  return rule;
}

OldSeries::OldSeries(const std::vector<SeriesRow>& known, std::vector<KindRule> kinds, std::size_t series_max)
    : kinds_(std::move(kinds)), series_max_(series_max) {
  for (const auto& row : known) {
    ids_[identity(row.definition)] = row.id;
    last_ = std::max(last_, row.id);
  }
}

OldSeries::Found OldSeries::find(std::string_view wan, std::string_view metric,
                                 std::optional<std::string_view> labels) {
  key_.assign(metric).append(1, '\0').append(wan).append(1, '\0');
  if (labels) key_.append(1, '\0').append(*labels);
  if (const auto known = rows_.find(std::string_view(key_)); known != rows_.end()) return known->second;
  const auto found = make(wan, metric, labels);
  if (rows_.size() >= rows_max) rows_.clear();
  rows_.emplace(key_, found);
  return found;
}

OldSeries::Found OldSeries::make(std::string_view wan, std::string_view metric,
                                 std::optional<std::string_view> labels) {
  if (!is_metric_name(metric)) return {0, Doubt::name};
  auto parsed = labels ? parse_labels(*labels) : ring::Labels{};
  if (!parsed) return {0, Doubt::labels};
  const auto told =
      std::find_if(parsed->begin(), parsed->end(), [](const auto& label) { return label.first == "wan"; });
  if (told != parsed->end() && told->second != wan) return {0, Doubt::labels};
  if (told == parsed->end() && !wan.empty()) parsed->emplace_back("wan", wan);
  ring::Definition definition;
  definition.name = metric;
  definition.labels = std::move(*parsed);
  try {
    definition = with_kind(ring::checked(std::move(definition)));
    ring::encode(definition);
  } catch (const ring::Error&) {
    return {0, Doubt::labels};
  }
  const auto key = identity(definition);
  if (const auto known = ids_.find(key); known != ids_.end()) return {known->second, {}};
  if (ids_.size() >= series_max_) return {0, Doubt::series_limit};
  ids_.emplace(key, ++last_);
  new_.push_back({last_, std::move(definition)});
  return {last_, {}};
}

ring::Definition OldSeries::with_kind(ring::Definition definition) const {
  if (definition.name.ends_with("_total")) definition.kind = ring::Kind::counter;
  for (const auto& rule : kinds_) {
    if (!glob_matches(rule.glob, definition.name)) continue;
    definition.kind = rule.kind;
    definition.states = rule.states;
    break;
  }
  return definition;
}

}  // namespace ringdown
