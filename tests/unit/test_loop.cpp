// test_loop.cpp: when the persister's loop does what.
#include <catch2/catch.hpp>
#include <filesystem>

#include "loop.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  Fixture() {
    settings.rings = {support::unique_ring()};
    settings.database = folder / "m.db";
    settings.geometry = {.lanes = 2, .lane_records = 1024, .arena_bytes = 4096};
    producer.emplace(settings.rings.front(), ring::Options{.geometry = settings.geometry});
    series = producer->gauge("g");
    loop.emplace(settings);
  }
  ~Fixture() {
    loop.reset();
    std::filesystem::remove_all(folder);
  }
  Loop::Clock::duration pause_after(int samples) {
    for (int i = 0; i < samples; ++i) REQUIRE(producer->push(series, i, i));
    now += 100ms;
    const auto next = loop->round(now);
    REQUIRE(next);
    return *next - now;
  }

  std::filesystem::path folder = support::unique_folder();
  Settings settings;
  std::optional<ring::Producer> producer;
  ring::Series series;
  std::optional<Loop> loop;
  Loop::Clock::time_point now = Loop::Clock::now();
};

}  // namespace

TEST_CASE("the next round comes before a lane that fills quickly is half full", "[loop]") {
  Fixture f;
  f.pause_after(0);
  CHECK(f.pause_after(0) == 100ms);
  CHECK(f.pause_after(200) == 100ms);  // a fifth
  const auto pause = f.pause_after(700);
  CHECK(pause > 1ms);
  CHECK(pause < 50ms);  // at this rate, a quarter
  CHECK(f.pause_after(0) == 100ms);
}
