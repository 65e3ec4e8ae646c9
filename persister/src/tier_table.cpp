#include "tier_table.hpp"

#include <cmath>
#include <limits>

namespace ringdown {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t width_of(const std::string& tier) {
  return tier == "tier_1s" ? 1 : tier == "tier_1m" ? 60 : tier == "tier_5m" ? 300 : 3600;
}

std::string write_sql(const std::string& verb, const std::string& name, bool detail) {
  return verb + " INTO " + name + " (bucket, series, count, sum, min, max, first, last, first_at, last_at" +
         (detail ? ", expected, increase, states, sketch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 : ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
}

}  // namespace

std::int64_t bucket_start(std::int64_t time, std::int64_t width) noexcept {
  time = std::max(time, std::numeric_limits<std::int64_t>::min() + width);
  const auto remainder = time % width;
  return time - remainder - (remainder < 0 ? width : 0);
}

TierTable::TierTable(Database& database, const std::string& name)
    : database_(database),
      name_(name),
      width_s_(width_of(name)),
      insert_(database, write_sql("INSERT OR IGNORE", name, has_detail())),
      replace_(database, write_sql("REPLACE", name, has_detail())),
      erase_(database, "DELETE FROM " + name + " WHERE bucket = ? AND series = ?"),
      find_(database, "SELECT count, sum, sum IS NULL, min, max, first, last, first_at, last_at" +
                          std::string(has_detail() ? ", increase, states, sketch" : "") + " FROM " + name +
                          " WHERE bucket = ? AND series = ?"),
      next_(database, "SELECT bucket FROM " + name + " WHERE bucket >= ? AND bucket < ? ORDER BY bucket LIMIT 1") {}

void TierTable::write(Statement& statement, std::int64_t bucket_s, std::uint32_t series, ring::Kind kind,
                      const Rollup& row, std::int64_t interval_ns) {
  const auto bucket_ns = bucket_s * second_ns;
  statement.bind(1, bucket_s)
      .bind(2, std::int64_t{series})
      .bind(3, row.count)
      .bind(4, std::isfinite(row.sum) ? row.sum : std::nan(""))  // NULL
      .bind(5, row.min)
      .bind(6, row.max)
      .bind(7, row.first)
      .bind(8, row.last)
      .bind(9, row.first_ns - bucket_ns)
      .bind(10, row.last_ns - bucket_ns);
  std::string states;
  std::vector<std::byte> sketch;
  if (has_detail()) {
    statement.bind_null(11).bind_null(12).bind_null(13).bind_null(14);
    if (interval_ns > 0) statement.bind(11, width_ns() / interval_ns);
    if (kind == ring::Kind::counter) statement.bind(12, row.increase);
    if (kind == ring::Kind::state) statement.bind(13, std::string_view(states = states_text(row.states)));
    if (kind == ring::Kind::gauge && row.needs_sketch())
      statement.bind(14, std::span<const std::byte>(sketch = row.sketch.encode()));
  }
  statement.run();
}

bool TierTable::insert(std::int64_t bucket_s, std::uint32_t series, ring::Kind kind, const Rollup& row,
                       std::int64_t interval_ns) {
  write(insert_, bucket_s, series, kind, row, interval_ns);
  return database_.changes() > 0;
}
void TierTable::replace(std::int64_t bucket_s, std::uint32_t series, ring::Kind kind, const Rollup& row,
                        std::int64_t interval_ns) {
  write(replace_, bucket_s, series, kind, row, interval_ns);
}
void TierTable::erase(std::int64_t bucket_s, std::uint32_t series) {
  erase_.bind(1, bucket_s).bind(2, std::int64_t{series}).run();
}

std::optional<Rollup> TierTable::find(std::int64_t bucket_s, std::uint32_t series) {
  find_.bind(1, bucket_s).bind(2, std::int64_t{series});
  if (!find_.step()) {
    find_.reset();
    return {};
  }
  Rollup row;
  row.count = find_.integer(0);
  row.sum = find_.integer(2) ? std::numeric_limits<double>::infinity() : find_.real(1);
  row.min = find_.real(3);
  row.max = find_.real(4);
  row.first = find_.real(5);
  row.last = find_.real(6);
  const auto bucket_ns = bucket_s * second_ns;
  const auto in_bucket = [&](std::int64_t at) { return bucket_ns + std::clamp<std::int64_t>(at, 0, width_ns()); };
  row.first_ns = in_bucket(find_.integer(7));
  row.last_ns = in_bucket(find_.integer(8));
  std::string wrong;
  if (has_detail()) try {
      row.increase = find_.real(9);
      if (const auto states = find_.text(10); !states.empty()) row.states = parse_states(states);
      if (const auto sketch = find_.blob(11); !sketch.empty())
        row.sketch = Sketch::decode(sketch);
      else if (row.count > 0)
        row.sketch = Sketch(row.min, static_cast<std::uint64_t>(row.count));
    } catch (const std::runtime_error& e) {
      wrong = e.what();
    }
  find_.reset();
  if (!wrong.empty())
    database_.fail_damaged(name_ + " bucket " + std::to_string(bucket_s) + " series " + std::to_string(series) + ": " +
                           wrong);
  return row;
}

std::optional<std::int64_t> TierTable::next_bucket(std::int64_t from_s, std::int64_t to_s) {
  next_.bind(1, from_s).bind(2, to_s);
  const bool found = next_.step();
  const auto bucket_s = found ? next_.integer(0) : 0;
  next_.reset();
  if (!found || bucket_s < from_s) return {};  // of a damaged table, which would go round in circles
  return bucket_s;
}

}  // namespace ringdown
