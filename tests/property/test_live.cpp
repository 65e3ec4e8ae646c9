// test_live.cpp: queries that take in what a ring still holds: they give what they give once all of it is stored.
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <set>

#include "drain.hpp"
#include "maintenance.hpp"
#include "query_live.hpp"
#include "query_summary.hpp"
#include "query_tail.hpp"
#include "ring/error.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ringdown;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::string line(const Series& series, std::int64_t time_ns, const auto&... values) {
  std::string out = series.definition.name + series.labels + " " + std::to_string(time_ns);
  ((out += " " + std::to_string(values)), ...);
  return out;
}

/// What a query wrote, as lines in order.
class Rows : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override { lines.insert(line(series, time_ns, value)); }
  void bucket(const Series& series, const Bucket& b) override {
    lines.insert(line(series, b.start_s, b.count, b.sum, b.min, b.max, b.first, b.last));
  }
  void summary(const Series& series, const Summary& s) override {
    lines.insert(line(series, s.from_ns, s.to_ns, s.row.count, s.row.sum, s.row.min, s.row.max, s.row.last, s.row.increase));
  }
  void values(const Series& series, std::int64_t time_ns, std::span<const std::optional<double>> values) override {
    auto text = line(series, time_ns);
    for (const auto& value : values) text += value ? " " + std::to_string(*value) : " -";
    lines.insert(text);
  }
  void finish() override {}

  std::multiset<std::string> lines;
};

using Lines = std::multiset<std::string>;

Lines ask(Database& database, const std::function<void(Query&, Writer&)>& question) {
  Query query;
  query.limit = std::numeric_limits<std::int64_t>::max();
  for (auto& row : read_series(database)) query.series.emplace_back(std::move(row));
  Rows rows;
  question(query, rows);
  CHECK_FALSE(query.failed);
  return rows.lines;
}

Lines samples(Database& database) {
  return ask(database, [&](Query& query, Writer& rows) { make_source(database, "raw")->read(query, rows); });
}

// Without the share of a state: once all is rolled up, the last one of all holds to the end of its minute.
constexpr const char* functions = "count,sum,min,max,first,last,increase,rate,quantile(0.9)";

/// Every form of a question.
std::map<std::string, Lines> answers(Database& database) {
  std::map<std::string, Lines> out;
  out["samples"] = samples(database);
  for (const auto step_ns : {7 * second_ns, 60 * second_ns, 300 * second_ns})
    out["windows of " + std::to_string(step_ns)] = ask(database, [&](Query& query, Writer& rows) {
      write_windows(database, {step_ns, parse_functions(functions), {}},
                    query, rows);
    });
  for (const std::string step : {"1s", "1m", "5m", "1h"})
    out["tier " + step] = ask(database, [&](Query& query, Writer& rows) { write_with_tail(database, step, query, rows); });
  for (const std::string step : {"raw", "1m", "1h"})
    out["summary of " + step] =
        ask(database, [&](Query& query, Writer& rows) { write_summaries(database, step, query, rows, true); });
  return out;
}

/// Producers, a persister and a reader, each doing at random what it does.
class Plant {
 public:
  Plant(std::uint64_t seed, ring::abi::Mode mode)
      : random_(seed), geometry_{.lanes = 4, .lane_records = 256, .arena_bytes = 4096, .mode = mode}, store_(path),
        catalog_(store_.series(), store_.last_producer()), drain_(ring, geometry_, store_, catalog_) {
    for (auto& producer : producers_) claim(producer);
  }

  std::int64_t one_of(std::int64_t count) { return std::uniform_int_distribution<std::int64_t>(0, count - 1)(random_); }

  void push_some() {
    auto& producer = producers_[static_cast<std::size_t>(one_of(producers_.size()))];
    if (one_of(20) == 0) claim(producer);
    for (auto left = one_of(40); left > 0; --left) {
      const auto which = static_cast<std::size_t>(one_of(3));
      const auto late_ns = one_of(10) == 0 ? one_of(40) * second_ns : 0;
      ++pushed_;
      const auto time_ns = begin_ns_ + pushed_ * second_ns / 4 - late_ns + pushed_;  // no other has it
      const auto value = static_cast<double>(which == 2 ? one_of(3) : which == 1 ? pushed_ : one_of(100));
      if (!producer.producer->push(producer.series[which], value, time_ns)) continue;
      const Series series({1, producer.definitions[which]});
      model.push_back({producer.lane, producer.producer->sequence(), line(series, time_ns, value)});
    }
  }
  void commit(bool is_released) {
    Batch batch;
    while (!drain_.drain(batch, 1000)) {
    }
    drain_.add_cursors(batch);
    if (!batch.empty()) store_.commit(batch);
    if (is_released) drain_.release();
  }
  void roll_up() {
    Maintenance maintenance(store_.database(), Rules{}, 1);
    const auto now_ns = begin_ns_ + pushed_ * second_ns / 4;
    while (maintenance.run(Fold::everything, now_ns, Budget::Clock::now(), Budget{})) {
    }
  }
  void step() {
    const auto what = one_of(10);
    if (what < 6) push_some();
    else if (what < 9) commit(one_of(3) > 0);
    else roll_up();
  }
  std::uint64_t cursor(std::uint32_t lane) {
    return static_cast<std::uint64_t>(store_.database().query_integer(
        "SELECT coalesce((SELECT next_seq FROM cursors WHERE lane = " + std::to_string(lane) + "), 1)"));
  }

  struct Pushed {
    std::uint32_t lane;
    std::uint64_t seq;
    std::string line;
  };
  std::string ring = support::unique_ring();
  std::string path = (support::unique_folder() / "m.db").string();
  std::vector<Pushed> model;  // all that a lane has taken

 private:
  struct One {
    std::optional<ring::Producer> producer = {};
    std::uint32_t lane = 0;
    std::vector<ring::Definition> definitions = {};
    std::vector<ring::Series> series = {};
  };

  /// The lane's next owner, with a series or two that nobody had.
  void claim(One& one) {
    one.producer.reset();
    one.producer.emplace(ring, ring::Options{.geometry = geometry_});
    one.lane = one.producer->lane();
    const auto label = std::to_string(one_of(6));
    one.definitions = {{ring::Kind::gauge, "rtt", "ms", {{"of", label}}, {}},
                       {ring::Kind::counter, "sent_total", "", {{"of", std::to_string(++claims_)}}, {}},
                       {ring::Kind::state, "zone", "", {{"of", std::to_string(claims_)}}, {"A", "B", "C"}}};
    one.series.clear();
    for (const auto& definition : one.definitions) one.series.push_back(one.producer->define(definition));
  }

  std::mt19937_64 random_;
  ring::Geometry geometry_;
  Store store_;
  Catalog catalog_;
  Drain drain_;
  std::array<One, 3> producers_;
  std::int64_t begin_ns_ = realtime_ns() - 1800 * second_ns;
  std::int64_t pushed_ = 0;
  int claims_ = 0;
};

/// What only one of them has.
std::string difference(const Lines& found, const Lines& expected) {
  std::string out;
  const auto add = [&](const Lines& a, const Lines& b, const char* what) {
    std::vector<std::string> only;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only));
    for (std::size_t i = 0; i < std::min<std::size_t>(only.size(), 10); ++i) out += what + only[i] + "\n";
  };
  add(found, expected, "not expected: ");
  add(expected, found, "missing: ");
  return out;
}

Lines all_of(const Plant& plant) {
  Lines out;
  for (const auto& pushed : plant.model) out.insert(pushed.line);
  return out;
}

}  // namespace

TEST_CASE("with what is in the ring a query gives every sample once, whatever is committed meanwhile", "[live]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  for (int round = 0; round < support::rounds(12); ++round) {
    Plant plant(seed + static_cast<std::uint64_t>(round), ring::abi::Mode::drop_newest);
    INFO("round " << round);
    for (int step = 0; step < 60; ++step) {
      plant.step();
      if (plant.one_of(6) > 0) continue;
      Database database(plant.path, Database::Access::read_only);
      Live live(database, {plant.ring});
      const auto expected = all_of(plant);
      if (plant.one_of(2) == 0) plant.commit(plant.one_of(2) == 0);  // between the look at the ring and that at the database
      if (plant.one_of(4) == 0) plant.roll_up();
      live.stand_in();
      plant.push_some();  // too late for this query
      plant.commit(plant.one_of(2) == 0);
      REQUIRE(difference(samples(database), expected) == "");
    }
  }
}

TEST_CASE("every form of a query gives with what is in the ring what it gives once that is stored", "[live]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  for (int round = 0; round < support::rounds(12); ++round) {
    Plant plant(seed + static_cast<std::uint64_t>(round), ring::abi::Mode::drop_newest);
    INFO("round " << round);
    for (int step = 0; step < 80; ++step) plant.step();
    plant.push_some();
    Database database(plant.path, Database::Access::read_only);
    Live live(database, {});
    live.stand_in();
    const auto before = answers(database);
    live.stand_aside();
    plant.commit(true);
    plant.roll_up();
    for (const auto& [question, lines] : answers(database)) {
      INFO(question);
      REQUIRE(difference(before.at(question), lines) == "");
    }
  }
}

TEST_CASE("of a ring that overwrites, a query gives what is stored and what is still there", "[live]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  for (int round = 0; round < support::rounds(12); ++round) {
    Plant plant(seed + static_cast<std::uint64_t>(round), ring::abi::Mode::overwrite_oldest);
    INFO("round " << round);
    for (int step = 0; step < 60; ++step) plant.step();
    for (auto bursts = plant.one_of(40); bursts > 0; --bursts) plant.push_some();
    Database database(plant.path, Database::Access::read_only);
    auto expected = samples(database);
    std::map<std::uint32_t, std::uint64_t> newest;
    for (const auto& pushed : plant.model) newest[pushed.lane] = std::max(newest[pushed.lane], pushed.seq);
    std::size_t missed = 0;
    for (const auto& pushed : plant.model) {
      if (pushed.seq < plant.cursor(pushed.lane)) continue;
      // The seven records of each claim may be behind the last sample.
      if (pushed.seq + 256 > newest[pushed.lane] + 64)
        expected.insert(pushed.line);
      else
        ++missed;
    }
    Live live(database, {});
    live.stand_in();
    auto found = samples(database);
    for (const auto& each : expected) {
      const auto at = found.find(each);
      REQUIRE(at != found.end());
      found.erase(at);
    }
    CHECK(found.size() <= std::min<std::size_t>(missed, 3 * 64));
  }
}

TEST_CASE("a query of what is in a ring that is not there says which are", "[live]") {
  Plant plant(1, ring::abi::Mode::drop_newest);
  plant.push_some();
  plant.commit(true);
  Database database(plant.path, Database::Access::read_only);
  REQUIRE_THROWS_WITH(Live(database, {plant.ring + "x"}),
                      Catch::Matchers::Contains("did you mean") && Catch::Matchers::Contains(plant.ring));
  ring::Segment::remove(plant.ring);
  REQUIRE_THROWS_WITH(Live(database, {}), Catch::Matchers::Contains("none of the database's rings is here (" + plant.ring + ")"));
}
