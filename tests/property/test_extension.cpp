// test_extension.cpp: whatever a query asks of ring_samples and ring_metrics, it gets what the same query gets from a
// plain table of what was pushed.
#include <algorithm>

#include "extension_host.hpp"

using namespace extension;

namespace {

/// Random conditions, each as SQL.
class Conditions {
 public:
  Conditions(std::mt19937_64& random, const std::vector<ringdown::Sample>& pushed)
      : random_(random), pushed_(pushed) {}

  std::string of_samples() {
    return joined([this](auto kind) {
      switch (kind) {
        case 0:
        case 1:
        case 2: return "time_ns " + compared(time_ns());
        case 3:
        case 4: return "timestamp " + compared(timestamp());
        case 5:
        case 6:
          return "series " + one_of({compared(id()), among({id(), id(), id()}),
                                     "IN (SELECT id FROM main.series WHERE kind = 'gauge')"});
        case 7:
        case 8:
          return text("name",
                      {"'rtt_ms'", "'5'", "5", "5.0", "'Load'", "'load'", "'R%'", "'r*'", "'%'", "NULL", "x'35'"});
        case 9: return text("labels", {"'{}'", "'{\"wan\":\"spectrum\"}'", "'%att%'", "'*'"});
        case 10: return text("kind", {"'gauge'", "'state'", "'c%'", "'[cs]*'"});
        case 11: return text("unit", {"'ms'", "''", "1", "'1'", "'_'"});
        case 12: return "value " + compared(one_of({"0", "1", "-12.5", "'3'"}));
        case 13: return one_of({"state = 'YELLOW'", "state IS NULL", "state LIKE '%red%'", "state <> 'GREEN'"});
        default:
          return one_of({"time_ns / 1000000000 % 7 = 3", "series IS NOT 4", "time_ns IS NOT NULL",
                         "labels LIKE '%s%' ESCAPE '!'"});
      }
    });
  }
  std::string of_metrics() {
    return joined([this](auto kind) {
      switch (kind % 6) {
        case 0: return "timestamp " + compared(timestamp());
        case 1: return text("wan_name", {"'att'", "''", "'s%'", "5"});
        case 2: return text("metric_name", {"'rtt_ms'", "'5'", "5", "'%t%'"});
        case 3: return text("labels", {"'{}'", "'%up%'", "'{\"direction\":\"up\"}'"});
        case 4: return text("granularity", {"'raw'", "'1m'", "'r%'"});
        default: return "value " + compared("0");
      }
    });
  }
  std::string one_of(const std::vector<std::string>& choices) { return choices[random_() % choices.size()]; }

 private:
  template <class Make>
  std::string joined(const Make& make) {
    std::string out = "1";
    for (auto terms = random_() % 5; terms > 0; --terms)
      out += one_of({" AND ", " AND ", " AND ", " AND NOT "}) + "(" + make(random_() % 15) +
             (random_() % 8 == 0 ? " OR " + make(random_() % 15) : "") + ")";
    return out;
  }
  std::string compared(const std::string& literal) {
    if (random_() % 8 == 0) return "BETWEEN " + literal + " AND " + literal + " + 1e12";
    return one_of({"= ", "< ", "<= ", "> ", ">= ", "> ", "<= "}) + literal;
  }
  std::string text(const std::string& column, const std::vector<std::string>& values) {
    const auto value = one_of(values);
    return one_of({column + " = " + value, column + " LIKE " + value, column + " GLOB " + value,
                   column + " = " + value + " COLLATE NOCASE", column + ' ' + among({value, one_of(values)}),
                   column + " > " + value, column + " IS NOT " + value, column + " = " + value});
  }
  std::string among(const std::vector<std::string>& values) {
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "IN (" : ", ") + value;
    return out + (random_() % 10 == 0 ? ", NULL)" : ")");
  }
  std::string id() {
    return one_of({"1", "2", "3", "4", "4.0", "2.5", "'3'", "'x'", "99", "-1", "NULL", "x'01'", "5"});
  }
  std::string time_ns() {
    const auto any = pushed_[random_() % pushed_.size()].time_ns;
    const auto near = std::to_string(any + static_cast<std::int64_t>(random_() % 3) - 1);
    return one_of({near,
                   near,
                   near,
                   near,
                   near + ".0",
                   near + ".5",
                   "'" + near + "'",
                   "'" + near + ".25'",
                   "NULL",
                   "'now'",
                   "x'00'",
                   "0.5",
                   "-1.5",
                   "'2.25'",
                   "-3",
                   "3.0",
                   "9e18",
                   "9223372036854775807",
                   "-9223372036854775808",
                   "1e30",
                   "-1e30",
                   "'1e30'",
                   "1.7e18",
                   "0"});
  }
  std::string timestamp() {
    const auto any = pushed_[random_() % pushed_.size()].time_ns;
    char exact[40];
    std::snprintf(exact, sizeof exact, "%.17g", static_cast<double>(any) / 1e9);
    const std::string text = exact;
    return one_of({text, text, text, "'" + text + "'", std::to_string(any / second_ns), "NULL", "'now'", "x''",
                   "9e18", "-1e300", "9300000000", "0", "2e-9", "-1.5e-9"});
  }

  std::mt19937_64& random_;
  const std::vector<ringdown::Sample>& pushed_;
};

std::string order_columns(std::string order) {
  for (auto at = order.find(" DESC"); at != order.npos; at = order.find(" DESC")) order.erase(at, 5);
  return order;
}

/// The same question to both. `ordered`: as many columns at the beginning decide on the order, the others do not.
void compare(Host& host, const std::string& select, const std::string& from, const std::string& plain,
             const std::string& rest, std::size_t ordered) {
  INFO(select << " FROM " << from << ' ' << rest);
  auto got = host.rows(select + " FROM " + from + ' ' + rest),
       expected = host.rows(select + " FROM " + plain + ' ' + rest);
  REQUIRE(got.size() == expected.size());
  bool same_order = true;
  for (std::size_t i = 0; i < got.size(); ++i)
    same_order =
        same_order && std::equal(got[i].cells.begin(), got[i].cells.begin() + static_cast<std::ptrdiff_t>(ordered),
                                 expected[i].cells.begin());
  CHECK(same_order);
  std::sort(got.begin(), got.end());
  std::sort(expected.begin(), expected.end());
  const bool same = got == expected;
  CHECK(same);
}

}  // namespace

TEST_CASE("any condition and any order gives what it gives of a plain table of what was pushed",
          "[extension][property]") {
  const auto seed = support::test_seed();
  std::mt19937_64 random(seed);
  std::int64_t sealed = 0, batches = 0;
  const int worlds = std::max(1, support::rounds(400) / 100);
  for (int world = 0; world < worlds; ++world) {
    INFO("RINGDOWN_SEED=" << seed);
    Plant plant(random());
    std::vector<ringdown::Sample> near_zero;  // where a double can lie between two times
    for (std::int64_t time_ns = -4; time_ns <= 4; ++time_ns)
      near_zero.push_back({time_ns, 1, 1 + static_cast<std::uint32_t>(random() % 6)});
    plant.minutes(10, 12);
    plant.commit(near_zero);
    plant.minutes(60, 12);
    plant.maintain();
    plant.minutes(static_cast<int>(random() % 10), 12);
    sealed += plant.query("SELECT count(*) FROM windows");
    batches += plant.query("SELECT count(*) FROM batches");
    Host host(plant.path());
    make_plain(host, plant.pushed);
    REQUIRE(host.one("SELECT count(*) FROM ring_samples") == std::to_string(plant.pushed.size()));
    compare(host, "SELECT time_ns", "ring_samples", "plain", "WHERE timestamp = '3e-09'", 0);
    Conditions conditions(random, plant.pushed);
    const std::string all = ", time_ns, timestamp, series, name, labels, kind, unit, value, state";
    for (int i = 0; i < 100; ++i) {
      const auto where = "WHERE " + conditions.of_samples();
      const auto order =
          conditions.one_of({"time_ns", "time_ns, series", "timestamp", "timestamp, series", "series, time_ns",
                             "time_ns DESC", "time_ns, value", "time_ns, series, value", "timestamp, time_ns",
                             "name, timestamp", "series", "time_ns, name", "time_ns, series DESC"});
      compare(host, "SELECT " + order_columns(order) + all, "ring_samples", "plain", where + " ORDER BY " + order,
              static_cast<std::size_t>(std::count(order.begin(), order.end(), ',')) + 1);
      compare(host, "SELECT series, name, count(*), min(time_ns), max(value), count(state)", "ring_samples", "plain",
              where + " GROUP BY series, name ORDER BY series", 6);
      compare(host, "SELECT DISTINCT " + order_columns(order), "ring_samples", "plain", where + " ORDER BY " + order,
              1);
      compare(host, "SELECT timestamp, wan_name, metric_name, value, labels, granularity", "ring_metrics",
              "plain_metrics", "WHERE " + conditions.of_metrics() + " ORDER BY timestamp", 1);
      const auto join = " AS r JOIN main.series AS s ON r.series = s.id WHERE s.name = 'rtt_ms' AND r." +
                        std::string("time_ns > ") +
                        std::to_string(plant.pushed[random() % plant.pushed.size()].time_ns) + " ORDER BY r.time_ns";
      compare(host, "SELECT r.time_ns, r.value, s.labels", "ring_samples", "plain", join, 1);
    }
  }
  CHECK(sealed > 0);
  CHECK(batches > 0);
}
