#include "fold.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "batch.hpp"

namespace ringdown {

void Rollup::add(std::int64_t time_ns, double value) noexcept {
  if (count++ == 0) {
    sum = min = max = first = last = value;
    first_ns = last_ns = time_ns;
    return;
  }
  sum += value;
  min = std::min(min, value);
  max = std::max(max, value);
  if (time_ns < first_ns) first_ns = time_ns, first = value;
  if (time_ns >= last_ns) last_ns = time_ns, last = value;
}

Fold::Fold(Database& database, const std::string& name, std::int64_t width_s)
    : database_(database),
      name_(name),
      width_ns_(width_s * 1'000'000'000),
      progress_(database, "SELECT batch FROM progress WHERE job = '" + name + "'"),
      batches_(database, "SELECT id, samples, blob FROM batches WHERE id > ? ORDER BY id"),
      upsert_(database,
              "INSERT INTO " + name +
                  " (bucket, series, count, sum, min, max, first, last, first_at, last_at) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (bucket, series) DO UPDATE SET "
                  "count = count + excluded.count, sum = sum + excluded.sum, min = min(min, excluded.min), "
                  "max = max(max, excluded.max), "
                  "first = iif(excluded.first_at < first_at, excluded.first, first), "
                  "last = iif(excluded.last_at >= last_at, excluded.last, last), "
                  "first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)"),
      advance_(database, "UPDATE progress SET batch = ? WHERE job = '" + name + "'"),
      damaged_(database, "INSERT OR IGNORE INTO damaged_batches VALUES (?, ?, ?, ?)") {}

std::int64_t Fold::run(std::int64_t samples_max) {
  const bool known = progress_.step();
  const auto done = progress_.integer(0);
  progress_.reset();
  if (!known) database_.fail_damaged("no progress row of " + name_ + "; its samples would be counted again");

  std::int64_t samples = 0, last = done;
  std::vector<std::tuple<std::int64_t, std::int64_t, std::string>> damaged;
  rollups_.clear();
  batches_.bind(1, done);
  while (samples < samples_max && batches_.step()) {
    const auto id = batches_.integer(0);
    if (id <= last) {
      batches_.reset();
      database_.fail_damaged("after batch " + std::to_string(last) + " comes " + std::to_string(id));
    }
    last = id;
    samples += batches_.integer(1);
    try {
      add(batches_.blob(2));
    } catch (const std::runtime_error& e) {
      spdlog::error("database {}: batch {}: {}; {} is made without its samples", database_.path(), last, e.what(),
                    name_);
      damaged.push_back({last, batches_.integer(1), e.what()});
    }
  }
  batches_.reset();
  if (last == done) return 0;

  Transaction transaction(database_);
  write_rows();
  for (const auto& [batch, count, why] : damaged) {
    const auto found_ns = ring::clock_ns(CLOCK_REALTIME);
    damaged_.bind(1, batch).bind(2, count).bind(3, std::string_view(why)).bind(4, found_ns).run();
  }
  advance_.bind(1, last).run();
  transaction.commit();
  return samples;
}

void Fold::add(std::span<const std::byte> blob) {
  const BatchView view(blob);
  for (std::uint32_t c = 0; c < view.series(); ++c) {
    const auto& column = view.column(c);
    Rollup* rollup = nullptr;
    std::int64_t bucket_ns = 0;
    for (std::uint32_t i = 0; i < column.count; ++i) {
      // Behind the earliest whole bucket there is none.
      const auto time_ns = std::max(column.time_ns(i), std::numeric_limits<std::int64_t>::min() + width_ns_);
      if (!rollup || time_ns < bucket_ns || time_ns - bucket_ns >= width_ns_) {
        auto remainder = time_ns % width_ns_;
        if (remainder < 0) remainder += width_ns_;
        bucket_ns = time_ns - remainder;
        rollup = &rollups_[{bucket_ns, column.series}];
      }
      rollup->add(time_ns, column.value(i));
    }
  }
}

void Fold::write_rows() {
  std::vector<std::pair<Key, const Rollup*>> rows;
  rows.reserve(rollups_.size());
  for (const auto& [key, rollup] : rollups_) rows.emplace_back(key, &rollup);
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.first.bucket != b.first.bucket ? a.first.bucket < b.first.bucket : a.first.series < b.first.series;
  });
  for (const auto& [key, r] : rows)
    upsert_.bind(1, key.bucket / 1'000'000'000)
        .bind(2, std::int64_t{key.series})
        .bind(3, r->count)
        .bind(4, r->sum)
        .bind(5, r->min)
        .bind(6, r->max)
        .bind(7, r->first)
        .bind(8, r->last)
        .bind(9, r->first_ns - key.bucket)
        .bind(10, r->last_ns - key.bucket)
        .run();
}

}  // namespace ringdown
