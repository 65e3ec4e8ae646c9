#include "sink_rows.hpp"

#include <algorithm>
#include <utility>

namespace ringdown {

std::vector<SinkRow> read_sinks(Database& database) {
  std::vector<SinkRow> out;
  Statement rows(database, "SELECT destination, sends, accepted, settled, samples, requests, bytes, failures, rewinds, "
                           "folded, refused, lost, state, trouble, samples_per_s, bytes_per_s FROM remote_write ORDER BY destination");
  while (rows.step()) {
    const auto n = [&](int column) { return rows.integer(column); };
    out.push_back({.destination = rows.text(0),
                   .sends = rows.text(1),
                   .cursor = {n(2), n(3)},
                   .counts = {n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11)},
                   .rates = {rows.real(14), rows.real(15)},
                   .state = rows.text(12),
                   .trouble = rows.text(13)});
  }
  return out;
}

double lag_s(Database& database, const SinkRow& row, std::int64_t now_ns) {
  if (row.sends != "raw") {
    const auto frontier_s = database.query_integer("SELECT frontier FROM progress WHERE job = 'tier_" + row.sends + "'");
    return static_cast<double>(std::max<std::int64_t>(0, frontier_s - row.cursor.accepted));
  }
  auto& oldest = database.prepared("SELECT committed_ns FROM batches WHERE id > ? ORDER BY id LIMIT 1");
  const bool found = oldest.bind(1, row.cursor.accepted).step();
  const auto committed_ns = oldest.integer(0);
  oldest.reset();
  return found ? std::max(0.0, static_cast<double>(now_ns - committed_ns) / 1e9) : 0;
}

void lose_rows(Database& database, const std::string& tier, std::int64_t bucket_s, std::int64_t rows, std::int64_t now_ns) {
  constexpr std::int64_t apart_max_s = 3600;  // what follows within it is one loss
  std::vector<std::pair<std::string, std::int64_t>> all;
  auto& destinations = database.prepared("SELECT destination, accepted FROM remote_write WHERE sends = ?");
  for (destinations.bind(1, std::string_view(tier)); destinations.step();)
    all.emplace_back(destinations.text(0), destinations.integer(1));
  destinations.reset();
  for (const auto& [destination, accepted_s] : all) {
    database.prepared("DELETE FROM remote_write_redone AS r WHERE destination = ? AND bucket = ? AND NOT EXISTS (SELECT 1 FROM tier_" +
                      tier + " AS t WHERE t.bucket = r.bucket AND t.series = r.series)")
        .bind(1, std::string_view(destination)).bind(2, bucket_s).run();
    const auto lost = accepted_s <= bucket_s ? rows : database.changes();
    if (lost == 0) continue;
    database.prepared("UPDATE remote_write SET lost = lost + ?2 WHERE destination = ?1")
        .bind(1, std::string_view(destination)).bind(2, lost).run();
    database.prepared("UPDATE remote_write_losses SET first_batch = min(first_batch, ?2), last_batch = max(last_batch, ?2), "
                      "samples = samples + ?3 WHERE id = (SELECT max(id) FROM remote_write_losses WHERE destination = ?1) AND "
                      "last_batch >= ?2 - ?4")
        .bind(1, std::string_view(destination)).bind(2, bucket_s).bind(3, lost).bind(4, apart_max_s).run();
    if (database.changes() == 0) SinkTable(database, destination).lose(bucket_s, bucket_s, lost, now_ns);
  }
}

std::int64_t rows_lost(Database& database, const std::string& destination) {
  auto& row = database.prepared("SELECT lost FROM remote_write WHERE destination = ?");
  row.bind(1, std::string_view(destination)).step();
  const auto out = row.integer(0);
  row.reset();
  return out;
}

void SinkTable::write(const SinkRow& row, std::int64_t now_ns) {
  const auto& c = row.counts;
  database_.prepared("REPLACE INTO remote_write (destination, sends, accepted, settled, samples, requests, bytes, failures, "
                     "rewinds, folded, refused, lost, state, trouble, written_ns, samples_per_s, bytes_per_s) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, std::string_view(destination_)).bind(2, std::string_view(row.sends))
      .bind(3, row.cursor.accepted).bind(4, row.cursor.settled)
      .bind(5, c.samples).bind(6, c.requests).bind(7, c.bytes).bind(8, c.failures).bind(9, c.rewinds)
      .bind(10, c.folded).bind(11, c.refused).bind(12, c.lost)
      .bind(13, std::string_view(row.state)).bind(14, std::string_view(row.trouble)).bind(15, now_ns)
      .bind(16, row.rates.samples).bind(17, row.rates.bytes)
      .run();
}

std::int64_t SinkTable::set_aside(const std::vector<AsideSample>& samples, std::int64_t now_ns) {
  if (samples.empty()) return 0;
  const auto count = [&](bool held) {
    auto& rows = database_.prepared("SELECT count(*) FROM remote_write_aside WHERE destination = ? AND held = ?");
    rows.bind(1, std::string_view(destination_)).bind(2, std::int64_t{held}).step();
    const auto out = rows.integer(0);
    rows.reset();
    return out;
  };
  auto held = count(true);
  std::int64_t refused = 0;
  auto& insert = database_.prepared("INSERT OR IGNORE INTO remote_write_aside (destination, series, metric, time_ms, value, held, why, "
                                    "noticed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const auto& sample : samples) {
    const bool is_held = sample.held && held < aside_max;
    const auto why = sample.why + (sample.held && !is_held ? ", and others wait already" : "");
    insert.bind(1, std::string_view(destination_)).bind(2, std::int64_t{sample.series}).bind(3, std::string_view(sample.metric))
        .bind(4, sample.time_ms).bind(5, sample.value).bind(6, std::int64_t{is_held}).bind(7, std::string_view(why))
        .bind(8, now_ns).run();
    (is_held ? held : refused) += database_.changes() > 0;
  }
  database_.prepared("DELETE FROM remote_write_aside WHERE id IN (SELECT id FROM remote_write_aside WHERE destination = ? AND "
                     "held = 0 ORDER BY id LIMIT ?)")
      .bind(1, std::string_view(destination_)).bind(2, std::max<std::int64_t>(0, count(false) - aside_max)).run();
  return refused;
}

void SinkTable::release(const std::string& sends, const std::vector<std::int64_t>& rows) {
  auto& erase = database_.prepared(std::string("DELETE FROM ") + (sends == "raw" ? "remote_write_aside" : "remote_write_redone") +
                                   " WHERE id = ?");
  for (const auto row : rows) erase.bind(1, row).run();
}

void SinkTable::lose(std::int64_t first_batch, std::int64_t last_batch, std::int64_t samples, std::int64_t now_ns) {
  // What follows on the last one is one loss.
  database_.prepared("UPDATE remote_write_losses SET last_batch = ?3, samples = samples + ?4 WHERE destination = ?1 AND last_batch = ?2 - 1")
      .bind(1, std::string_view(destination_)).bind(2, first_batch).bind(3, last_batch).bind(4, samples).run();
  if (database_.changes() > 0) return;
  database_.prepared("INSERT INTO remote_write_losses (destination, first_batch, last_batch, samples, noticed_ns) VALUES (?, ?, ?, ?, ?)")
      .bind(1, std::string_view(destination_)).bind(2, first_batch).bind(3, last_batch).bind(4, samples).bind(5, now_ns).run();
}

}  // namespace ringdown
