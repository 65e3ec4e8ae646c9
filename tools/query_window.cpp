#include "query_window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <optional>
#include <span>

#include "cli.hpp"
#include "fold.hpp"
#include "query_time.hpp"
#include "raw_reader.hpp"
#include "series_rules.hpp"
#include "tier_table.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000, day_s = 86'400, day_ns = day_s * second_ns;
constexpr std::int64_t minute_ns = 60 * second_ns;
constexpr std::int64_t lookback_ns = hold_state_ns;  // for the sample before the first window
constexpr std::array tiers{"tier_1h", "tier_5m", "tier_1m"};

/// Local midnight of a day, counted from 1970-01-01.
std::int64_t midnight_ns(std::int64_t day) {
  const std::time_t utc = day * day_s;
  std::tm date{};
  ::gmtime_r(&utc, &date);
  date.tm_isdst = -1;
  return std::int64_t{::mktime(&date)} * second_ns;
}

std::int64_t local_day(std::int64_t time_ns) {
  const std::time_t seconds = whole_seconds(time_ns);
  std::tm date{};
  ::localtime_r(&seconds, &date);
  date.tm_hour = date.tm_min = date.tm_sec = 0;
  return bucket_start(std::int64_t{::timegm(&date)}, day_s) / day_s;
}

/// The rows of a tier, up to where it was made when this began.
struct Level {
  TierTable table;
  std::int64_t expired_ns, end_ns;  // rows before the first may be deleted; none is made from the last on
};

/// From the first to the last instant that anything is known of. Times that no clock has had are cut off.
std::optional<Range> held(Database& database) {
  std::string parts = std::string("SELECT min_ns AS first, max_ns AS last FROM ") + raw_parts;
  for (const auto* const tier : tiers)
    parts += std::string(" UNION ALL SELECT (SELECT min(bucket) FROM ") + tier + ") * 1000000000, (SELECT max(bucket) FROM " + tier +
             ") * 1000000000";  // SQLite looks up one of both at once, and reads all rows for two
  Statement ends(database, "SELECT min(first), max(last), count(first) FROM (" + parts + ")");
  if (!ends.step() || ends.integer(2) == 0) return {};
  constexpr std::int64_t most_ns = 9'000'000'000 * second_ns;
  return Range{std::clamp(ends.integer(0), -most_ns, most_ns), std::clamp(ends.integer(1), -most_ns, most_ns)};
}

/// The rows that the series of a query have in the window that is being put together.
class Windows {
 public:
  Windows(Database& database, std::int64_t step_ns, const std::vector<std::string>& by, Query& query, const OnWindow& on_window)
      : database_(database), rules_(database), step_ns_(step_ns), query_(query), on_window_(on_window), windows_(query.series.size()),
        before_(query.series.size()), open_(query.series.size()) {
    const Snapshot snapshot(database);
    for (const auto* const name : tiers) {
      TierTable table(database, name);
      const auto progress = read_progress(database, name);
      const auto end_s = bucket_start(progress.frontier_s, table.width_s());
      levels_.push_back({std::move(table), seconds_in_ns(progress.expired_s), seconds_in_ns(end_s)});
    }
    query_.held = held(database);
    make_groups(by);
  }

  void run() {
    if (!query_.held || query_.series.empty()) return;
    auto window = window_at(std::max(query_.range.from_ns, query_.held->from_ns), step_ns_);
    const auto end_ns = std::min(query_.range.to_ns, query_.held->to_ns + 1);
    while (window.begin_ns < end_ns && !query_.more) {
      gather(window, end_ns);
      emit();
    }
  }

 private:
  struct Group {
    Series series;
    ring::Kind kind;
    std::optional<Rollup> row = {};
  };

  void make_groups(const std::vector<std::string>& by) {
    std::map<std::tuple<std::string, ring::Kind, std::vector<std::string>>, std::size_t> known;
    for (const auto& series : query_.series) {
      const auto kind = rules_.of(series.id).aggregation;
      if (by.empty()) {
        group_of_.push_back(groups_.size());
        groups_.push_back({series, kind});
        continue;
      }
      SeriesRow group{static_cast<std::uint32_t>(groups_.size()), series.definition};
      std::erase_if(group.definition.labels, [&](const auto& label) {
        return std::find(by.begin(), by.end(), label.first) == by.end();
      });
      std::vector<std::string> values;
      for (const auto& [key, value] : group.definition.labels) values.insert(values.end(), {key, value});
      const auto [at, is_new] = known.try_emplace({series.definition.name, kind, values}, groups_.size());
      group_of_.push_back(at->second);
      if (is_new) groups_.push_back({Series(std::move(group)), kind});
    }
  }

  /// Some windows from this one on, in one transaction: beginning one takes as long as a row. It is over before what was found
  /// is told, which may wait for whoever reads it.
  void gather(Window& window, std::int64_t end_ns) {
    constexpr std::size_t rows_max = 4096, windows_max = 256;
    const Snapshot snapshot(database_);
    for (auto left = std::clamp<std::size_t>(rows_max / groups_.size(), 1, windows_max); left > 0 && window.begin_ns < end_ns; --left) {
      take(0, window.begin_ns, window.end_ns);
      const bool any = group(window);
      window = window_at(any ? window.end_ns : std::max(window.end_ns, known_from(window.end_ns)), step_ns_);
    }
  }
  /// From rows of this level on, and narrower ones where it has none, and samples where these end.
  void take(std::size_t number, std::int64_t from_ns, std::int64_t to_ns) {
    if (from_ns >= to_ns) return;
    if (number == levels_.size()) return take_samples(from_ns, to_ns);
    auto& level = levels_[number];
    const auto width_ns = level.table.width_ns(), end_ns = std::min(to_ns, level.end_ns);
    if (from_ns % width_ns == 0 && to_ns % width_ns == 0 && from_ns < end_ns) {
      const auto kept_ns = std::clamp(level.expired_ns, from_ns, end_ns);
      if (!take_rows(level.table, from_ns / second_ns, kept_ns / second_ns)) take(number + 1, from_ns, kept_ns);
      take_rows(level.table, kept_ns / second_ns, end_ns / second_ns);
      from_ns = end_ns;
    }
    take(number + 1, from_ns, to_ns);
  }
  /// @return whether there were any
  bool take_rows(TierTable& tier, std::int64_t from_s, std::int64_t to_s) {
    bool has_any = false;
    while (from_s < to_s) {
      bool any = false;
      for (std::size_t i = 0; i < windows_.size(); ++i)
        if (const auto row = tier.find(from_s, query_.series[i].id)) add(i, *row), any = has_any = true;
      from_s = any ? from_s + tier.width_s() : tier.next_bucket(from_s + 1, to_s).value_or(to_s);  // a gap may be long
    }
    return has_any;
  }
  void add(std::size_t i, const Rollup& row) {
    if (windows_[i])
      append(rules_.of(query_.series[i].id).aggregation, *windows_[i], row);
    else
      windows_[i] = row;
  }

  /// Samples of [from_ns, to_ns), of which there is no row: minute by minute, as rows would be made of them.
  void take_samples(std::int64_t from_ns, std::int64_t to_ns) {
    const bool is_far_behind = !samples_.empty() && samples_.front().time_ns < from_ns - lookback_ns;
    if (!reader_ || is_far_behind) begin_samples(from_ns);
    while (from_ns < to_ns && from_ns <= query_.held->to_ns) {
      const auto end_ns = std::min(to_ns, bucket_start(from_ns, minute_ns) + minute_ns);
      const bool any = take_piece(from_ns, end_ns);
      const auto next_ns = any || samples_.empty() ? end_ns : samples_.front().time_ns;  // a gap may be long
      from_ns = std::max(end_ns, bucket_start(next_ns, minute_ns));
    }
  }
  /// @return whether there was a sample, or one from before that held
  bool take_piece(std::int64_t from_ns, std::int64_t to_ns) {
    const auto end_ns = std::min(to_ns, query_.held->to_ns + 1);  // a state holds on up to the last that is known
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const auto& rule = rules_.of(query_.series[i].id);
      if (before_[i] && before_[i]->time_ns + rule.hold_ns < from_ns) before_[i].reset();
      if (before_[i] && rule.carries) open(i, from_ns, end_ns);
    }
    for (;;) {
      for (; !samples_.empty() && samples_.front().time_ns < to_ns; samples_ = samples_.subspan(1)) {
        const auto& sample = samples_.front();
        const auto i = index_of(sample.series);
        if (!i) continue;
        if (sample.time_ns >= from_ns) {
          if (!open_[*i]) open(*i, from_ns, end_ns);
          open_[*i]->add({sample.time_ns, sample.value});
        }
        before_[*i] = Point{sample.time_ns, sample.value};
      }
      if (!samples_.empty()) break;
      samples_ = reader_->next();
      if (samples_.empty()) break;
    }
    bool any = false;
    for (std::size_t i = 0; i < open_.size(); ++i)
      if (open_[i]) {
        add(i, std::move(*open_[i]).finish());
        open_[i].reset();
        any = true;
      }
    return any;
  }
  void open(std::size_t i, std::int64_t from_ns, std::int64_t end_ns) {
    open_[i].emplace(rules_.of(query_.series[i].id).aggregation, before_[i], from_ns, end_ns);
  }
  /// What each series was at before its first sample is in the last of its rows, or in the minutes before.
  void begin_samples(std::int64_t from_ns) {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      constexpr int rows_max = 60;
      auto& minutes = levels_.back();
      const auto end_s = std::min(from_ns, minutes.end_ns) / second_ns;
      if (from_ns % minutes.table.width_ns() != 0) continue;
      std::optional<Point> last;
      for (int k = 1; k <= rows_max && !last; ++k)
        if (const auto row = minutes.table.find(end_s - k * minutes.table.width_s(), query_.series[i].id);
            row && row->count > 0)  // not one that a state held through: it holds from its last sample on
          last = Point{row->last_ns, row->last};
      if (last && (!before_[i] || last->time_ns > before_[i]->time_ns)) before_[i] = last;
    }
    samples_ = {};
    RawReader::Selection selection{.from_ns = from_ns - lookback_ns};
    if (!query_.every_series)
      for (const auto& series : query_.series) selection.series.push_back(series.id);
    reader_.emplace(database_, std::move(selection), [&](const auto& what, auto, auto) {
      complain(fmt::format("database {}: {}; its samples are left out", database_.path(), what));
      query_.failed = true;
    });
  }
  std::optional<std::size_t> index_of(std::uint32_t id) const {
    const auto found = std::lower_bound(query_.series.begin(), query_.series.end(), id,
                                        [](const auto& series, auto wanted) { return series.id < wanted; });
    if (found == query_.series.end() || found->id != id) return {};
    return static_cast<std::size_t>(found - query_.series.begin());
  }

  /// @return whether there was anything
  bool group(const Window& window) {
    for (std::size_t i = 0; i < windows_.size(); ++i) {
      if (!windows_[i]) continue;
      auto& group = groups_[group_of_[i]];
      if (group.row)
        merge(group.kind, *group.row, *windows_[i]);
      else
        group.row = std::move(windows_[i]);
      windows_[i].reset();
    }
    const bool is_first = window.begin_ns <= query_.held->from_ns;  // then what is known begins within it
    bool any = false;
    for (auto& group : groups_) {
      if (!group.row) continue;
      any = true;
      const auto begin_ns = is_first ? std::max(window.begin_ns, group.row->first_ns) : window.begin_ns;
      const auto seconds = static_cast<double>(std::min(window.end_ns, query_.held->to_ns + 1) - begin_ns) / 1e9;
      gathered_.push_back({&group, window, std::move(*group.row), seconds});
      group.row.reset();
    }
    return any;
  }
  void emit() {
    for (const auto& [group, window, row, seconds] : gathered_) {
      if (!query_.admit()) break;
      on_window_(group->series, group->kind, window, row, seconds);
    }
    gathered_.clear();
  }

  /// A time up to which nothing is known from `from_ns` on: gaps may be years.
  std::int64_t known_from(std::int64_t from_ns) {
    auto out = query_.held->to_ns;
    for (auto& level : levels_)
      if (const auto bucket_s = level.table.next_bucket(whole_seconds(from_ns), level.end_ns / second_ns))
        out = std::min(out, seconds_in_ns(*bucket_s));
    if (!samples_.empty()) return std::min(out, samples_.front().time_ns);
    Statement raw(database_, std::string("SELECT min(min_ns), count(*) FROM ") + raw_parts + " WHERE max_ns >= ?");
    raw.bind(1, from_ns);
    if (raw.step() && raw.integer(1) > 0) out = std::min(out, raw.integer(0));
    return std::max(out, from_ns);
  }
  /// Another series of the same time.
  static void merge(ring::Kind kind, Rollup& whole, const Rollup& other) {
    const auto before = whole;
    append(kind, whole, other);
    if (before.count == 0) return;
    const bool is_later = other.count > 0 && other.last_ns >= before.last_ns;
    whole.last_ns = is_later ? other.last_ns : before.last_ns;
    whole.last = is_later ? other.last : before.last;
    if (other.count > 0 && other.first_ns < before.first_ns) {
      whole.first_ns = other.first_ns;
      whole.first = other.first;
    }
  }

  Database& database_;
  SeriesRules rules_;
  std::int64_t step_ns_;
  Query& query_;
  const OnWindow& on_window_;
  std::vector<Level> levels_;  // the widest first
  std::vector<Group> groups_;
  std::vector<std::size_t> group_of_;             // by index of the series, as all below
  std::vector<std::optional<Rollup>> windows_;    // what is put together
  struct Gathered {
    const Group* group;
    Window window;
    Rollup row;
    double seconds;
  };
  std::vector<Gathered> gathered_;                // to be told
  std::vector<std::optional<Point>> before_;      // the last sample, of those taken one by one
  std::vector<std::optional<Accumulator>> open_;
  std::optional<RawReader> reader_;
  std::span<const RawSample> samples_;            // read, not taken yet
};

}  // namespace

Window window_at(std::int64_t time_ns, std::int64_t step_ns) {
  if (step_ns % day_ns != 0) {
    const auto begin_ns = bucket_start(time_ns, step_ns);
    return {begin_ns, begin_ns + step_ns};
  }
  const auto days = step_ns / day_ns;
  const std::int64_t first = days % 7 == 0 ? 4 : 0;  // 1970-01-05, a Monday
  const auto day = bucket_start(local_day(time_ns) - first, days) + first;
  return {midnight_ns(day), midnight_ns(day + days)};
}

std::int64_t choose_window_ns(Database& database, const Range& range, std::int64_t rows_max) {
  constexpr std::array<std::int64_t, 17> steps_s{1,    2,    5,     10,    15,    30,        60,       120,     300,
                                                 600, 1800, 3600, 10'800, 21'600, 43'200, day_s, 7 * day_s};
  const auto known = held(database);
  if (!known) return steps_s.back() * second_ns;
  const auto from = static_cast<double>(std::max(range.from_ns, known->from_ns));
  const auto to = static_cast<double>(std::min(range.to_ns, known->to_ns));
  for (const auto step_s : steps_s)
    if ((to - from) / 1e9 / static_cast<double>(step_s) <= static_cast<double>(rows_max)) return step_s * second_ns;
  return steps_s.back() * second_ns;
}

void for_each_window(Database& database, std::int64_t step_ns, const std::vector<std::string>& by, Query& query,
                     const OnWindow& on_window) {
  Windows(database, step_ns, by, query, on_window).run();
}

void write_windows(Database& database, const WindowOptions& options, Query& query, Writer& writer) {
  std::vector<std::optional<double>> values;
  for_each_window(database, options.step_ns, options.by, query,
                  [&](const Series& series, ring::Kind kind, const Window& window, const Rollup& row, double seconds) {
                    values.clear();
                    for (const auto& function : options.functions) values.push_back(function.of(kind, series, row, seconds));
                    writer.values(series, window.begin_ns, values);
                  });
}

}  // namespace ringdown
