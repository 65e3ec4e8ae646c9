#include "query_writers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace ringdown {

std::string number(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::optional<double> mean(const Series& series, const Bucket& bucket) {
  if (series.definition.kind != ring::Kind::gauge || !bucket.has_sum || bucket.count <= 0) return {};
  return bucket.sum / static_cast<double>(bucket.count);
}

std::string figure(double value, int digits) {
  constexpr double most = 1e15;  // from there on not all of them are known
  const auto size = std::abs(value);
  return size >= std::pow(10, digits) && size < most ? fmt::format("{:.0f}", value) : fmt::format("{:.{}g}", value, digits);
}

std::string number_or(const std::optional<double>& value, const char* otherwise) {
  return value ? number(*value) : otherwise;
}

bool has_values(const Series& series, const Summary& s) { return series.definition.kind == ring::Kind::gauge && s.row.count > 0; }

double quantile_of(const Summary& s, double q) { return std::clamp(s.row.sketch.quantile(q), s.row.min, s.row.max); }

std::string state_name(const Series& series, double state) {
  if (state != state) return "other";
  const auto name = series.state(state);
  return name.empty() ? number(state) : std::string(name);
}

std::optional<double> sum(const Bucket& bucket) {
  return bucket.has_sum ? std::optional(bucket.sum) : std::nullopt;
}

std::unique_ptr<Writer> make_writer(std::string_view format, const std::vector<std::string>& columns) {
  if (format == "plot") return make_plot_writer(columns);
  if (format == "csv") return make_csv_writer(columns);
  if (format == "json") return make_json_writer(columns);
  if (format == "prometheus" || format == "openmetrics") return make_prometheus_writer(format == "openmetrics");
  return make_table_writer(columns);
}

}  // namespace ringdown
