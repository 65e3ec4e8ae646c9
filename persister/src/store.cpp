#include "store.hpp"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "ring/error.hpp"
#include "ring/ownership.hpp"
#include "schema.hpp"
#include "series_rules.hpp"

namespace ringdown {

std::int64_t realtime_ns() { return ring::clock_ns(CLOCK_REALTIME); }

std::string labels_json(const ring::Labels& labels) {
  auto json = nlohmann::json::object();
  for (const auto& [key, value] : labels) json[key] = value;
  return json.dump();
}

const char* kind_name(ring::Kind kind) {
  return kind == ring::Kind::gauge ? "gauge" : kind == ring::Kind::counter ? "counter" : "state";
}

const char* loss_name(ring::abi::Loss reason) {
  switch (reason) {
    case ring::abi::Loss::lane_full: return "lane_full";
    case ring::abi::Loss::non_finite: return "non_finite";
    case ring::abi::Loss::unknown_series: return "unknown_series";
    case ring::abi::Loss::reentrant: return "reentrant";
    case ring::abi::Loss::detached: return "detached";
    case ring::abi::Loss::overwritten: return "overwritten";
    case ring::abi::Loss::corrupt: return "corrupt";
    case ring::abi::Loss::skipped: return "skipped";
    case ring::abi::Loss::series_limit: return "series_limit";
  }
  return "unknown";
}

namespace {

constexpr std::int64_t series_id_max = 1 << 24;              // a damaged one costs memory: see Catalog, encode_batch
constexpr std::int64_t row_id_max = std::int64_t{1} << 53;  // of what is numbered one by one

}  // namespace

Store::Store(const std::string& path, const StoreOptions& options) : options_(options), lock_(path) {
  if (!options.any_file_system) require_local_file_system(path);
  try {
    open(path);
  } catch (const SqliteError& e) {
    // A file that no persister has used is somebody else's, and stays where it is.
    if (!lock_.used_before()) lock_.remove();
    if (!e.is_damage() || !lock_.used_before()) throw;
    statements_.reset();
    database_.reset();
    moved_aside_ = ringdown::move_aside(path) + " (" + e.what() + ")";
    open(path);
  } catch (const ring::Error&) {
    if (!lock_.used_before()) lock_.remove();
    throw;
  }
  files_ = files();
}

void Store::open(const std::string& path) {
  create_file(path);
  auto& db = database_.emplace(path, Database::Access::read_write_create);
  const auto application = db.query_integer("PRAGMA application_id");
  const auto version = db.query_integer("PRAGMA user_version");
  const bool empty = db.query_integer("SELECT count(*) FROM sqlite_schema") == 0;
  if (!empty && application != schema::application_id)
    throw ring::Error(ring::Failure::foreign, "database " + path + ": it belongs to another program (application_id " +
                                                  std::to_string(application) + ", expected " +
                                                  std::to_string(schema::application_id) +
                                                  "); choose another file with --db");
  if (version > schema::version)
    throw ring::Error(ring::Failure::bad_version, "database " + path + ": schema version " + std::to_string(version) +
                                                      ", this program knows up to " +
                                                      std::to_string(schema::version) + "; upgrade ring-persister");
  if (empty) db.execute(schema::creation);
  db.execute(schema::every_open);
  migrate(version);
  if (!options_.keep_policies) apply_rules();
  statements_.emplace(db);
  last_commit_ns_ = db.query_integer(
      "SELECT max(through_ns, coalesce((SELECT committed_ns FROM batches ORDER BY id DESC LIMIT 1), 0)) FROM durability");
  last_batch_ = db.query_integer("SELECT max(coalesce((SELECT max(id) FROM batches), 0), coalesce((SELECT max(target) FROM "
                                 "progress WHERE job IN ('tier_1s', 'tier_1m')), 0))");
  if (last_batch_ < 0 || last_batch_ > row_id_max) db.fail_damaged("batch " + std::to_string(last_batch_));
  was_unclean_ = db.query_integer("SELECT clean FROM durability") == 0;
  db.execute("UPDATE durability SET clean = 0");
}

/// Brings the schema from `version` to this program's, each step in a transaction of its own.
void Store::migrate(std::int64_t version) {
  for (auto step = static_cast<std::size_t>(version); step < std::size(schema::migrations); ++step) {
    Transaction transaction(*database_);
    database_->execute(schema::migrations[step]);
    database_->execute("PRAGMA application_id = " + std::to_string(schema::application_id));
    database_->execute("PRAGMA user_version = " + std::to_string(step + 1));
    transaction.commit();
  }
}

/// Samples may be so far ahead of their commit.
constexpr std::int64_t ahead_ns = 60'000'000'000;

/// The rules may have changed since the series were stored.
void Store::apply_rules() {
  Statement stored(*database_, "SELECT aggregation, on_change, interval_ns, tier_1s, resolution, raw_from_ns FROM series ORDER BY id");
  Statement update(*database_, "UPDATE series SET aggregation = ?, on_change = ?, interval_ns = ?, tier_1s = ?, resolution = ?, "
                               "raw_from_ns = ? WHERE id = ?");
  struct Change {
    std::int64_t id;
    Policy policy;
    std::int64_t raw_from_ns;
  };
  std::vector<Change> changes;
  Transaction transaction(*database_);
  for (const auto& row : read_series(*database_)) {
    if (!stored.step()) break;
    const auto policy = options_.rules.of(row.definition);
    const auto before_ns = stored.integer(5);
    const bool was_kept = before_ns != SeriesRule::dropped_ns;
    const auto from_ns = was_kept == policy.keep ? before_ns
                         : policy.keep           ? options_.wall_ns() + ahead_ns
                                                 : SeriesRule::dropped_ns;
    if (stored.text(0) != kind_name(policy.aggregation) || (stored.integer(1) != 0) != policy.on_change ||
        stored.integer(2) != policy.interval_ns || (stored.integer(3) != 0) != policy.tier_1s ||
        stored.real(4) != policy.resolution || from_ns != before_ns)
      changes.push_back({row.id, policy, from_ns});
  }
  for (const auto& [id, policy, from_ns] : changes)
    update.bind(1, std::string_view(kind_name(policy.aggregation))).bind(2, std::int64_t{policy.on_change})
        .bind(3, policy.interval_ns).bind(4, std::int64_t{policy.tier_1s}).bind(5, policy.resolution)
        .bind(6, from_ns).bind(7, id).run();
  transaction.commit();
}

Store::Files Store::files() const noexcept {
  Files out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    struct stat status {};
    ::stat((database_->path() + (i == 0 ? "" : "-wal")).c_str(), &status);
    out[i] = {status.st_dev, status.st_ino};
  }
  return out;
}

Store::Statements::Statements(Database& db)
    : series(db, "INSERT INTO series (id, name, labels, kind, unit, states, aggregation, on_change, interval_ns, tier_1s, "
             "raw_from_ns, resolution) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      producer(db,
               "INSERT INTO producers (id, ring, lane, first_seq, name, pid, pid_namespace, process_start_ns, "
               "claimed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      loss(db,
           "INSERT INTO losses (ring, lane, producer, reason, count, first_seq, last_seq, time_ns) "
           "VALUES (?, ?, nullif(?, 0), ?, ?, ?, ?, ?)"),
      batch(db, "INSERT INTO batches (id, committed_ns, min_ns, max_ns, samples, blob) VALUES (?, ?, ?, ?, ?, ?)"),
      cursor(db,
             "INSERT INTO cursors (ring, lane, next_seq, producer, stored, lost, duplicates, ledger) "
             "VALUES (?, ?, ?, nullif(?, 0), ?, ?, ?, ?) ON CONFLICT (ring, lane) DO UPDATE SET "
             "next_seq = excluded.next_seq, producer = excluded.producer, stored = excluded.stored, "
             "lost = excluded.lost, duplicates = excluded.duplicates, ledger = excluded.ledger"),
      durable(db, "UPDATE durability SET through_ns = ?, clean = ?") {}

namespace {

std::int64_t integer(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// Makes the commits within its life wait until the disk has them.
class Synced {
 public:
  Synced(Database& database, bool on) : database_(on ? &database : nullptr) {
    if (on) database.execute("PRAGMA synchronous = FULL");
  }
  ~Synced() {
    if (!database_) return;
    try {
      database_->execute("PRAGMA synchronous = NORMAL");
    } catch (const SqliteError&) {  // a transaction that cannot be rolled back; synced is never wrong
    }
  }
  Synced(const Synced&) = delete;
  Synced& operator=(const Synced&) = delete;

 private:
  Database* database_;
};

}  // namespace

/// Syncs in time for the next one not to be late, should this one fail or take long.
bool Store::sync_due(Clock::time_point now) const noexcept {
  return options_.durability == Durability::full ||
         (unsynced_since_ && now - *unsynced_since_ >= options_.durable_within / 2);
}

void Store::commit(const Batch& batch, Clock::time_point now, std::int64_t wall_ns) {
  auto& s = *statements_;
  if (!batch.samples.empty()) encode_batch(batch.samples, blob_);
  const auto committed_ns = std::max(wall_ns, last_commit_ns_ + 1);  // also when the clock steps back
  const bool sync = sync_due(now);
  const Synced synced(*database_, sync);
  Transaction transaction(*database_);
  for (const auto& row : batch.series) {
    const auto labels = labels_json(row.definition.labels);
    const auto states = nlohmann::json(row.definition.states).dump();
    const auto policy = options_.rules.of(row.definition);
    s.series.bind(1, std::int64_t{row.id})
        .bind(2, std::string_view(row.definition.name))
        .bind(3, std::string_view(labels))
        .bind(4, std::string_view(kind_name(row.definition.kind)))
        .bind(5, std::string_view(row.definition.unit))
        .bind(6, std::string_view(states))
        .bind(7, std::string_view(kind_name(policy.aggregation)))
        .bind(8, std::int64_t{policy.on_change})
        .bind(9, policy.interval_ns)
        .bind(10, std::int64_t{policy.tier_1s})
        .bind(11, policy.keep ? 0 : SeriesRule::dropped_ns)
        .bind(12, policy.resolution)
        .run();
  }
  for (const auto& row : batch.producers) {
    const auto name = row.holder.name();
    s.producer.bind(1, row.id)
        .bind(2, row.ring)
        .bind(3, std::int64_t{row.lane})
        .bind(4, integer(row.first_seq))
        .bind(5, std::string_view(name))
        .bind(6, std::int64_t{row.holder.pid})
        .bind(7, integer(row.holder.pid_namespace))
        .bind(8, row.holder.process_start_ns)
        .bind(9, row.holder.since_ns)
        .run();
  }
  for (const auto& row : batch.losses)
    s.loss.bind(1, row.ring)
        .bind(2, std::int64_t{row.lane})
        .bind(3, row.producer)
        .bind(4, std::string_view(loss_name(row.reason)))
        .bind(5, integer(row.count))
        .bind(6, integer(row.first_seq))
        .bind(7, integer(row.last_seq))
        .bind(8, row.time_ns)
        .run();
  if (!batch.samples.empty()) {
    const auto [first, last] = std::minmax_element(
        batch.samples.begin(), batch.samples.end(), [](auto& a, auto& b) { return a.time_ns < b.time_ns; });
    s.batch.bind(1, last_batch_ + 1)
        .bind(2, committed_ns)
        .bind(3, first->time_ns)
        .bind(4, last->time_ns)
        .bind(5, static_cast<std::int64_t>(batch.samples.size()))
        .bind(6, std::span<const std::byte>(blob_))
        .run();
  }
  for (const auto& row : batch.cursors)
    s.cursor.bind(1, row.ring)
        .bind(2, std::int64_t{row.lane})
        .bind(3, integer(row.next_seq))
        .bind(4, row.producer)
        .bind(5, integer(row.stored))
        .bind(6, integer(row.lost))
        .bind(7, integer(row.duplicates))
        .bind(8, std::string_view(row.ledger))
        .run();
  // SQLite shows this row to readers only once the WAL is synced up to it.
  if (sync) s.durable.bind(1, committed_ns).bind(2, std::int64_t{0}).run();
  transaction.commit();
  if (!batch.samples.empty()) ++last_batch_;
  last_commit_ns_ = committed_ns;
  if (sync)
    unsynced_since_.reset();
  else if (!unsynced_since_)
    unsynced_since_ = now;
}

void Store::sync_if_due(Clock::time_point now) {
  if (unsynced_since_ && sync_due(now)) note_durable(false);
}
void Store::stop() { note_durable(true); }

void Store::note_durable(bool clean) {
  const Synced synced(*database_, true);
  Transaction transaction(*database_);
  statements_->durable.bind(1, last_commit_ns_).bind(2, std::int64_t{clean}).run();
  transaction.commit();
  unsynced_since_.reset();
}

void Store::note_clock_step(std::int64_t step_ns) {
  constexpr std::int64_t rows_max = 1000;
  Transaction transaction(*database_);
  Statement insert(*database_, "INSERT INTO clock_steps (noticed_ns, step_ns) VALUES (?, ?)");
  insert.bind(1, options_.wall_ns()).bind(2, step_ns).run();
  Statement forget(*database_, "DELETE FROM clock_steps WHERE id <= (SELECT max(id) FROM clock_steps) - ?");
  forget.bind(1, rows_max).run();
  transaction.commit();
}

std::int64_t Store::durable_through_ns() { return database_->query_integer("SELECT through_ns FROM durability"); }

std::int64_t Store::ring_id(const std::string& name, const std::string& generation, std::int64_t created_ns) {
  Transaction transaction(*database_);
  Statement insert(*database_, "INSERT OR IGNORE INTO rings (name, generation, created_ns) VALUES (?, ?, ?)");
  insert.bind(1, std::string_view(name)).bind(2, std::string_view(generation)).bind(3, created_ns).run();
  Statement find(*database_, "SELECT id FROM rings WHERE name = ? AND generation = ?");
  find.bind(1, std::string_view(name)).bind(2, std::string_view(generation)).step();
  const auto id = find.integer(0);
  find.reset();
  transaction.commit();
  return id;
}

std::map<std::uint32_t, CursorRow> Store::cursors(std::int64_t ring) {
  std::map<std::uint32_t, CursorRow> out;
  Statement select(*database_,
                   "SELECT lane, next_seq, producer, stored, lost, duplicates, ledger FROM cursors WHERE ring = ?");
  select.bind(1, ring);
  while (select.step()) {
    const auto word = [&](int column) { return static_cast<std::uint64_t>(select.integer(column)); };
    const auto lane = static_cast<std::uint32_t>(select.integer(0));
    out[lane] = {ring, lane, word(1), select.integer(2), word(3), word(4), word(5), select.text(6)};
  }
  return out;
}

std::vector<SeriesRow> read_series(Database& database, std::int64_t from_id) {
  std::vector<SeriesRow> out;
  Statement select(database, "SELECT id, name, labels, kind, unit, states FROM series WHERE id >= ? ORDER BY id");
  select.bind(1, from_id);
  while (select.step()) {
    const auto what = [&] { return "series " + std::to_string(select.integer(0)) + ": "; };
    if (select.integer(0) < 1 || select.integer(0) > series_id_max)
      database.fail_damaged(what() + "ids go from 1 to " + std::to_string(series_id_max));
    SeriesRow row;
    row.id = static_cast<std::uint32_t>(select.integer(0));
    auto& d = row.definition;
    d.name = select.text(1);
    try {
      const auto labels = nlohmann::json::parse(select.text(2));
      for (const auto& [key, value] : labels.items()) d.labels.emplace_back(key, value.get<std::string>());
      if (const auto states = select.text(5); states != "[]")
        d.states = nlohmann::json::parse(states).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception& e) {
      throw ring::Error(ring::Failure::foreign,
                        "database " + database.path() + ": series " + std::to_string(row.id) + ": " + e.what());
    }
    const auto kind = select.text(3);
    d.kind = kind == "gauge" ? ring::Kind::gauge : kind == "counter" ? ring::Kind::counter : ring::Kind::state;
    if (kind != kind_name(d.kind)) database.fail_damaged(what() + "kind \"" + kind + "\", expected gauge, counter or state");
    d.unit = select.text(4);
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<SeriesRow> Store::series() { return read_series(*database_); }
std::int64_t Store::last_producer() {
  const auto last = database_->query_integer("SELECT coalesce(max(id), 0) FROM producers");
  if (last < 0 || last > row_id_max) database_->fail_damaged("producer " + std::to_string(last));
  return last;
}

}  // namespace ringdown
