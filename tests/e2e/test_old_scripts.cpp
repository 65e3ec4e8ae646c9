// SQL that scripts of a daemon run on its own table: what it gives through the view `metrics` after an import, row by
// row.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "old_database.hpp"

namespace fs = std::filesystem;

namespace {

/// A table as the old daemon leaves it: what it has averaged it has deleted.
struct Fixture {
  fs::path folder = support::unique_folder();
  std::string old = folder / "old.db", database = folder / "m.db";
  std::int64_t raw_s = std::time(nullptr) / 300 * 300 - 1800;  // raw rows from here on,
  std::int64_t minutes_s = raw_s - 7200;                       // 1m from here to there, and so on
  std::int64_t fives_s = minutes_s - 36'000;
  std::int64_t hours_end_s = fives_s / 3600 * 3600, hours_s = hours_end_s - 20 * 3600;

  Fixture() {
    support::OldDatabase table(old);
    std::mt19937_64 random(1);
    const auto value = [&] { return 20 + static_cast<double>(random() % 256) / 16; };
    const auto averaged = [&](const std::string& granularity, std::int64_t width_s, std::int64_t from_s,
                              std::int64_t to_s) {
      for (auto s = from_s; s < to_s; s += width_s)
        for (const auto* wan : {"spectrum", "att"})
          table.insert(s, wan, "wanctl_rtt_ms", value(), granularity)
              .insert(s, wan, "wanctl_state", static_cast<double>(random() % 4), granularity);
    };
    averaged("1h", 3600, hours_s, hours_end_s);
    averaged("5m", 300, fives_s, minutes_s);
    averaged("1m", 60, minutes_s, raw_s);
    for (auto s = raw_s; s < raw_s + 1500; ++s)
      for (const auto* wan : {"spectrum", "att"}) {
        table.insert(s, wan, "wanctl_rtt_ms", value())
            .insert(s, wan, "wanctl_state", static_cast<double>(random() % 4))
            .insert(s, wan, "wanctl_rate_mbps", value(), "raw", R"({"direction": "download"})")
            .insert(s, wan, "wanctl_rate_mbps", value(), "raw", R"({"direction": "upload"})");
        for (int cycle = 0; cycle < 20; ++cycle) table.insert(s, wan, "wanctl_loop_ms", value());
      }
    table.commit();
    std::ofstream(folder / "keep.toml") << "[tiers]\n1s = \"forever\"\n";
    const auto imported =
        support::import({old, "--db", database, "--config", folder / "keep.toml", "--kind", "wanctl_state=state"});
    INFO(imported.output);
    REQUIRE(imported.status == 0);
    for (const auto* granularity : {"raw", "1m", "5m", "1h"}) {
      REQUIRE(imported.of(granularity, "stored") == imported.of(granularity, "counted"));
      REQUIRE(imported.of(granularity, "stored") > 0);
    }
  }
  ~Fixture() { fs::remove_all(folder); }

  /// {raw} and so on become the times.
  std::string with_times(const std::string& sql) const {
    return fmt::format(fmt::runtime(sql), fmt::arg("raw", raw_s), fmt::arg("minutes", minutes_s),
                       fmt::arg("fives", fives_s), fmt::arg("hours", hours_s), fmt::arg("hours_end", hours_end_s));
  }
  std::vector<std::string> before(const std::string& sql, int columns) const {
    return support::rows(old, with_times(sql), columns);
  }
  std::vector<std::string> now(const std::string& sql, int columns) const {
    return support::rows(database, with_times(sql), columns);
  }
};

}  // namespace

TEST_CASE("scripts get the same rows from the view as from the old table of a row a second", "[import]") {
  const Fixture f;
  const std::vector<std::pair<std::string, int>> scripts{
      // The latest N of a metric.
      {"SELECT timestamp, value FROM metrics WHERE wan_name = 'spectrum' AND metric_name = 'wanctl_rtt_ms' AND "
       "granularity = 'raw' ORDER BY timestamp DESC LIMIT 10",
       2},
      {"SELECT * FROM (SELECT timestamp, wan_name, metric_name, value, granularity FROM metrics WHERE metric_name = "
       "'wanctl_state' "
       "AND granularity = 'raw' ORDER BY timestamp DESC, wan_name LIMIT 100) ORDER BY timestamp, wan_name",
       5},
      {"SELECT wan_name, value, max(timestamp) FROM metrics WHERE metric_name = 'wanctl_rtt_ms' AND granularity = "
       "'raw' "
       "GROUP BY wan_name ORDER BY wan_name",
       3},
      {"SELECT timestamp, value FROM metrics WHERE wan_name = 'att' AND metric_name = 'wanctl_rtt_ms' AND "
       "granularity = '1h' AND "
       "timestamp < {hours_end} ORDER BY timestamp DESC LIMIT 5",
       2},
      // What the daemon's own reader asks.
      {"SELECT timestamp, wan_name, metric_name, value, granularity FROM metrics WHERE 1=1 AND timestamp >= {raw} "
       "AND "
       "timestamp <= {raw} + 600 AND metric_name IN ('wanctl_rtt_ms','wanctl_state') AND wan_name = 'att' AND "
       "granularity = 'raw' ORDER BY timestamp DESC, metric_name",
       5},
      {"SELECT timestamp, wan_name, metric_name, value, granularity FROM metrics WHERE 1=1 AND timestamp >= "
       "{minutes} AND "
       "timestamp < {raw} AND granularity = '1m' ORDER BY timestamp DESC, wan_name, metric_name",
       5},
      {"SELECT timestamp, wan_name, metric_name, value, granularity FROM metrics WHERE 1=1 AND timestamp >= {fives} "
       "AND "
       "timestamp < {minutes} AND granularity = '5m' ORDER BY timestamp DESC, wan_name, metric_name",
       5},
      {"SELECT timestamp, wan_name, metric_name, value, granularity FROM metrics WHERE 1=1 AND timestamp >= {hours} "
       "AND "
       "timestamp < {hours_end} AND granularity = '1h' ORDER BY timestamp DESC, wan_name, metric_name",
       5},
      // Counts and averages over ranges.
      {"SELECT count(*), avg(value), min(value), max(value), sum(value) FROM metrics WHERE wan_name = 'spectrum' AND "
       "metric_name = 'wanctl_rtt_ms' AND granularity = 'raw' AND timestamp BETWEEN {raw} + 100 AND {raw} + 700",
       5},
      {"SELECT count(*), avg(value), min(value), max(value) FROM metrics WHERE metric_name = 'wanctl_rtt_ms' AND "
       "granularity = '1m' AND timestamp >= {minutes} AND timestamp < {raw}",
       4},
      {"SELECT timestamp / 3600 * 3600 AS hour, count(*), avg(value) FROM metrics WHERE metric_name = "
       "'wanctl_rtt_ms' AND "
       "granularity = '5m' AND timestamp >= {fives} AND timestamp < {minutes} GROUP BY hour ORDER BY hour",
       3},
      {"SELECT strftime('%Y-%m-%d %H:%M', timestamp, 'unixepoch') AS minute, wan_name, avg(value) FROM metrics WHERE "
       "metric_name = 'wanctl_rtt_ms' AND granularity = 'raw' GROUP BY minute, wan_name ORDER BY minute, wan_name",
       3},
      {"SELECT count(*) FROM metrics WHERE granularity = 'raw' AND value > 30 AND metric_name = 'wanctl_rtt_ms'", 1},
      // Groups.
      {"SELECT metric_name, count(*), avg(value) FROM metrics WHERE granularity = '1m' AND timestamp < {raw} GROUP "
       "BY metric_name "
       "ORDER BY metric_name",
       3},
      {"SELECT wan_name, metric_name, count(*), min(timestamp), max(timestamp) FROM metrics WHERE granularity = "
       "'raw' AND "
       "metric_name <> 'wanctl_loop_ms' GROUP BY wan_name, metric_name ORDER BY 1, 2",
       5},
      {"SELECT granularity, count(*), avg(value) FROM metrics WHERE timestamp < {hours_end} GROUP BY granularity", 3},
      {"SELECT DISTINCT metric_name FROM metrics WHERE granularity = 'raw' ORDER BY metric_name", 1},
      {"SELECT DISTINCT wan_name FROM metrics ORDER BY wan_name", 1},
      // How the daemon's downsampler finds the value of a state.
      {"SELECT value, count(*) AS cnt FROM metrics WHERE metric_name = 'wanctl_state' AND wan_name = 'att' AND "
       "granularity = 'raw' "
       "AND timestamp >= {raw} AND timestamp < {raw} + 300 GROUP BY value ORDER BY cnt DESC, value",
       2},
      // Labels, as JSON.
      {"SELECT json_extract(labels, '$.direction') AS direction, count(*), avg(value) FROM metrics WHERE "
       "metric_name = 'wanctl_rate_mbps' AND granularity = 'raw' GROUP BY direction ORDER BY direction",
       3},
      {"SELECT timestamp, value, json(labels) FROM metrics WHERE metric_name = 'wanctl_rate_mbps' AND granularity = "
       "'raw' AND "
       "labels LIKE '%upload%' AND wan_name = 'att' ORDER BY timestamp",
       3}};
  for (const auto& [sql, columns] : scripts) {
    INFO(sql);
    const auto expected = f.before(sql, columns);
    CHECK(!expected.empty());
    CHECK(f.now(sql, columns) == expected);
  }
}

TEST_CASE("where the view differs from the old table it does so as documented", "[import]") {
  const Fixture f;
  // Twenty rows a second are one, their average: so are averages over whole seconds, and their sums elsewhere.
  const auto by_second =
      "SELECT timestamp, wan_name, avg(value) FROM metrics WHERE metric_name = 'wanctl_loop_ms' AND "
      "granularity = 'raw' GROUP BY timestamp, wan_name ORDER BY 1, 2";
  CHECK(f.now(by_second, 3) == f.before(by_second, 3));
  const auto average =
      "SELECT round(avg(value), 9) FROM metrics WHERE metric_name = 'wanctl_loop_ms' AND granularity = 'raw'";
  CHECK(f.now(average, 1) == f.before(average, 1));
  CHECK(f.now("SELECT sum(count), min(min), max(max), sum(sum) FROM tier_1s JOIN series ON id = series WHERE "
              "name = 'wanctl_loop_ms'",
              4) ==
        f.before(
            "SELECT count(*), min(value), max(value), sum(value) FROM metrics WHERE metric_name = 'wanctl_loop_ms'",
            4));
  // A tier is there as soon as its buckets are over, not only when the finer rows are deleted; so nothing is hidden.
  const auto later =
      "SELECT count(*) FROM metrics WHERE granularity = '1m' AND timestamp >= {raw} AND "
      "metric_name = 'wanctl_rtt_ms' AND wan_name = 'att'";
  CHECK(f.before(later, 1) == std::vector<std::string>{"0"});
  CHECK(f.now(later, 1) == std::vector<std::string>{"25"});
  CHECK(f.now("SELECT timestamp, value FROM metrics WHERE granularity = '1m' AND timestamp >= {raw} AND "
              "metric_name = 'wanctl_rtt_ms' AND wan_name = 'att' ORDER BY 1",
              2) == f.before("SELECT timestamp / 60 * 60, avg(value) FROM metrics WHERE granularity = 'raw' AND "
                             "metric_name = 'wanctl_rtt_ms' AND wan_name = 'att' GROUP BY 1 ORDER BY 1",
                             2));
  // A minute of a state is the state that lasted longest in it.
  CHECK(f.now("SELECT timestamp, value FROM metrics WHERE granularity = '1m' AND timestamp >= {raw} AND "
              "metric_name = 'wanctl_state' AND wan_name = 'att' ORDER BY 1",
              2) ==
        f.before(
            "SELECT minute, value FROM (SELECT timestamp / 60 * 60 AS minute, value, row_number() OVER (PARTITION BY "
            "timestamp / 60 ORDER BY count(*) DESC, value DESC) AS nth FROM metrics WHERE granularity = 'raw' AND "
            "metric_name = 'wanctl_state' AND wan_name = 'att' GROUP BY timestamp / 60, value) WHERE nth = 1 ORDER "
            "BY 1",
            2));
  // A row without labels.
  CHECK(f.before("SELECT DISTINCT labels IS NULL FROM metrics WHERE metric_name = 'wanctl_rtt_ms'", 1) ==
        std::vector<std::string>{"1"});
  CHECK(f.now("SELECT DISTINCT labels FROM metrics WHERE metric_name = 'wanctl_rtt_ms'", 1) ==
        std::vector<std::string>{"{}"});
}
