// query_csv.cpp: rows as CSV for other programs.
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "query_time.hpp"
#include "query_writers.hpp"

namespace ringdown {
namespace {

/// RFC 4180, with the line ends of Unix.
class CsvWriter : public Writer {
 public:
  explicit CsvWriter(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  void sample(const Series& series, std::int64_t time_ns, double value) override {
    header("time_s,name,labels,value,state\n");
    line_.clear();
    put_seconds(time_ns);
    line_ += fields(series);
    std::array<char, 32> text;
    line_.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
    line_ += ',';
    if (const auto state = series.state(value); !state.empty()) line_ += quoted(state);
    line_ += '\n';
    output_.put(line_);
  }

  void bucket(const Series& series, const Bucket& b) override {
    header("time_s,name,labels,count,min,mean,max,first,last,sum,last_state\n");
    output_.put(fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", b.start_s, quoted(series.definition.name),
                            quoted(series.labels), b.count, number(b.min), number_or(mean(series, b), ""),
                            number(b.max), number(b.first), number(b.last), number_or(sum(b), ""),
                            quoted(series.state(b.last))));
  }

  void summary(const Series& series, const Summary& s) override {
    header("from_s,name,labels,to_s,count,min,p50,p95,p99,max,mean,increase,last,last_state,states,gaps,longest_gap_s,gaps_s\n");
    const auto kind = series.definition.kind;
    put_seconds(s.from_ns);
    line_ += fields(series);
    put_seconds(s.to_ns);
    line_ += fmt::format(",{}", s.row.count);
    const auto put = [&](bool is_there, double value) { line_ += "," + (is_there ? number(value) : std::string()); };
    const bool is_gauge = has_values(series, s);
    put(is_gauge, s.row.min);
    for (const double q : {0.5, 0.95, 0.99}) put(is_gauge, is_gauge ? quantile_of(s, q) : 0);
    put(is_gauge, s.row.max);
    put(is_gauge, s.row.sum / static_cast<double>(s.row.count));
    put(kind == ring::Kind::counter, s.row.increase);
    put(true, s.row.last);
    line_ += "," + quoted(series.state(s.row.last)) + ",";
    std::string states;
    for (const auto& [state, ns] : s.row.states)
      states += fmt::format("{}{}={:.9f}", states.empty() ? "" : ";", state_name(series, state), static_cast<double>(ns) / 1e9);
    output_.put(line_ + fmt::format("{},{},{:.9f},{:.9f}\n", quoted(states), s.gaps.count, static_cast<double>(s.gaps.longest) / 1e9,
                                    static_cast<double>(s.gaps.all) / 1e9));
    line_.clear();
  }

  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override {
    if (!has_header_) {
      std::string names = "time_s,name,labels";
      for (const auto& column : columns_) names += "," + quoted(column);
      header(names + "\n");
    }
    line_.clear();
    put_seconds(time_ns);
    line_ += fields(series);
    line_.pop_back();
    for (const auto& value : values) line_ += "," + number_or(value, "");
    output_.put(line_ += '\n');
  }

 private:
  void header(std::string_view line) {
    if (!std::exchange(has_header_, true)) output_.put(line);
  }
  /// As unix_seconds(), of which those before the point are the same for a while.
  void put_seconds(std::int64_t time_ns) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    if (time_ns < 0) {
      line_ += unix_seconds(time_ns);
      return;
    }
    if (time_ns / second_ns != second_ || second_text_.empty()) {
      second_ = time_ns / second_ns;
      second_text_ = std::to_string(second_) + '.';
    }
    line_ += second_text_;
    std::array<char, 9> digits;
    auto rest = time_ns % second_ns;
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, rest /= 10)
      *digit = static_cast<char>('0' + rest % 10);
    line_.append(digits.data(), digits.size());
  }
  /// Its name and labels, between commas.
  const std::string& fields(const Series& series) {
    if (series.id >= fields_.size()) fields_.resize(series.id + std::size_t{1});
    auto& out = fields_[series.id];
    if (out.empty()) out = ',' + quoted(series.definition.name) + ',' + quoted(series.labels) + ',';
    return out;
  }
  static std::string quoted(std::string_view field) {
    if (field.find_first_of(",\"\r\n") == field.npos) return std::string(field);
    std::string out = "\"";
    for (const char c : field) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
  }

  std::vector<std::string> columns_;
  bool has_header_ = false;
  std::string line_;
  std::int64_t second_ = 0;
  std::string second_text_;
  std::vector<std::string> fields_;  // by series
};

}  // namespace

std::unique_ptr<Writer> make_csv_writer(std::vector<std::string> columns) { return std::make_unique<CsvWriter>(std::move(columns)); }

}  // namespace ringdown
