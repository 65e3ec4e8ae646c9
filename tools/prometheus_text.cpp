#include "prometheus_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "label_text.hpp"
#include "number_text.hpp"
#include "query_time.hpp"

namespace ringdown {
namespace {

constexpr std::string_view blanks = " \t\r";
constexpr std::array<std::string_view, 9> type_names{"counter", "gauge",    "histogram", "summary",       "untyped",
                                                     "unknown", "stateset", "info",      "gaugehistogram"};

void skip_blanks(std::string_view text, std::size_t& at) {
  at = std::min(text.find_first_not_of(blanks, at), text.size());
}

/// Up to the next blank or the end.
std::string_view take_token(std::string_view text, std::size_t& at) {
  const auto begin = at;
  at = std::min(text.find_first_of(blanks, at), text.size());
  return text.substr(begin, at - begin);
}

/// The name before `suffix`, empty if it does not end so.
std::string_view without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : std::string_view();
}

}  // namespace

std::optional<PrometheusText::Sample> PrometheusText::line(std::string_view text) {
  if (text.size() > line_bytes_max)
    throw ring::Error(ring::Failure::bad_argument, "found " + std::to_string(text.size()) +
                                                       " bytes, expected at most " + std::to_string(line_bytes_max));
  std::size_t at = 0;
  skip_blanks(text, at);
  if (at == text.size()) return {};
  if (text[at] == '#') {
    comment(text, at + 1);
    return {};
  }
  Sample out;
  out.definition.name = take_name(text, at, true);
  if (out.definition.name.empty()) refuse_column(text, at, "a metric name or #");
  skip_blanks(text, at);
  if (at < text.size() && text[at] == '{') out.definition.labels = take_labels(text, at);
  std::erase_if(out.definition.labels, [](const auto& label) { return label.second.empty(); });
  out.definition.kind = kind(out.definition.name);
  skip_blanks(text, at);
  const auto value_at = at;
  const auto value = parse_number(take_token(text, at));
  if (!value) refuse_column(text, value_at, "a number");
  out.value = *value;
  skip_blanks(text, at);
  if (at < text.size() && text[at] != '#') {
    const auto time_at = at;
    take_token(text, at);
    out.time_ns = time_ns(text, time_at, at);
    skip_blanks(text, at);
  }
  if (at < text.size() && !text.substr(at).starts_with("# {")) refuse_column(text, at, "the end of the line");
  return out;
}

void PrometheusText::comment(std::string_view text, std::size_t at) {
  skip_blanks(text, at);
  if (take_token(text, at) != "TYPE") return;
  skip_blanks(text, at);
  const std::string name(take_name(text, at, true));
  if (name.empty() || (at < text.size() && blanks.find(text[at]) == blanks.npos))
    refuse_column(text, at, "a metric name");
  skip_blanks(text, at);
  const auto type_at = at;
  const std::string type(take_token(text, at));
  skip_blanks(text, at);
  if (std::find(type_names.begin(), type_names.end(), type) == type_names.end() || at < text.size())
    refuse_column(text, type_at, "counter, gauge, histogram, summary or untyped, and the end of the line");
  if (types_.size() == types_max && !types_.contains(name))
    throw ring::Error(ring::Failure::bad_argument,
                      "found one more TYPE, of " + name + ", expected at most " + std::to_string(types_max));
  types_[name] = type;
}

ring::Kind PrometheusText::kind(std::string_view name) const {
  const auto is = [&](std::string_view metric, std::string_view type) {
    const auto known = types_.find(metric);
    return known != types_.end() && known->second == type;
  };
  if (types_.contains(name)) return is(name, "counter") ? ring::Kind::counter : ring::Kind::gauge;
  for (const auto* suffix : {"_bucket", "_sum", "_count"})
    if (const auto metric = without(name, suffix); is(metric, "histogram") || is(metric, "summary"))
      return ring::Kind::counter;
  return is(without(name, "_total"), "counter") ? ring::Kind::counter : ring::Kind::gauge;  // OpenMetrics
}

std::int64_t PrometheusText::time_ns(std::string_view text, std::size_t from, std::size_t to) const {
  auto token = text.substr(from, to - from);
  const auto point = token.find('.');
  if (openmetrics_ || point != token.npos) {
    const auto digits = token.starts_with('-') ? token.substr(1) : token;
    if (digits.empty() || digits.find_first_not_of("0123456789.") != digits.npos)
      refuse_column(text, from, "a time stamp in seconds");
    if (point != token.npos) token = token.substr(0, point + 10);  // down to ns
    try {
      return parse_time_ns(token, 0);
    } catch (const ring::Error&) {
      refuse_column(text, from, "a time stamp in seconds");
    }
  }
  std::int64_t ms = 0, ns = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), ms);
  if (error != std::errc() || end != token.data() + token.size() || __builtin_mul_overflow(ms, 1'000'000, &ns))
    refuse_column(text, from, "a time stamp in milliseconds since 1970, or the end of the line");
  return ns;
}

}  // namespace ringdown
