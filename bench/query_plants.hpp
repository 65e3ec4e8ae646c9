// query_plants.hpp: the databases that query_bench asks, each made at its first use and gone with the process.
#pragma once

#include "folder.hpp"
#include "life.hpp"
#include "naive_table.hpp"

namespace bench {

inline constexpr std::int64_t day_s = 86'400, week_s = 7 * day_s;

/// A day of the control loop, with the last quarters of an hour not sealed yet.
class Day {
 public:
  static constexpr std::int64_t seconds = day_s;

  Day() {
    ringdown::ControlLoop profile;
    Life life(folder_.database(), profile, 1 << 14, false);
    life.run_open(seconds);
  }
  std::string database() const { return folder_.database(); }
  static Day& get() {
    static Day day;
    return day;
  }

 private:
  Folder folder_;
};

/// The control loop's series, a sample of each a second: a tier has as many rows as of 20.
class OnceASecond : public ringdown::Profile {
 public:
  OnceASecond() {
    for (const auto& series : loop_.series()) add(series.kind, series.name, series.labels);
  }
  void second(std::int64_t start_ns, const Push& push) override {
    std::size_t samples = 0;
    loop_.second(start_ns, [&](std::size_t i, double value, std::int64_t time_ns) {
      if (samples++ < series().size()) push(i, value, time_ns);
    });
  }

 private:
  ringdown::ControlLoop loop_;
};

/// A week of that.
class Week {
 public:
  Week() {
    OnceASecond profile;
    Life life(folder_.database(), profile, 1 << 14, false);
    life.run_open(week_s);
  }
  std::string database() const { return folder_.database(); }
  static Week& get() {
    static Week week;
    return week;
  }

 private:
  Folder folder_;
};

/// The same day of four of the series, the first and the fifth among them, in the naive table: all 52 would be 11 GB.
/// A transaction has a minute of samples, as one a second would take an hour.
class NaiveDay {
 public:
  static constexpr std::size_t every = 4, series = 4;  // numbers 0, 4, 8 and 12 of the profile, of one link

  NaiveDay() : table_(folder_.database()) {
    ringdown::ControlLoop profile;
    const auto& known = profile.series();
    for (std::int64_t s = 0; s < day_s; ++s) {
      if (s % 60 == 0) table_.database().execute(s == 0 ? "BEGIN" : "COMMIT; BEGIN");
      profile.second(life_first_ns + s * life_second_ns, [&](std::size_t i, double value, std::int64_t time_ns) {
        if (i % every == 0 && i < every * series) table_.insert(time_ns, known[i].name, value);
      });
    }
    table_.database().execute("COMMIT; ANALYZE");
    table_.database().checkpoint_truncate();
  }
  std::string database() const { return folder_.database(); }
  static NaiveDay& get() {
    static NaiveDay day;
    return day;
  }

 private:
  Folder folder_;
  NaiveTable table_;
};

}  // namespace bench
