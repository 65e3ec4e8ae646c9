// test_plot.cpp: series drawn in braille.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "query_chart.hpp"
#include "query_plot.hpp"
#include "support.hpp"

// Read by LeakSanitizer: fontconfig keeps what it has read of the fonts until the process ends.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig"; }

using ringdown::plot;
using ringdown::PlotPoint;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

struct Utc {
  Utc() { ::setenv("TZ", "UTC", 1), ::tzset(); }
};

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}
/// Braille cells that are not empty.
std::size_t drawn(const std::string& line) {
  std::size_t out = 0;
  for (std::size_t at = line.find("\xe2\xa0"); at != std::string::npos; at = line.find("\xe2\xa0", at + 3))
    out += static_cast<unsigned char>(line[at + 2]) != 0x80;
  for (std::size_t at = 0; (at = line.find("\xe2", at)) != std::string::npos; at += 3)
    out += static_cast<unsigned char>(line[at + 1]) >= 0xa1 && static_cast<unsigned char>(line[at + 1]) <= 0xa3;
  return out;
}

}  // namespace

TEST_CASE("a ramp is a line from the lower left to the upper right, with its ends in local time", "[plot]") {
  const Utc utc;
  std::vector<PlotPoint> points;
  for (int i = 0; i <= 100; ++i) points.push_back({1'764'000'000 * second_ns + i * second_ns, i * 0.5, i * 0.5});
  const auto lines = plot(points, 5 * second_ns, 60, 4);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].starts_with("         50 ┤⠀⠀"));
  CHECK(lines[3].starts_with("          0 ┤⣀"));
  for (const auto& line : lines) CHECK(characters(line) <= 60);
  CHECK(lines[0].ends_with("⠉"));
  CHECK(lines[4].find("2025-11-24 16:00:00") != std::string::npos);
  CHECK(lines[4].ends_with("2025-11-24 16:01:40"));
}

TEST_CASE("one sample among thousands that is high is seen", "[plot]") {
  std::vector<PlotPoint> points;
  for (int i = 0; i < 10'000; ++i) points.push_back({i * second_ns, 1, i == 5000 ? 100.0 : 1.0});
  const auto lines = plot(points, 5 * second_ns, 80, 8);
  CHECK(drawn(lines[0]) == 1);
  CHECK(drawn(lines[7]) == 67);
}

TEST_CASE("a gap is left out of the line", "[plot]") {
  std::vector<PlotPoint> points;
  for (int i = 0; i < 1000; ++i)
    if (i < 300 || i > 700) points.push_back({i * second_ns, 5, 5});
  const auto lines = plot(points, 5 * second_ns, 113, 3);
  CHECK(drawn(lines[1]) > 55);
  CHECK(drawn(lines[1]) < 65);
}

TEST_CASE("a single point, equal values and the extremes of a double are drawn", "[plot]") {
  for (const auto& points : {std::vector<PlotPoint>{{0, 3, 3}}, std::vector<PlotPoint>{{0, 3, 3}, {1, 3, 3}},
                             std::vector<PlotPoint>{{INT64_MIN, -1.7e308, 0}, {INT64_MAX, 0, 1.7e308}},
                             std::vector<PlotPoint>{{0, 5e-324, 5e-324}, {1, 0, 0}}}) {
    const auto lines = plot(points, INT64_MAX, 30, 2);
    CHECK(drawn(lines[0]) + drawn(lines[1]) >= 1);
    for (const auto& line : lines) CHECK(characters(line) <= 32);
  }
}

TEST_CASE("a chart is an SVG or PNG file that is replaced when it is whole", "[plot]") {
  const auto folder = support::unique_folder();
  const ringdown::Series rtt({1, {ring::Kind::gauge, "rtt_ms", "ms", {{"wan", "a"}}, {}}});
  const ringdown::Series load({2, {ring::Kind::gauge, "load", "", {}, {}}});
  const auto draw = [&](const std::string& name, const std::vector<ringdown::Bucket>& buckets) {
    const auto writer = ringdown::make_chart_writer(folder / name, {});
    for (const auto& bucket : buckets) writer->bucket(rtt, bucket), writer->bucket(load, bucket);
    writer->finish();
    return support::read_file(folder / name);
  };
  const std::vector<ringdown::Bucket> buckets{{1'764'000'000, 1, 5, 4, 6, 4, 6}, {1'764'000'060, 1, 6, 5, 7, 5, 7}};
  CHECK(draw("a.svg", buckets).starts_with("<?xml"));
  const auto png = draw("a.png", buckets);
  REQUIRE(png.starts_with("\x89PNG"));
  CHECK(static_cast<unsigned char>(png[18]) * 256 + static_cast<unsigned char>(png[19]) == 1000);       // wide
  CHECK(static_cast<unsigned char>(png[22]) * 256 + static_cast<unsigned char>(png[23]) == 2 * 386);    // a panel a unit
  // Whatever the numbers are, it ends.
  CHECK(draw("b.svg", {{INT64_MIN, 1, 0, -1.7e308, 1.7e308, 0, 0}, {INT64_MAX, 1, 0, 5e-324, 5e-324, 0, 0}}).starts_with("<?xml"));
  CHECK(draw("c.svg", {{0, 1, 0, 0, 0, 0, 0}}).starts_with("<?xml"));
  CHECK_THROWS_WITH(ringdown::make_chart_writer("a.gif", {}), Catch::Contains("ends in .svg or .png"));
  CHECK_THROWS_WITH(draw("none/a.svg", buckets), Catch::Contains("none/a.svg") && Catch::Contains("folder"));
  CHECK_THROWS_WITH(draw("none/a.png", buckets), Catch::Contains("none/a.png"));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files += !entry.path().empty();
  CHECK(files == 4);
  std::filesystem::remove_all(folder);
}
