// test_sealed.cpp: raw samples are seen once, in order, wherever they are and whatever is being done to them.
#include <catch2/catch.hpp>

#include <algorithm>
#include <tuple>

#include "daemons.hpp"
#include "raw_reader.hpp"
#include "verify.hpp"

using ringdown::RawReader;
using ringdown::Sample;
using tiers::second_ns;
using tiers::World;

namespace {

constexpr std::uint32_t dropped = 7;        // series
constexpr std::size_t sealing = 5;          // job

/// What a reader should give: by time, and of one time by series, as they were committed.
std::vector<Sample> expected(const World& world, const RawReader::Selection& selection) {
  std::vector<Sample> out;
  for (const auto& sample : world.samples())
    if (sample.series != dropped && sample.time_ns >= selection.from_ns && sample.time_ns < selection.to_ns &&
        (selection.series.empty() || std::binary_search(selection.series.begin(), selection.series.end(), sample.series)))
      out.push_back(sample);
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) {
    return std::tie(a.time_ns, a.series) < std::tie(b.time_ns, b.series);
  });
  return out;
}

RawReader::Selection some_selection(std::mt19937_64& random, const World& world) {
  RawReader::Selection out;
  for (std::uint32_t series = 1; series <= dropped; ++series)
    if (random() % 3 == 0) out.series.push_back(series);
  if (world.samples().empty() || random() % 2 == 0) return out;
  const auto any = [&] { return world.samples()[random() % world.samples().size()].time_ns; };
  out.from_ns = any();
  out.to_ns = std::max(out.from_ns, any());
  return out;
}

bool same(const Sample& a, const Sample& b) {
  return a.time_ns == b.time_ns && a.series == b.series && std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
}

/// Commits, rolls up and lets time go by, so that something can be sealed.
void live(World& world, std::mt19937_64& random) {
  tiers::Daemons daemons(random);
  for (auto batches = 1 + random() % 30; batches > 0; --batches) world.commit(daemons.batch());
  tiers::wall_ns() += static_cast<std::int64_t>(random() % 3000) * second_ns;
  for (std::size_t job = 0; job < World::jobs; ++job)
    while (random() % 8 != 0 && world.slice(job, tiers::wall_ns(), random() % 20 == 0, 50)) {
    }
}

}  // namespace

TEST_CASE("whatever is sealed, merged or killed meanwhile, a reader gets every sample once and in order", "[seal][property]") {
  const auto seed = support::test_seed();
  std::int64_t windows = 0, merged = 0, moved = 0, read = 0;
  const int rounds = support::rounds(support::is_sanitized ? 20 : 60);
  for (int round = 0; round < rounds; ++round) {
    INFO("RINGDOWN_SEED=" << seed << ", round " << round);
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(round));
    tiers::wall_ns() = 1'700'000'000 * second_ns;
    World world(tiers::some_series());
    for (int life = 0; life < 6; ++life) {
      live(world, random);
      ringdown::Database connection(world.folder() / "m.db", ringdown::Database::Access::read_only);
      const auto selection = some_selection(random, world);
      RawReader reader(connection, selection, [](const auto& what, auto, auto) { FAIL(what); });
      std::vector<Sample> got;
      const auto changes = world.query("SELECT changes FROM sealed");
      for (auto samples = reader.next(); !samples.empty(); samples = reader.next()) {
        for (const auto& s : samples)
          if (s.series != dropped) got.push_back({s.time_ns, s.value, s.series});
        for (auto slices = random() % 4; slices > 0; --slices) world.slice(sealing, tiers::wall_ns(), false, 1 + static_cast<std::int64_t>(random() % 40));
        if (random() % 100 == 0) world.restart();
      }
      moved += world.query("SELECT changes FROM sealed") - changes;
      const auto wanted = expected(world, selection);
      read += static_cast<std::int64_t>(wanted.size());
      CHECK(got.size() == wanted.size());
      CHECK(std::equal(got.begin(), got.end(), wanted.begin(), wanted.end(), same));
      if (!Catch::getResultCapture().lastAssertionPassed()) return;
    }
    world.work(tiers::wall_ns());
    const auto found = ringdown::verify(world.database(), [](const std::string&, double) {});
    INFO(ringdown::verified_text(found));
    CHECK(found.findings() == 0);
    CHECK(world.query("SELECT count(*) FROM batches WHERE id <= (SELECT through_batch FROM sealed)") == 0);
    CHECK(world.query("SELECT count(*) FROM chunks WHERE id >> 26 NOT IN (SELECT id FROM windows)") == 0);
    CHECK(world.query("SELECT count(*) FROM columns WHERE id >> 26 NOT IN (SELECT id FROM windows)") == 0);
    windows += world.query("SELECT count(*) FROM windows");
    merged += world.query("SELECT count(*) FROM windows WHERE merged > 0");
  }
  WARN(rounds << " rounds: " << read << " samples read, " << moved << " moves of windows meanwhile; " << windows
              << " windows in the end, " << merged << " of them merged");
  if (rounds >= 60) CHECK((merged > 0 && moved > 0));
}
