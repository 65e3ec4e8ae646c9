// recording.hpp: samples in a CSV file, as `ring-query --format csv` writes them, to be pushed again.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "csv.hpp"
#include "ring/definition.hpp"

namespace ringdown {

/// What the header calls the columns. labels and state may be missing from the file, and time_s if it is not needed.
struct ColumnNames {
  std::string time = "time_s", name = "name", labels = "labels", value = "value", state = "state";

  /// "time_s=when,value=v": those that have another name. Throws ring::Error(bad_argument).
  static ColumnNames parse(const std::string& text);
};

class Recording {
 public:
  struct Sample {
    std::size_t series;  // its place in series()
    double value;
    std::int64_t time_ns;  // without times: a nanosecond after the line before
  };

  /// Reads the whole file once: each line is checked before the first sample is given. Throws std::runtime_error that
  /// names the file, the line, what was found and what expected.
  Recording(std::string path, ColumnNames columns, bool needs_times);
  Recording(const Recording&) = delete;  // its reader holds on to its file
  Recording& operator=(const Recording&) = delete;

  /// A series with a state column is a state, one whose name ends in _total a counter, any other a gauge. Values that
  /// no line names a state for are called by their number.
  const std::vector<ring::Definition>& series() const noexcept { return series_; }
  /// The samples in the order of the file; false at the end.
  bool next(Sample& sample);

 private:
  static constexpr std::size_t none = ~std::size_t{0};

  void open();
  void read_header();
  std::size_t series_of();
  void add_state(ring::Definition& series, double value);
  const std::string& field(std::size_t column) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::string path_;
  ColumnNames columns_;
  bool needs_times_, is_checked_ = false;
  std::ifstream file_;
  CsvReader csv_{file_};
  std::vector<std::string> fields_;
  std::size_t width_ = 0, time_ = none, name_ = none, labels_ = none, value_ = none, state_ = none;
  std::vector<ring::Definition> series_;
  std::unordered_map<std::string, std::size_t> places_;  // by name and labels as they are written
  std::string key_;
  std::int64_t lines_ = 0;
};

}  // namespace ringdown
