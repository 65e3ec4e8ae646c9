// test_plot.cpp: series drawn in braille.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "query_plot.hpp"

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
