// test_watch.cpp: what --watch knows of a ring at given times, and what it shows of that.
#include <catch2/catch.hpp>

#include <optional>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "support.hpp"
#include "watch_model.hpp"
#include "watch_screen.hpp"

using namespace inspect;
using Catch::Contains;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000, start_ns = 100 * second_ns, now_ns = 1'700'000'000 * second_ns;

struct Plant {
  Plant() : reader(name, {.lanes = 4, .lane_records = 1024, .arena_bytes = 4096}) {
    producer.emplace(name, ring::Options{.name = "controller"});
    rtt = producer->gauge("rtt_ms", {{"wan", "a"}}, "ms");
    mode = producer->state("mode", {}, {"GREEN", "RED"});
  }
  std::string name = support::unique_ring();
  ring::Consumer reader;
  std::optional<ring::Producer> producer;
  ring::Series rtt, mode;
};

/// Figures as of a ring with `lanes` lanes of `each` series.
WatchFigures figures_of(std::uint32_t lanes, std::uint32_t each) {
  WatchFigures out;
  out.second = 100;
  out.now_ns = now_ns;
  for (std::uint32_t l = 0; l < lanes; ++l) {
    out.lanes.push_back({l, "owner" + std::to_string(l), 1000 + l, l != 1, 10.0 * l, l == 2 ? 500u : 0u, l * 3, {}, {}, {}});
    for (std::int64_t s = 90; s < 100; ++s) out.lanes.back().rates.add(s, static_cast<double>(s - 90));
    for (std::uint32_t i = 0; i < each; ++i) {
      const std::string name = "series_" + std::to_string((i * 7) % each);
      const ring::Definition definition{ring::Kind::gauge, name, "ms", {}, {}};
      const auto info = std::make_shared<SeriesInfo>(SeriesInfo{l, definition, name});
      out.series.push_back({info, i + 0.5, now_ns - i * second_ns, static_cast<double>(each - i)});
    }
  }
  return out;
}

std::vector<std::string> texts(const std::vector<Line>& lines) {
  std::vector<std::string> out;
  for (const auto& line : lines) out.push_back(line.text.substr(0, line.text.find_last_not_of(' ') + 1));
  return out;
}

WatchHeading heading() { return {"plant", "drop-newest", "nobody drains it", 4, 500, 0.012, ""}; }

/// The second column of each line that is a lane's, or the third of a series'.
std::vector<std::string> column(const std::vector<std::string>& lines, std::size_t from, std::size_t at) {
  std::vector<std::string> out;
  for (auto i = from; i + 1 < lines.size() && lines[i].size() > at; ++i) out.push_back(lines[i].substr(at, lines[i].find(' ', at) - at));
  return out;
}

}  // namespace

TEST_CASE("a minute keeps a value a second, passes by seconds without one and forgets what is older", "[watch]") {
  Minute minute;
  CHECK(minute.columns(60, 100) == std::vector<double>(60, -1));
  minute.add(100, 2);
  minute.add(100, 3);
  minute.add(103, 7);
  auto values = minute.columns(60, 104);
  CHECK(std::vector<double>(values.end() - 5, values.end()) == std::vector<double>{-1, 5, 0, 0, 7});
  values = minute.columns(60, 110);
  CHECK(values[59] == 0);
  CHECK(values[53] == 7);
  CHECK(minute.columns(6, 110)[5] == 7);  // the greatest of ten seconds
  minute.add(1000, 1);
  values = minute.columns(60, 1001);
  CHECK(values[59] == 1);
  CHECK(values[0] == 0);
  minute.raise(1000, 5);
  minute.raise(1000, 4);
  CHECK(minute.columns(60, 1001)[59] == 5);
}

TEST_CASE("a sparkline is in proportion to its greatest value, and blank where nothing is known", "[watch]") {
  Minute minute;
  for (int i = 0; i < 8; ++i) minute.add(52 + i, i);
  CHECK(sparkline(minute, 10, 60, false) == "        .#");
  const auto line = sparkline(minute, 60, 60, true);
  CHECK(line == std::string(52, ' ') + "▁▂▃▄▅▆▇█");
  CHECK(sparkline(minute, 60, 60, false) == std::string(52, ' ') + "_.:-=+*#");
  CHECK(sparkline(Minute{}, 3, 60, true) == "   ");
}

TEST_CASE("the model has rates, what waits, what is lost, and each series' last value", "[watch]") {
  Plant plant;
  plant.producer->push(plant.rtt, 20, now_ns - second_ns);
  const auto segment = ring::Segment::inspect(plant.name);
  WatchModel model(segment, start_ns, now_ns);
  const auto& figures = model.figures();
  REQUIRE(figures.lanes.size() == 1);
  REQUIRE(figures.series.size() == 2);
  CHECK(figures.series[0].last == 20);
  CHECK_FALSE(figures.series[1].last.has_value());
  CHECK(figures.lanes[0].owner == "controller");
  CHECK(figures.lanes[0].alive == true);
  CHECK(figures.lanes[0].waiting == 8);
  for (int s = 1; s <= 30; ++s) {
    for (int i = 0; i < 10; ++i) plant.producer->push(plant.rtt, s, now_ns + s * second_ns);
    plant.producer->push(plant.rtt, std::nan(""));
    model.look(start_ns + s * second_ns, now_ns + s * second_ns);
  }
  CHECK(figures.records == 300);
  CHECK(figures.missed == 0);
  CHECK(figures.series[0].last == 30);
  CHECK(figures.series[0].time_ns == now_ns + 30 * second_ns);
  CHECK(figures.series[0].rate_hz == Approx(10).epsilon(0.01));
  CHECK(figures.series[1].rate_hz == 0);
  CHECK(figures.lanes[0].rate_hz == Approx(10).epsilon(0.01));
  CHECK(figures.lanes[0].waiting == 308);
  CHECK(figures.lanes[0].lost == 30);
  CHECK(figures.lanes[0].rates.columns(60, figures.second)[59] == 10);
  CHECK(figures.lanes[0].losses.columns(60, figures.second)[59] == 1);
  CHECK(figures.lanes[0].waits.columns(60, figures.second)[59] == 298);
  plant.reader.release(0, plant.producer->sequence());
  plant.producer.reset();
  ring::Producer second(plant.name, {.name = "second"});
  second.push(second.counter("jobs_total"), 4, now_ns);
  model.look(start_ns + 31 * second_ns, now_ns + 31 * second_ns);
  REQUIRE(figures.series.size() == 1);
  CHECK(figures.series[0].info->text == "jobs_total");
  CHECK(figures.series[0].last == 4);
  CHECK(figures.lanes[0].owner == "second");
}

TEST_CASE("a screen has lanes above series, each line as wide as the terminal", "[watch]") {
  WatchScreen screen(true);
  const auto lines = screen.render(heading(), figures_of(2, 2), 120, 14);
  REQUIRE(lines.size() == 14);
  const auto shown = texts(lines);
  CHECK_THAT(shown[0], Contains("ring plant: 2 of 4 lanes used, drop-newest, nobody drains it"));
  CHECK(shown[1] == "looks every 500 ms, own CPU 1.2 %, read 0 records, missed 0");
  CHECK(shown[2] == "LANE OWNER                 PID         RATE/s last minute         WAITING last minute            LOST last minute");
  CHECK(shown[3] == "   0 owner0               1000 alive      0.0                ▄▆█        0                           0");
  CHECK(shown[4] == "   1 owner1               1001 dead      10.0                ▄▆█        0                           3");
  CHECK_THAT(shown[5], Contains("LANE KIND     SERIES (4)"));
  CHECK(shown[6] == "   0 gauge    series_0                                                                         0.5 ms    0.0 s       2.0");
  CHECK(shown[13] == "tab series   s sort: lane   / filter   p pause   ? help   q quit");
  CHECK(texts(WatchScreen(false).render(heading(), figures_of(2, 2), 20, 3)).size() == 3);
  CHECK(WatchScreen(true).render(heading(), figures_of(0, 0), 1, 1).size() == 1);
}

TEST_CASE("keys sort, filter, scroll, pause and end", "[watch]") {
  WatchScreen screen(false);
  auto figures = figures_of(4, 50);
  const auto render = [&] { return texts(screen.render(heading(), figures, 120, 30)); };
  const auto press = [&](std::initializer_list<int> keys) {
    for (const int key : keys) REQUIRE(screen.press(key, figures));
  };
  press({'s'});
  CHECK(column(render(), 3, 5).front() == "owner3");  // by rate
  press({'s'});
  CHECK(column(render(), 3, 5).front() == "owner2");  // by what waits
  press({'\t', 's'});
  const auto first_series = [&] { return column(render(), 8, 14).front(); };
  CHECK_THAT(render().back(), Contains("tab lanes   s sort: name"));
  CHECK(first_series() == "series_0");
  press({key_down, key_down, 'j', 'j', 'k'});
  CHECK(column(render(), 8, 14)[1] == "series_1");  // of four lanes each: three rows are scrolled by
  press({key_end});
  CHECK(column(render(), 8, 14).back() == "series_9");
  press({key_page_up, key_home, 's'});
  CHECK(first_series() == "series_0");  // by rate
  press({'/', 's', '_', '4', '2', '\n'});
  CHECK(column(render(), 8, 14) == std::vector<std::string>(4, "series_42"));
  CHECK_THAT(render()[7], Contains("SERIES (4 of 200)"));
  press({'/', 'q', 'x'});  // also a key otherwise
  CHECK_THAT(render()[1], Contains("filter: qx_"));
  press({key_backspace, 27, 'p'});
  figures.series.clear();
  CHECK_THAT(render()[1], Contains("PAUSED"));
  CHECK_THAT(render()[7], Contains("SERIES (200)"));
  press({'p'});
  CHECK_THAT(render()[7], Contains("SERIES (0)"));
  press({'?'});
  CHECK_THAT(render()[3], Contains("LANES   a line for each lane"));
  press({'?'});
  CHECK_FALSE(screen.press('q', figures));
}
