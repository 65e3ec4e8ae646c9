// test_receivers.cpp: what a database has is in VictoriaMetrics and Prometheus as well, sample by sample, whatever died
// on the way.
#include <catch2/catch.hpp>

#include <signal.h>

#include <cmath>
#include <random>
#include <thread>

#include "profiles.hpp"
#include "receiver.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"
#include "write_request.hpp"

using support::Receiver;
using support::wait_for;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

/// In CI it is there, or that is a failure.
bool is_missing(Receiver::Kind kind) {
  if (Receiver::is_installed(kind)) return false;
  if (std::getenv("CI")) FAIL("not installed: victoria-metrics or prometheus");
  WARN("not installed: victoria-metrics or prometheus; the test is left out");
  return true;
}

struct Plant {
  explicit Plant(const std::string& url, const std::string& more = "") {
    std::ofstream(config) << "database = \"" << database << "\"\nrings = [\"" << ring
                          << "\"]\nround_ms = 5\ncommit_ms = 100\nown_metrics_s = 0\nlanes = 4\nlane_records = 262144\narena_kib = 4096\n"
                             "[[remote_write]]\nname = \"there\"\nurl = \"" << url << "\"\nlabels = { instance = \"plant\" }\n" << more;
  }
  ~Plant() {
    persister = {};
    std::filesystem::remove_all(folder);
  }
  /// Returns once the ring is drained.
  void start() {
    persister = support::Child({RING_PERSISTER_PATH, "--config", config, "--log-level", "warn"}, folder / "log");
    wait_for("the persister", [&] {
      try {
        return ring::lock::is_held(ring::Segment::inspect(ring).descriptor(), ring::abi::lock_reader);
      } catch (const ring::Error&) {  // not created yet
        return false;
      }
    });
  }
  std::int64_t query(const std::string& sql) const { return support::query(database, sql); }
  /// Everything that was pushed is stored, and accepted.
  void wait_until_sent(std::int64_t pushed) const {
    wait_for("the samples to be stored", [&] { return query("SELECT sum(stored) FROM cursors") == pushed; });
    wait_for("the samples to be accepted: " + log(), [&] {
      return query("SELECT accepted FROM remote_write") == query("SELECT max(id) FROM batches");
    });
  }
  std::string log() const { return support::read_file(folder / "log"); }
  /// What a receiver should have.
  support::SeriesSamples stored() const {
    ringdown::Database db(database, ringdown::Database::Access::read_only);
    std::map<std::uint32_t, std::string> keys;
    for (const auto& row : ringdown::read_series(db)) {
      std::map<std::string, std::string> labels(row.definition.labels.begin(), row.definition.labels.end());
      labels["__name__"] = row.definition.name;
      labels["instance"] = "plant";
      keys[row.id] = support::series_key(labels);
    }
    support::SeriesSamples out;
    ringdown::RawReader reader(db, {}, [](const auto& what, auto, auto) { throw std::runtime_error(what); });
    for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
      for (const auto& sample : samples) out[keys.at(sample.series)].emplace_back(sample.time_ns / 1'000'000, sample.value);
    return out;
  }

  std::string ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::string database = (folder / "m.db").string(), config = (folder / "p.toml").string();
  support::Child persister;
};

void check_same(const support::SeriesSamples& expected, const support::SeriesSamples& found, double tolerance) {
  CHECK(found.size() == expected.size());
  std::size_t samples = 0, missing = 0, others = 0, wrong = 0;
  for (const auto& [key, wanted] : expected) {
    const auto at = found.find(key);
    const auto there = at == found.end() ? decltype(wanted){} : at->second;
    samples += wanted.size();
    missing += wanted.size() - std::min(wanted.size(), there.size());
    others += there.size() - std::min(wanted.size(), there.size());
    for (std::size_t i = 0; i < std::min(wanted.size(), there.size()); ++i) {
      const bool is_same = wanted[i].first == there[i].first &&
                           std::abs(wanted[i].second - there[i].second) <= tolerance * std::abs(wanted[i].second);
      if (!is_same && ++wrong == 1)
        WARN(key << ": " << there[i].first << " " << there[i].second << ", expected " << wanted[i].first << " " << wanted[i].second);
    }
  }
  CHECK(samples > 0);
  CHECK(missing == 0);
  CHECK(others == 0);
  CHECK(wrong == 0);
}

/// VictoriaMetrics keeps some 12 decimal digits of a value.
constexpr double tolerance(Receiver::Kind kind) { return kind == Receiver::Kind::victoria ? 1e-11 : 0; }

/// Pushes so many seconds of a profile, up to so long ago. @return samples
std::int64_t push(const std::string& ring, ringdown::Profile& profile, std::int64_t seconds, std::int64_t ago_s = 0) {
  ring::Producer producer(ring);
  std::vector<ring::Series> series;
  for (const auto& definition : profile.series()) series.push_back(producer.define(definition));
  std::int64_t samples = 0;
  const auto end_ns = ring::clock_ns(CLOCK_REALTIME) - ago_s * second_ns;
  for (; seconds > 0; --seconds)
    profile.second(end_ns - seconds * second_ns, [&](std::size_t i, double value, std::int64_t time_ns) {
      while (!producer.push(series[i], value, time_ns)) ::usleep(1000);
      ++samples;
    });
  return samples;
}

}  // namespace

TEST_CASE("every stored sample is in the receiver with the same value and millisecond", "[receivers]") {
  const auto kind = GENERATE(Receiver::Kind::victoria, Receiver::Kind::prometheus);
  if (is_missing(kind)) return;
  Receiver receiver(kind);
  INFO(receiver.name());
  Plant plant(receiver.url());
  plant.start();
  ringdown::ControlLoop control_loop;
  ringdown::FleetProfile fleet;
  const auto pushed = push(plant.ring, control_loop, 60) + push(plant.ring, fleet, 3);
  plant.wait_until_sent(pushed);
  check_same(plant.stored(), receiver.samples(ring::clock_ns(CLOCK_REALTIME) / second_ns + 1), tolerance(kind));
  CHECK(plant.query("SELECT refused + lost + folded FROM remote_write") == 0);
  // The producers have left.
  wait_for("the series to end", [&] { return receiver.series_at(static_cast<double>(ring::clock_ns(CLOCK_REALTIME)) / 1e9) == 0; });
}

TEST_CASE("every row of a tier is in the receiver, as its count, sum, extremes and last value", "[receivers]") {
  const auto kind = GENERATE(Receiver::Kind::victoria, Receiver::Kind::prometheus);
  if (is_missing(kind)) return;
  Receiver receiver(kind);
  INFO(receiver.name());
  Plant plant(receiver.url(), "send = \"1m\"\nrewind_s = 1\n");
  plant.start();
  plant.persister.signal(SIGSTOP);  // or it would make the minutes' rows amid them
  ringdown::ControlLoop control_loop;
  ringdown::FleetProfile fleet;
  push(plant.ring, control_loop, 180);
  push(plant.ring, fleet, 10, 60);
  plant.persister.signal(SIGCONT);
  wait_for("the rows to be made and accepted: " + plant.log(), [&] {
    ::usleep(100'000);
    return plant.query("SELECT accepted > unixepoch() - 62 FROM remote_write") && plant.query("SELECT count(*) FROM tier_1m") > 20'000 &&
           plant.query("SELECT count(*) FROM remote_write_redone") == 0;
  });
  support::SeriesSamples expected;
  {
    ringdown::Database db(plant.database, ringdown::Database::Access::read_only);
    std::map<std::uint32_t, ringdown::SeriesRow> series;
    for (auto& row : ringdown::read_series(db)) series[row.id] = row;
    ringdown::Statement rows(db, "SELECT bucket, series, count, sum, min, max, last, increase, increase IS NULL FROM tier_1m WHERE "
                                 "bucket < (SELECT accepted FROM remote_write) ORDER BY bucket");
    while (rows.step()) {
      const auto& definition = series.at(static_cast<std::uint32_t>(rows.integer(1))).definition;
      std::map<std::string, std::string> labels(definition.labels.begin(), definition.labels.end());
      labels["instance"] = "plant";
      int column = 2;
      for (const auto* suffix : {"_count", "_sum", "_min", "_max", "_last", "_increase"}) {
        labels["__name__"] = definition.name + suffix;
        if (column < 7 || !rows.integer(8)) expected[support::series_key(labels)].emplace_back(rows.integer(0) * 1000, rows.real(column));
        ++column;
      }
    }
  }
  auto found = receiver.samples(ring::clock_ns(CLOCK_REALTIME) / second_ns + 1);
  std::erase_if(found, [](const auto& series) { return series.first.find("_seconds{") != std::string::npos; });
  check_same(expected, found, tolerance(kind));
}

TEST_CASE("nothing is missing and nothing double after a receiver and the persister were killed at random", "[receivers]") {
  const auto kind = GENERATE(Receiver::Kind::victoria, Receiver::Kind::prometheus);
  if (is_missing(kind)) return;
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  Receiver receiver(kind);
  INFO(receiver.name());
  Plant plant(receiver.url(), "rewind_s = 15\ndeadline_ms = 2000\n");
  plant.start();
  std::atomic<bool> stop{false};
  std::int64_t pushed = 0;
  std::thread producers([&] {
    ring::Producer producer(plant.ring);
    std::vector<ring::Series> series;
    for (int i = 0; i < 20; ++i) series.push_back(producer.gauge("g" + std::to_string(i)));
    for (; !stop; ::usleep(10'000)) {
      const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
      for (const auto one : series) pushed += producer.push(one, static_cast<double>(pushed), now_ns);
    }
  });
  const auto pause = [&](std::uint64_t ms) { ::usleep(static_cast<useconds_t>(random() % ms * 1000)); };
  const int kills = support::rounds(10);
  for (int i = 0; i < kills; ++i) {
    pause(2500);
    if (random() % 3 == 0) {
      plant.persister.kill();
      pause(300);
      plant.start();
    }
    receiver.kill();
    pause(1000);
    if (random() % 3 == 0) {
      plant.persister.kill();
      plant.start();
    }
    receiver.start();
  }
  pause(2000);
  stop = true;
  producers.join();
  plant.wait_until_sent(pushed);
  check_same(plant.stored(), receiver.samples(ring::clock_ns(CLOCK_REALTIME) / second_ns + 1), tolerance(kind));
  WARN(receiver.name() << ": " << kills << " kills, " << pushed << " samples, " << plant.query("SELECT rewinds FROM remote_write")
                       << " rewinds, " << plant.query("SELECT samples FROM remote_write") << " sent");
}
