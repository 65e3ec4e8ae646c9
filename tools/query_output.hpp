// query_output.hpp: samples and rollups as a table, CSV or JSON lines.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch.hpp"
#include "query_gaps.hpp"
#include "rollup.hpp"

namespace ringdown {

/// A series as it is printed.
struct Series {
  explicit Series(SeriesRow from);

  std::uint32_t id;
  ring::Definition definition;
  std::string labels;  // {label="value",...}, empty without labels

  /// Empty unless the series is a state and the value one of its states.
  std::string_view state(double value) const noexcept;
};

/// A row of a tier.
struct Bucket {
  std::int64_t start_s = 0;
  std::int64_t count = 0;
  double sum = 0, min = 0, max = 0, first = 0, last = 0;
  bool has_sum = true;  // no: it went beyond what a double can hold
};

/// What a range comes to.
struct Summary {
  Rollup row;                            // states: by time, the longest first
  std::int64_t from_ns = 0, to_ns = 0;   // the part of it that has samples, of a tier buckets
  Gaps gaps = {};                        // ns

  double seconds() const noexcept { return static_cast<double>(to_ns - from_ns) / 1e9; }
};

/// Standard output in large writes. Throws std::system_error, for example when the disk is full.
class Output {
 public:
  void put(std::string_view text);
  void flush();

 private:
  std::string buffer_;
};

/// A line of the program on standard error.
void complain(const std::string& text);

/// A mean is given for gauges only: that of a counter or of a state says nothing. Rows that a form has no place for are
/// left out.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual void sample(const Series&, std::int64_t /*time_ns*/, double /*value*/) {}
  virtual void bucket(const Series&, const Bucket&) {}
  virtual void summary(const Series&, const Summary&) {}
  /// Of a window that begins then: the functions that the writer was made for, nothing for one that says nothing.
  virtual void values(const Series&, std::int64_t /*time_ns*/, std::span<const std::optional<double>> /*values*/) {}
  /// After the last row.
  virtual void finish() { output_.flush(); }

 protected:
  Output output_;
};

/// `format` is table, csv, json, plot, prometheus or openmetrics; `columns` are the functions of windows.
std::unique_ptr<Writer> make_writer(std::string_view format, const std::vector<std::string>& columns = {});

}  // namespace ringdown
