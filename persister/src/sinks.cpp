#include "sinks.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "raw_reader.hpp"
#include "tier_source.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

constexpr std::chrono::seconds interval{1}, tell_interval{60};
constexpr std::int64_t second_ns = 1'000'000'000;

}  // namespace

Sinks::Sinks(Database& database, const std::vector<RemoteWriteSettings>& settings, bool send, std::int64_t (*wall_ns)())
    : database_(database), wall_ns_(wall_ns) {
  if (settings.empty()) return;
  const auto rows = read_sinks(database);
  Transaction transaction(database);
  for (const auto& one : settings) open(all_.emplace_back(One{.settings = one, .table = SinkTable(database, one.name)}), rows);
  transaction.commit();
  for (auto& one : all_)
    if (send) one.thread = std::make_unique<SinkThread>(database.path(), one.settings, one.row, wall_ns);
}

/// A new one begins with the batches that are not sealed, or the next buckets of its tier.
void Sinks::open(One& one, const std::vector<SinkRow>& rows) {
  const std::string sends = tier_names[one.settings.send];
  const auto known = std::find_if(rows.begin(), rows.end(), [&](const SinkRow& row) {
    return row.destination == one.settings.name && row.sends == sends;
  });
  if (known != rows.end()) one.row = *known;
  one.row.destination = one.settings.name;
  one.row.sends = sends;
  one.row.rates = {};
  one.row.state = "sending";
  one.row.trouble.clear();
  auto& cursor = one.row.cursor;
  if (one.settings.send == tier_raw) {
    open_raw(one, known == rows.end());
  } else {
    note_redone(database_, one.settings.name, one.settings.send);
    const auto frontier_s = tier_frontier_s(database_, one.settings.send);
    if (known == rows.end()) cursor = {frontier_s, frontier_s};
    cursor = {std::min(cursor.settled, frontier_s), std::min(cursor.settled, frontier_s)};
  }
  one.news.row = one.row;
  one.table.write(one.row, wall_ns_());
}

/// One whose next batches were sealed while it was not in the configuration has lost them.
void Sinks::open_raw(One& one, bool is_new) {
  auto& cursor = one.row.cursor;
  const auto sealed = window::read_sealed(database_).through_batch;
  if (is_new) cursor = {sealed, sealed};
  // A database that was put back, or damaged, may be behind its cursors.
  cursor.settled = std::clamp<std::int64_t>(cursor.settled, 0, newest_batch(database_));
  cursor.accepted = std::clamp(cursor.accepted, cursor.settled, newest_batch(database_));
  if (cursor.accepted < sealed) {
    Statement lost(database_, "SELECT total(samples) FROM windows WHERE last_batch > ?");
    lost.bind(1, cursor.accepted).step();
    one.table.lose(cursor.accepted + 1, sealed, lost.integer(0), wall_ns_());
    one.row.counts.lost += lost.integer(0);
    cursor.accepted = sealed;
  }
  cursor.settled = std::max(cursor.settled, std::min(sealed, cursor.accepted));
}

void Sinks::committed() {
  for (auto& one : all_)
    if (one.thread) one.thread->wake();
}

bool Sinks::run(Clock::time_point now) {
  if (now < due_ || all_.empty()) return false;
  due_ = now + interval;
  for (auto& one : all_) one.meter.measure(one.news.row.counts, now);
  write();
  for (auto& one : all_) tell(one, now);
  return true;
}

void Sinks::end_series(const std::vector<std::uint32_t>& series) {
  const Ended ended{series, newest_batch(database_), wall_ns_() / 1'000'000};
  for (auto& one : all_)
    if (one.thread && one.settings.send == tier_raw) one.thread->end_series(ended);
}

/// One transaction for all of them, if there is anything to be written.
void Sinks::write() {
  std::vector<Change> changes;
  for (auto& one : all_) changes.push_back(change_of(one));
  const auto is_change = [&](const Change& change) {
    const auto& one = all_[static_cast<std::size_t>(&change - changes.data())];
    return change.row != one.row || !one.news.aside.empty() || !one.news.released.empty();
  };
  if (std::none_of(changes.begin(), changes.end(), is_change)) return;
  const auto now_ns = wall_ns_();
  Transaction transaction(database_);
  for (auto& change : changes) {
    if (!is_change(change)) continue;
    auto& one = all_[static_cast<std::size_t>(&change - changes.data())];
    change.row.counts.refused += one.table.set_aside(one.news.aside, now_ns);
    one.table.release(one.row.sends, one.news.released);
    if (change.lost > 0) one.table.lose(change.lost_first, change.skipped, change.lost, now_ns);
    one.table.write(change.row, now_ns);
  }
  transaction.commit();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    auto& one = all_[i];
    one.row = changes[i].row;
    one.news.aside.clear();
    one.news.released.clear();
    if (changes[i].skipped <= one.skipped) continue;
    one.skipped = changes[i].skipped;
    if (one.thread) one.thread->skip_to(one.skipped);
  }
}

/// What is to become of its row; batches that have waited for lag_max are given up. Rows of a tier are by Retention, once
/// their age is over as well.
Sinks::Change Sinks::change_of(One& one) {
  if (one.thread) one.thread->take_news(one.news);
  Change out{.row = one.news.row, .skipped = one.skipped};
  out.row.rates = one.meter.rates();
  out.row.counts.lost = one.row.counts.lost;
  out.row.counts.refused = one.row.counts.refused;
  if (one.settings.send != tier_raw) {
    out.row.counts.lost = rows_lost(database_, one.settings.name);
    return out;
  }
  auto& cursor = out.row.cursor;
  cursor = {std::max(cursor.accepted, one.skipped), std::max(cursor.settled, one.skipped)};
  const auto until_ns = wall_ns_() - one.settings.lag_max_s * second_ns;
  auto& oldest = database_.prepared("SELECT committed_ns FROM batches WHERE id > ? ORDER BY id LIMIT 1");
  const bool is_over = oldest.bind(1, cursor.settled).step() && oldest.integer(0) < until_ns;
  oldest.reset();
  if (!is_over) return out;
  out.skipped = batch_at(database_, until_ns, newest_batch(database_) + 1) - 1;
  if (out.skipped > cursor.accepted) {
    auto& samples = database_.prepared("SELECT total(samples) FROM batches WHERE id > ? AND id <= ?");
    samples.bind(1, cursor.accepted).bind(2, out.skipped).step();
    out.lost = samples.integer(0);
    out.lost_first = cursor.accepted + 1;
    samples.reset();
  }
  out.row.counts.lost += out.lost;
  cursor = {std::max(cursor.accepted, out.skipped), std::max(cursor.settled, out.skipped)};
  return out;
}

void Sinks::tell(One& one, Clock::time_point now) {
  const auto& state = one.row.state;
  const bool is_new = state != one.told && !(state == "sending" && one.told.empty());
  if (!is_new || (state == "waiting" && now - one.told_at < tell_interval && !one.told.empty())) return;
  if (state == "sending")
    spdlog::info("remote write {}: accepted again", one.settings.name);
  else if (state == "stopped")
    spdlog::error("remote write {}: stopped: {}", one.settings.name, one.row.trouble);
  else
    spdlog::warn("remote write {}: {}; tried again, and what it has not got is kept for {} s", one.settings.name, one.row.trouble,
                 one.settings.lag_max_s);
  one.told = state;
  one.told_at = now;
}

void Sinks::request_stop() {
  for (auto& one : all_)
    if (one.thread) one.thread->request_stop();
}

void Sinks::stop() {
  request_stop();
  write();
}

Hold Sinks::hold() {
  Hold out;
  for (const auto& one : all_) {
    const auto tier = one.settings.send;
    if (tier == tier_raw)
      out.batch = std::min(out.batch, std::max(one.row.cursor.settled, one.skipped));
    else
      out.bucket_s[tier] = std::min(out.bucket_s[tier], needed_from_s(one));
  }
  return out;
}

/// The first bucket of a tier that is to be sent yet, or again, and has waited for less than lag_max.
std::int64_t Sinks::needed_from_s(const One& one) {
  auto& redone = database_.prepared("SELECT min(bucket) FROM remote_write_redone WHERE destination = ?");
  redone.bind(1, std::string_view(one.settings.name)).step();
  const auto first_s = redone.is_null(0) ? Hold::nothing : redone.integer(0);
  redone.reset();
  return std::max(std::min(one.row.cursor.settled, first_s), wall_ns_() / second_ns - one.settings.lag_max_s);
}

void Sinks::add_figures(std::vector<Figure>& out) {
  for (const auto& one : all_) {
    const ring::Labels of{{"destination", one.settings.name}};
    const auto& c = one.row.counts;
    const auto add = [&](ring::Kind kind, const char* what, const char* unit, const char* help, double value) {
      out.push_back({kind, std::string("ringdown_remote_write_") + what, unit, help, of, value});
    };
    const auto count = [&](const char* what, const char* help, std::int64_t n) {
      add(ring::Kind::counter, what, "", help, static_cast<double>(n));
    };
    count("samples_total", "Samples that the destination has accepted, those that were sent again included.", c.samples);
    count("requests_total", "Requests that the destination has accepted.", c.requests);
    add(ring::Kind::counter, "bytes_total", "B", "Bytes of these, compressed.", static_cast<double>(c.bytes));
    count("failures_total", "Requests that are sent again: no answer, 429 or 5xx.", c.failures);
    count("rewinds_total", "How often was sent again what a receiver may have forgotten.", c.rewinds);
    count("folded_samples_total", "Samples of a millisecond of which their series had one already.", c.folded);
    count("refused_samples_total", "Samples that the destination has refused; set aside.", c.refused);
    count("lost_samples_total", "Samples, or rows of a tier, that were given up: the destination was away for longer than lag_max.", c.lost);
    add(ring::Kind::gauge, "stopped", "", "1 when the destination was given up until a reload.", one.row.state == "stopped");
    add(ring::Kind::gauge, "lag_seconds", "s", "Age of the oldest commit that the destination has not accepted.",
        lag_s(database_, one.row, wall_ns_()));
  }
}

}  // namespace ringdown
