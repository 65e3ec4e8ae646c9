#include "recorder.hpp"

#include <spdlog/spdlog.h>

#include <catch2/catch.hpp>
#include <functional>
#include <numeric>

#include "stored.hpp"

namespace storage {
namespace {

constexpr std::chrono::seconds step{61};  // the longest interval of a job is a minute
constexpr std::int64_t first_ns = 1'700'000'000'000'000'000, interval_ns = 100'000'000;

std::int64_t wall_ns = ringdown::realtime_ns();

}  // namespace

Recorder::Recorder(std::filesystem::path database, std::int64_t first_value)
    : database_(std::move(database)), first_value_(first_value) {
  spdlog::set_level(spdlog::level::off);
  settings_.database = database_;
  settings_.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4096};
  settings_.checkpoint_pages = 12;
  settings_.store.wall_ns = [] { return wall_ns; };
  constexpr auto kept = ringdown::forever_s;  // the samples are of another year
  settings_.store.rules = {ringdown::Tiers{{kept, kept, kept, kept, kept}, 0}, {}};
  settings_.check_after_unclean = false;  // the watched calls are those of one thread
  for (auto& lane : lanes_) {
    auto geometry = settings_.geometry;
    if (&lane != &lanes_[0]) geometry.mode = ring::abi::Mode::overwrite_oldest;
    lane.segment = ring::Segment::open_or_create(lane.ring, geometry);
    settings_.rings.push_back(lane.ring);
    lane.producer =
        std::make_unique<ring::Producer>(lane.ring, ring::Options{.create = false, .name = lane.name});
    lane.series = lane.producer->gauge(lane.name);
  }
}

Recorder::~Recorder() {
  for (const auto& lane : lanes_) ring::Segment::remove(lane.ring);
}

void Recorder::push(int count) {
  for (; count > 0; --count)
    for (auto& lane : lanes_) {
      const auto value = first_value_ + lane.accepted;
      const bool ok =
          lane.producer->push(lane.series, static_cast<double>(value), first_ns + value * interval_ns);
      (ok ? lane.accepted : lane.refused) += 1;
    }
}

bool Recorder::start() {
  try {
    loop_.emplace(settings_);
    return true;
  } catch (const ringdown::SqliteError&) {
    return false;
  }
}

bool Recorder::round() {
  now_ += step;
  wall_ns += std::chrono::nanoseconds(step).count();
  if (!loop_) return false;
  loop_->round(now_);
  if (loop_->end() != ringdown::Loop::End::gone) return true;
  ++databases_gone_;
  end();
  return start();
}

void Recorder::settle() {
  constexpr int rounds_max = 5;
  for (int i = 0; i < rounds_max && released() != pushed(); ++i) round();
  for (int i = 0; i < rounds_max; ++i) round();  // rolls up what came last
}

std::vector<double> Recorder::values(const std::string& database, const std::string& lane) {
  return support::stored_values(database)[lane];
}

void Recorder::check() {
  CHECK(released() == pushed());
  const auto stored = support::stored_values(database_);
  ringdown::Database db(database_, ringdown::Database::Access::read_only);
  std::int64_t samples = 0;
  for (const auto& lane : lanes_) {
    INFO(lane.name << ": " << lane.accepted << " accepted, " << lane.refused << " refused");
    const auto of_lane = " FROM cursors JOIN rings ON rings.id = ring WHERE name = '" + lane.ring + "'";
    const auto count = db.query_integer("SELECT sum(stored)" + of_lane);
    const auto lost = db.query_integer("SELECT sum(lost)" + of_lane);
    const auto& values = stored.at(lane.name);
    CHECK(static_cast<std::int64_t>(values.size()) == count);
    CHECK(count + lost == lane.accepted + lane.refused);
    CHECK(std::is_sorted(values.begin(), values.end(), std::less_equal<>()));  // each once
    CHECK(values.back() == static_cast<double>(lane.accepted - 1));
    if (&lane == &lanes_[0]) CHECK(lost == lane.refused);
    for (const char* tier : {"tier_1s", "tier_1m"}) {
      const auto of_tier = std::string(" FROM ") + tier +
                           " WHERE series = (SELECT id FROM series WHERE name = '" + lane.name + "')";
      CHECK(db.query_integer("SELECT sum(count)" + of_tier) == count);
      CHECK(db.query_integer("SELECT sum(sum)" + of_tier) ==
            static_cast<std::int64_t>(std::accumulate(values.begin(), values.end(), 0.0)));
    }
    samples += count;
  }
  CHECK(db.query_integer(support::raw_samples) == samples);
  CHECK(db.query_integer("SELECT sum(count) FROM losses") ==
        db.query_integer("SELECT sum(lost) FROM cursors"));
  CHECK(db.query_integer("SELECT count(*) FROM losses WHERE reason NOT IN ('lane_full', 'overwritten')") ==
        0);
  CHECK(db.query_integer("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
  CHECK(db.query_integer("SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1);
  CHECK(db.query_integer("PRAGMA auto_vacuum") == 2);
}

}  // namespace storage
