#include "setting.hpp"

namespace ringdown {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr NumberSetting numbers[] = {
    {"round_ms", "Time from drain to drain, ms", 1, 10'000,
     [](const Settings& s) { return std::int64_t{s.round.count()}; },
     [](Settings& s, std::int64_t n) { s.round = milliseconds(n); }},
    {"commit_ms",
     "Longest time a drained sample waits for its commit, ms; what a kill of the persister cannot lose in "
     "any case, as it "
     "stays in the ring",
     1, 60'000, [](const Settings& s) { return std::int64_t{s.commit_interval.count()}; },
     [](Settings& s, std::int64_t n) { s.commit_interval = milliseconds(n); }},
    {"commit_records", "Most records of one commit", 1, 1'000'000,
     [](const Settings& s) { return static_cast<std::int64_t>(s.commit_records); },
     [](Settings& s, std::int64_t n) { s.commit_records = static_cast<std::size_t>(n); }},
    {"durable_within_s", "With durability normal: s until a commit survives a power cut", 1, 3600,
     [](const Settings& s) { return std::int64_t{s.store.durable_within.count() / 1000}; },
     [](Settings& s, std::int64_t n) { s.store.durable_within = seconds(n); }},
    {"wal_mib", "MiB of WAL beyond which a reader that holds it back is reported", 1, 1 << 20,
     [](const Settings& s) { return static_cast<std::int64_t>(s.wal_bytes_max >> 20); },
     [](Settings& s, std::int64_t n) { s.wal_bytes_max = static_cast<std::uint64_t>(n) << 20; }},
    {"series_max", "Most series in the database; samples of further ones are lost", 1, 1 << 24,
     [](const Settings& s) { return static_cast<std::int64_t>(s.series_max); },
     [](Settings& s, std::int64_t n) { s.series_max = static_cast<std::size_t>(n); }},
    {"lanes", "Lanes of a ring that is created here", 1, 1024,
     [](const Settings& s) { return std::int64_t{s.geometry.lanes}; },
     [](Settings& s, std::int64_t n) { s.geometry.lanes = static_cast<std::uint32_t>(n); }},
    {"lane_records", "Records a lane, a power of two", 64, 1 << 24,
     [](const Settings& s) { return std::int64_t{s.geometry.lane_records}; },
     [](Settings& s, std::int64_t n) { s.geometry.lane_records = static_cast<std::uint32_t>(n); }},
    {"arena_kib", "KiB of series definitions a lane, a multiple of 4", 4, 65536,
     [](const Settings& s) { return std::int64_t{s.geometry.arena_bytes >> 10}; },
     [](Settings& s, std::int64_t n) { s.geometry.arena_bytes = static_cast<std::uint32_t>(n) << 10; }},
    {"own_metrics_s", "s from one row of the persister's own metrics to the next; 0: none", 0, 3600,
     [](const Settings& s) { return std::int64_t{s.own_metrics.count()}; },
     [](Settings& s, std::int64_t n) { s.own_metrics = seconds(n); }},
    {"maintenance_budget_ms", "Longest slice of maintenance between two drains, ms", 1, 1000,
     [](const Settings& s) { return std::int64_t{s.slice.count()}; },
     [](Settings& s, std::int64_t n) { s.slice = milliseconds(n); }},
};

const WordSetting words[] = {
    {"durability",
     "normal: a commit survives a power cut after --durable-within; full: at once, by a sync a commit",
     {"normal", "full"},
     [](const Settings& s) {
       return std::string(s.store.durability == Durability::full ? "full" : "normal");
     },
     [](Settings& s, const std::string& w) {
       s.store.durability = w == "full" ? Durability::full : Durability::normal;
     }},
    {"log_level",
     "How much is logged",
     {"trace", "debug", "info", "warn", "error"},
     [](const Settings& s) { return s.log_level; },
     [](Settings& s, const std::string& w) { s.log_level = w; }},
};

}  // namespace

std::span<const NumberSetting> number_settings() noexcept { return numbers; }
std::span<const WordSetting> word_settings() { return words; }

}  // namespace ringdown
