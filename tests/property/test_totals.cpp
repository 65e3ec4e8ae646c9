// test_totals.cpp: totals of raw samples, most of them told by the rows of chunks, are those of the samples.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "daemons.hpp"
#include "raw_totals.hpp"

using ringdown::Database;
using ringdown::RawReader;
using ringdown::RawSample;
using ringdown::TotalRow;
using tiers::second_ns;
using tiers::World;

namespace {

using Random = std::mt19937_64;
using Limits = std::numeric_limits<std::int64_t>;

/// Any finite double of a size that a thousand of them can be added up.
double any_value(Random& random) {
  switch (random() % 4) {
    case 0:
      return 0.0;
    case 1:
      return -0.0;
    case 2:
      return std::bit_cast<double>(random() & 0x800fffffffffffff);  // smaller than any normal one
    default:
      return std::ldexp(std::bit_cast<double>((random() & 0x800fffffffffffff) | 0x3ff0000000000000),
                        static_cast<int>(random() % 1900) - 950);
  }
}

/// Commits, rolls up and lets time go by, so that some of it is sealed.
void live(World& world, Random& random) {
  tiers::Daemons daemons(random);
  for (auto batches = 1 + random() % 30; batches > 0; --batches) {
    auto batch = daemons.batch();
    for (auto& sample : batch) {
      if (sample.series == 5 || (sample.series == 1 && random() % 2)) sample.value = any_value(random);
      if (random() % 20 == 0 && !world.samples().empty()) {  // the time of one from long ago, or of a moment ago
        const auto& other = world.samples()[random() % world.samples().size()];
        sample.time_ns = other.time_ns;
        sample.series = other.series;
      }
    }
    world.commit(batch);
  }
  tiers::wall_ns() += static_cast<std::int64_t>(random() % 3000) * second_ns;
  for (std::size_t job = 0; job < World::jobs; ++job)
    while (random() % 8 != 0 && world.slice(job, tiers::wall_ns(), random() % 20 == 0, 50)) {
    }
}

RawReader::Selection some_selection(Random& random, const World& world) {
  RawReader::Selection out;
  for (std::uint32_t series = 1; series <= 7; ++series)
    if (random() % 3 == 0) out.series.push_back(series);
  if (world.samples().empty() || random() % 4 == 0) return out;
  const auto any = [&] {
    return world.samples()[random() % world.samples().size()].time_ns + static_cast<std::int64_t>(random() % 3) - 1;
  };
  if (random() % 4) out.from_ns = any();
  if (random() % 4) out.to_ns = std::max(out.from_ns, any());
  return out;
}

using Damage = std::vector<std::string>;

std::vector<TotalRow> totals(Database& database, const RawReader::Selection& selection, std::int64_t step_ns,
                             Damage& damage) {
  return ringdown::raw_totals(database, selection, step_ns,
                              [&](const auto& what, auto, auto) { damage.push_back(what); });
}
std::vector<TotalRow> totals(Database& database, const RawReader::Selection& selection, std::int64_t step_ns) {
  Damage damage;
  auto out = totals(database, selection, step_ns, damage);
  CHECK(damage == Damage{});
  return out;
}

/// By start of step and series, the samples as RawReader gives them.
using Samples = std::map<std::pair<std::int64_t, std::uint32_t>, std::vector<RawSample>>;
Samples decoded(Database& database, const RawReader::Selection& selection, std::int64_t step_ns) {
  Samples out;
  RawReader reader(database, selection, [](const auto&, auto, auto) {});
  for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
    for (const auto& sample : samples) {
      auto start = selection.from_ns;
      if (step_ns > 0) {
        auto since = sample.time_ns % step_ns;
        since += since < 0 ? step_ns : 0;
        if (sample.time_ns >= Limits::min() + since) start = std::max(start, sample.time_ns - since);
      }
      out[{start, sample.series}].push_back(sample);
    }
  return out;
}

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value); }

void check_sum(double sum, const std::vector<RawSample>& samples) {
  long double expected = 0, sizes = 0;
  for (const auto& sample : samples) {
    expected += sample.value;
    sizes += std::abs(sample.value);
  }
  if (!std::isfinite(static_cast<double>(expected)))
    CHECK(!std::isfinite(sum));
  else
    CHECK(std::abs(static_cast<long double>(sum) - expected) <= 1e-14L * sizes);
}

void check(const std::vector<TotalRow>& rows, const Samples& expected) {
  REQUIRE(rows.size() == expected.size());
  auto row = rows.begin();
  for (const auto& [key, samples] : expected) {
    INFO("step " << key.first << ", series " << key.second << ", " << samples.size() << " samples");
    const auto& total = row->total;
    const auto by_value = [](auto& a, auto& b) { return a.value < b.value; };
    const auto [min, max] = std::minmax_element(samples.begin(), samples.end(), by_value);
    REQUIRE((row->start_ns == key.first && row->series == key.second));
    REQUIRE(total.count == static_cast<std::int64_t>(samples.size()));
    REQUIRE(bits(total.min) == bits(min->value));
    REQUIRE(bits(total.max) == bits(max->value));
    REQUIRE(bits(total.first) == bits(samples.front().value));
    REQUIRE(bits(total.last) == bits(samples.back().value));
    REQUIRE((total.first_ns == samples.front().time_ns && total.last_ns == samples.back().time_ns));
    REQUIRE(!(std::signbit(total.min) && total.min == 0));
    check_sum(total.sum(), samples);
    ++row;
  }
}

Database reader_of(const World& world) { return Database(world.folder() / "m.db", Database::Access::read_only); }

/// Five hours sealed, some of it late, and a few minutes in batches.
void fill(World& world, Random& random) {
  for (int i = 0; i < 20; ++i) live(world, random);
  world.work(tiers::wall_ns());
  tiers::Daemons daemons(random);
  world.commit(daemons.batch());
}

}  // namespace

TEST_CASE("totals of any range, series and step are those of the samples", "[totals][property]") {
  const auto seed = support::test_seed();
  std::int64_t rows_seen = 0, sealed = 0, late = 0, open = 0;
  const int rounds = support::rounds(40);
  for (int round = 0; round < rounds; ++round) {
    INFO("RINGDOWN_SEED=" << seed << ", round " << round);
    Random random(seed + static_cast<std::uint64_t>(round));
    tiers::wall_ns() = 1'700'000'000 * second_ns;
    World world(tiers::some_series());
    for (int life = 0; life < 8; ++life) {
      live(world, random);
      auto database = reader_of(world);
      for (int question = 0; question < 6; ++question) {
        const auto selection = some_selection(random, world);
        const std::int64_t steps[] = {
            0, 0, 1, 7 * second_ns, 60 * second_ns, 900 * second_ns, 3600 * second_ns, Limits::max()};
        const auto step_ns = steps[random() % std::size(steps)];
        INFO("from " << selection.from_ns << " to " << selection.to_ns << " by " << step_ns);
        const auto rows = totals(database, selection, step_ns);
        check(rows, decoded(database, selection, step_ns));
        rows_seen += static_cast<std::int64_t>(rows.size());
      }
      sealed += world.query("SELECT count(*) FROM windows WHERE strays = 0");
      late += world.query("SELECT count(*) FROM windows WHERE strays = 1");
      open += world.query("SELECT count(*) FROM batches WHERE id > (SELECT through_batch FROM sealed)");
    }
  }
  WARN(rounds << " rounds, RINGDOWN_SEED=" << seed << ": " << rows_seen << " totals; " << sealed << " windows, "
              << late << " of late samples beside them, " << open << " batches");
  if (rounds >= 40) CHECK((sealed > 0 && late > 0 && open > 0));
}

TEST_CASE("a chunk that lies within the range and the step is not unpacked, one that crosses an edge is",
          "[totals]") {
  Random random(5);
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  World world(tiers::some_series());
  fill(world, random);
  auto database = reader_of(world);
  const RawReader::Selection all{.series = {1}, .sealed_only = true};
  const auto expected = decoded(database, all, 0);
  REQUIRE(expected.at({all.from_ns, 1}).size() > 100);
  world.database().execute("UPDATE columns SET blob = x'00'");
  check(totals(database, all, 0), expected);
  auto cut = all;
  cut.from_ns = expected.at({all.from_ns, 1}).front().time_ns + 1;
  Damage damage;
  const auto rows = totals(database, cut, 0, damage);
  CHECK(damage.size() == 1);
  CHECK(rows.at(0).total.count < static_cast<std::int64_t>(expected.at({all.from_ns, 1}).size()));
}

TEST_CASE("totals are of one state of the database, whatever is sealed amid the call", "[totals]") {
  Random random(6);
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  World world(tiers::some_series());
  fill(world, random);
  for (int i = 0; i < 30; ++i) {
    tiers::Daemons daemons(random);
    world.commit(daemons.batch());
  }
  world.database().execute("UPDATE chunks SET count = 0 WHERE id = (SELECT min(id) FROM chunks)");
  auto database = reader_of(world);
  const auto expected = decoded(database, {}, 0);
  const auto changes = world.query("SELECT changes FROM sealed");
  const auto rows = ringdown::raw_totals(database, {}, 0, [&](const auto& what, auto, auto) {
    CHECK(what.find("its row says 0 samples") != what.npos);
    tiers::wall_ns() += 7200 * second_ns;
    world.work(tiers::wall_ns());
  });
  CHECK(world.query("SELECT changes FROM sealed") > changes);
  check(rows, expected);
}

TEST_CASE("a row that no chunk can have is reported and left out of totals", "[totals]") {
  const auto* const change = GENERATE("count = -1", "count = 1 << 40", "min = max + 1, max = min", "first = max + 1",
                                      "last = min - 1", "max = 9e999", "max_ns = min_ns - 1");
  Random random(7);
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  World world(tiers::some_series());
  fill(world, random);
  auto database = reader_of(world);
  const auto before = totals(database, {}, 0);
  const std::string one = "WHERE id = (SELECT id FROM chunks WHERE min < max AND min_ns < max_ns LIMIT 1)";
  const auto count = world.query("SELECT count FROM chunks " + one);
  world.database().execute(std::string("UPDATE chunks SET ") + change + ' ' + one);
  Damage damage;
  const auto after = totals(database, {}, 0, damage);
  INFO(change);
  REQUIRE(damage.size() == 1);
  CHECK(damage[0].find("chunk: its row says ") != std::string::npos);
  const auto all = [](const auto& rows) {
    std::int64_t out = 0;
    for (const auto& row : rows) out += row.total.count;
    return out;
  };
  CHECK(all(after) == all(before) - count);
}

TEST_CASE("more rows of totals than fit are refused, with a remedy", "[totals]") {
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  World world(tiers::some_series());
  std::vector<ringdown::Sample> samples;
  for (std::size_t i = 0; i <= ringdown::total_rows_max; ++i)
    samples.push_back({tiers::wall_ns() + static_cast<std::int64_t>(i), 1, 1});
  world.commit(samples);
  auto database = reader_of(world);
  const auto from_ns = samples.front().time_ns;
  const auto fit = totals(database, {.from_ns = from_ns, .to_ns = samples.back().time_ns}, 1);
  CHECK(fit.size() == ringdown::total_rows_max);
  CHECK_THROWS_WITH(totals(database, {}, 1),
                    Catch::Contains("more than 1048576 rows") && Catch::Contains("a longer step"));
  CHECK(totals(database, {}, 2).size() <= ringdown::total_rows_max);
}

TEST_CASE("totals by step reach to both ends of time", "[totals]") {
  tiers::wall_ns() = 1'700'000'000 * second_ns;
  World world(tiers::some_series());
  world.commit({{Limits::min(), 1, 1}, {-1, 2, 1}, {0, 3, 1}, {Limits::max() - 1, 4, 1}});
  auto database = reader_of(world);
  for (const auto step_ns : {std::int64_t{0}, std::int64_t{1}, 3600 * second_ns, Limits::max() - 1, Limits::max()}) {
    INFO(step_ns);
    const auto rows = totals(database, {}, step_ns);
    check(rows, decoded(database, {}, step_ns));
    CHECK(rows.size() == (step_ns == 0 ? 1u : step_ns == Limits::max() ? 3u : 4u));
  }
  CHECK(totals(database, {.from_ns = 5, .to_ns = 5}, 0).empty());
  CHECK_THROWS_AS(totals(database, {}, -1), std::invalid_argument);
}
