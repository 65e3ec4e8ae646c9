#include "recording.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "label_text.hpp"
#include "number_text.hpp"
#include "query_time.hpp"

namespace ringdown {

ColumnNames ColumnNames::parse(const std::string& text) {
  ColumnNames out;
  const std::pair<std::string_view, std::string*> known[] = {{"time_s", &out.time},
                                                             {"name", &out.name},
                                                             {"labels", &out.labels},
                                                             {"value", &out.value},
                                                             {"state", &out.state}};
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto part = text.substr(begin, end - begin);
    const auto equals = part.find('=');
    const auto which = std::find_if(std::begin(known), std::end(known),
                                    [&](const auto& column) { return column.first == part.substr(0, equals); });
    if (which == std::end(known) || equals == part.npos || equals + 1 == part.size())
      throw ring::Error(ring::Failure::bad_argument,
                        "--columns: found \"" + part +
                            "\", expected COLUMN=NAME with one of time_s, name, labels, value, "
                            "state and its name in the file's header");
    *which->second = part.substr(equals + 1);
    begin = end + 1;
  }
  return out;
}

Recording::Recording(std::string path, ColumnNames columns, bool needs_times)
    : path_(std::move(path)), columns_(std::move(columns)), needs_times_(needs_times) {
  std::error_code ignored;
  if (std::filesystem::exists(path_, ignored) && !std::filesystem::is_regular_file(path_, ignored))
    throw std::runtime_error(path_ +
                             ": expected a regular file, as it is read twice; write what it gives to one first");
  open();
  for (Sample sample; next(sample);) {
  }
  for (auto& series : series_) {
    for (std::size_t i = 0; i < series.states.size(); ++i)
      if (series.states[i].empty()) series.states[i] = std::to_string(i);
    try {
      ring::encode(series = ring::checked(std::move(series)));
    } catch (const ring::Error& e) {
      throw std::runtime_error(path_ + ": " + e.what());
    }
  }
  is_checked_ = true;
  open();
}

void Recording::open() {
  errno = 0;
  file_ = std::ifstream(path_);
  csv_ = CsvReader(file_);
  if (!file_)
    throw std::runtime_error(path_ + ": " + std::strerror(errno) + "; check --csv, or run as a user who may read it");
  read_header();
}

void Recording::read_header() {
  bool is_there = false;
  try {
    is_there = csv_.next(fields_);
  } catch (const ring::Error& e) {
    refuse(e.what());
  }
  if (!is_there)
    throw std::runtime_error(path_ + ": found nothing, expected a header such as time_s,name,labels,value");
  width_ = fields_.size();
  const auto find = [&](const std::string& name) {
    const auto at = std::find(fields_.begin(), fields_.end(), name);
    return at == fields_.end() ? none : static_cast<std::size_t>(at - fields_.begin());
  };
  const auto need = [&](const std::string& name, const char* column) {
    if (const auto at = find(name); at != none) return at;
    std::string header;
    for (const auto& each : fields_) header += (header.empty() ? "" : ",") + each;
    refuse("found the header \"" + header.substr(0, 200) + "\", expected a column \"" + name +
           "\" in it; say with --columns " + column + "=NAME what it is called" +
           (name == columns_.time ? ", or leave the times out with --now" : ""));
  };
  time_ = needs_times_ ? need(columns_.time, "time_s") : find(columns_.time);
  name_ = need(columns_.name, "name");
  value_ = need(columns_.value, "value");
  labels_ = find(columns_.labels);
  state_ = find(columns_.state);
}

const std::string& Recording::field(std::size_t column) const {
  static const std::string missing;
  return column == none ? missing : fields_[column];
}

void Recording::refuse(const std::string& what) const {
  throw std::runtime_error(path_ + ": line " + std::to_string(csv_.line()) + ": " + what);
}

bool Recording::next(Sample& sample) {
  try {
    if (!csv_.next(fields_)) return false;
    if (fields_.size() != width_)
      refuse("found " + std::to_string(fields_.size()) + " fields, expected the header's " + std::to_string(width_));
    const auto value = parse_number(field(value_));
    if (!value) refuse("found the value \"" + field(value_).substr(0, 40) + "\", expected a number");
    sample.value = *value;
    sample.time_ns = time_ == none ? ++lines_ : parse_time_ns(field(time_), 0);
    sample.series = series_of();
    if (!is_checked_ && !field(state_).empty()) add_state(series_[sample.series], sample.value);
  } catch (const ring::Error& e) {
    refuse(e.what());
  }
  return true;
}

/// The series of the current line.
std::size_t Recording::series_of() {
  key_ = field(name_) + field(labels_);  // a name has no '{'
  if (const auto known = places_.find(key_); known != places_.end()) return known->second;
  if (is_checked_)
    refuse("found series " + key_ + ", which was not there at first; leave the file alone while it is read");
  ring::Definition definition{ring::Kind::gauge, field(name_), "", {}, {}};
  if (definition.name.ends_with("_total")) definition.kind = ring::Kind::counter;
  std::size_t at = 0;
  const std::string_view labels = field(labels_);
  if (!labels.empty()) definition.labels = take_labels(labels, at);
  if (at != labels.size()) refuse_column(labels, at, "the end of the labels");
  series_.push_back(ring::checked(std::move(definition)));
  places_.emplace(key_, series_.size() - 1);
  return series_.size() - 1;
}

void Recording::add_state(ring::Definition& series, double value) {
  const auto& name = field(state_);
  if (!(value >= 0 && value < ring::limits::states) || value != static_cast<double>(static_cast<std::size_t>(value)))
    refuse("found state \"" + name + "\" with value " + field(value_) + ", expected a whole number from 0 to 63");
  series.kind = ring::Kind::state;
  const auto index = static_cast<std::size_t>(value);
  if (series.states.size() <= index) series.states.resize(index + 1);
  auto& known = series.states[index];
  if (!known.empty() && known != name)
    refuse("found state \"" + name + "\" with value " + field(value_) + ", expected \"" + known +
           "\" as in a line before");
  known = name;
}

}  // namespace ringdown
