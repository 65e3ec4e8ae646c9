// query_writers.hpp: the forms of ring-query's output, and how each of them writes a number.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "query_output.hpp"

namespace ringdown {

// A header comes with the first row, so that no rows are no output. `columns`: the functions of a window.
std::unique_ptr<Writer> make_table_writer(std::vector<std::string> columns);
std::unique_ptr<Writer> make_csv_writer(std::vector<std::string> columns);
std::unique_ptr<Writer> make_json_writer(std::vector<std::string> columns);
std::unique_ptr<Writer> make_plot_writer(std::vector<std::string> columns);
/// Samples only, those of a name together. Prometheus' text format 0.0.4, or OpenMetrics 1.0.
std::unique_ptr<Writer> make_prometheus_writer(bool openmetrics);

/// The shortest text that reads back as the same number.
std::string number(double value);
std::string number_or(const std::optional<double>& value, const char* otherwise);
/// For a person: so many significant digits, but all those before the point.
std::string figure(double value, int digits = 6);
/// Nothing for what has no mean.
std::optional<double> mean(const Series& series, const Bucket& bucket);
std::optional<double> sum(const Bucket& bucket);
/// Whether there is a mean of it, and quantiles.
bool has_values(const Series& series, const Summary& summary);
/// Within the least and the greatest, which a sketch does not know.
double quantile_of(const Summary& summary, double q);
std::string state_name(const Series& series, double state);

}  // namespace ringdown
