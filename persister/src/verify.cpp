// verify.cpp: what verify does and prints, and the checks of everything but the tiers.
#include "verify.hpp"
#include "window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "bar.hpp"
#include "batch.hpp"
#include "fold.hpp"
#include "ring/error.hpp"
#include "schema.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

constexpr std::size_t shown_max = 20;

class BatchCheck {
 public:
  BatchCheck(Database& database, Verified& out)
      : database_(database),
        out_(out),
        batches_(database,
                 "SELECT id, committed_ns, min_ns, max_ns, samples, blob, (SELECT why FROM damaged_batches "
                 "WHERE batch = id) "
                 "FROM batches WHERE id > ? ORDER BY id LIMIT ?"),
        series_(database, "SELECT 1 FROM series WHERE id = ?") {}

  /// A read transaction lasts for 1,000 batches: they never change.
  void run(const Told& told) {
    const auto first = database_.query_integer("SELECT min(id) FROM batches"),
               last = database_.query_integer("SELECT max(id) FROM batches");
    for (bool more = true; more;) {
      batches_.bind(1, id_).bind(2, std::int64_t{1000});
      for (more = false; batches_.step(); more = true) check();
      batches_.reset();
      told("batches",
           static_cast<double>(id_ - first) / static_cast<double>(std::max<std::int64_t>(last - first, 1)));
    }
    for (const auto series : orphans_)
      out_.references.find(fmt::format("batches: samples of series {}, expected a row in series", series));
    Statement gone(database_, "SELECT batch, samples, why FROM damaged_batches ORDER BY batch");
    while (gone.step())
      out_.batches.note(
          fmt::format("batch {} was found damaged: {}; its {} samples are in no rollup made after that",
                      gone.integer(0), gone.text(2), gone.integer(1)));
  }

 private:
  void check() {
    id_ = batches_.integer(0);
    const auto committed_ns = batches_.integer(1), samples = batches_.integer(4);
    ++out_.batches.rows;
    if (committed_ns_ && committed_ns <= *committed_ns_)
      find(fmt::format("committed_ns {}, expected more than the {} of the batch before", committed_ns,
                       *committed_ns_));
    committed_ns_ = committed_ns;
    try {
      const BatchView view(batches_.blob(5));
      if (view.samples() != samples)
        find(fmt::format("samples {}, expected {} by its blob", samples, view.samples()));
      check_columns(view);
    } catch (const std::runtime_error& e) {
      if (batches_.text(6).empty()) find(fmt::format("its {} samples cannot be read: {}", samples, e.what()));
    }
  }

  void check_columns(const BatchView& view) {
    auto min_ns = std::numeric_limits<std::int64_t>::max(), max_ns = std::numeric_limits<std::int64_t>::min();
    for (std::uint32_t c = 0; c < view.series(); ++c) {
      const auto& column = view.column(c);
      for (std::uint32_t i = 0; i < column.count; ++i) {
        min_ns = std::min(min_ns, column.time_ns(i));
        max_ns = std::max(max_ns, column.time_ns(i));
      }
      if (known_.contains(column.series)) continue;
      series_.bind(1, std::int64_t{column.series});
      (series_.step() ? known_ : orphans_).insert(column.series);
      series_.reset();
    }
    if (view.samples() > 0 && (min_ns != batches_.integer(2) || max_ns != batches_.integer(3)))
      find(fmt::format("min_ns {} and max_ns {}, expected {} and {} by its blob", batches_.integer(2),
                       batches_.integer(3), min_ns, max_ns));
  }

  void find(const std::string& what) { out_.batches.find(fmt::format("batch {}: ", id_) + what); }

  Database& database_;
  Verified& out_;
  Statement batches_, series_;
  std::int64_t id_ = std::numeric_limits<std::int64_t>::min();
  std::optional<std::int64_t> committed_ns_;
  std::set<std::uint32_t> known_, orphans_;
};

/// Every row of a query is a finding: its first column says where, the others what is missing.
void check_references(Database& database, Verified::Check& out) {
  constexpr const char* queries[] = {
      "SELECT 'latest series ' || t.series, 'series' FROM latest AS t WHERE t.series NOT IN (SELECT id FROM "
      "series)",
      "SELECT 'dirty ' || tier || ' bucket ' || bucket || ' series ' || t.series, 'series' FROM dirty AS t "
      "WHERE t.series NOT IN (SELECT id FROM series)",
      "SELECT 'losses ' || id || ' ring ' || ring, 'rings' FROM losses WHERE ring NOT IN (SELECT id FROM "
      "rings)",
      "SELECT 'losses ' || id || ' producer ' || producer, 'producers' FROM losses WHERE producer > 0 AND "
      "producer NOT IN (SELECT id FROM producers)",
      "SELECT 'cursors ring ' || ring || ' lane ' || lane, 'rings' FROM cursors WHERE ring NOT IN (SELECT id "
      "FROM rings)",
      "SELECT 'cursors ring ' || ring || ' lane ' || lane || ' producer ' || producer, 'producers' FROM "
      "cursors "
      "WHERE producer > 0 AND producer NOT IN (SELECT id FROM producers)",
      "SELECT 'producers ' || id || ' ring ' || ring, 'rings' FROM producers WHERE ring NOT IN (SELECT id "
      "FROM rings)"};
  for (const auto* table : {"latest", "dirty", "losses", "cursors", "producers"})
    out.rows += database.query_integer(std::string("SELECT count(*) FROM ") + table);
  for (const auto* query : queries)
    for (Statement each(database, query); each.step();)
      out.find(each.text(0) + ": no such row in " + each.text(1) + ", expected one");
}

void check_cursors(Database& database, Verified::Check& out) {
  out.rows = database.query_integer("SELECT count(*) FROM cursors");
  const auto stored = database.query_integer("SELECT total(stored) FROM cursors");
  const auto samples = database.query_integer(
      "SELECT total(samples) FROM (SELECT samples FROM batches WHERE id > (SELECT through_batch FROM sealed) UNION ALL "
      "SELECT samples FROM windows)");
  if (stored < samples)
    out.find(fmt::format("cursors: stored {} together, expected {} at least, the raw samples", stored,
                         samples));
  Statement lost(
      database,
      "SELECT ring, lane, sum(lost), sum(told) FROM (SELECT ring, lane, lost, 0 AS told FROM cursors UNION "
      "ALL "
      "SELECT ring, lane, 0, count FROM losses) GROUP BY ring, lane HAVING sum(lost) <> sum(told)");
  while (lost.step())
    out.find(fmt::format("cursors ring {} lane {}: lost {}, expected {}, the sum of its losses",
                         lost.integer(0), lost.integer(1), lost.integer(2), lost.integer(3)));
  // A commit without samples has no row in batches, but none is of the future, unless a clock stepped back.
  const auto through_ns = database.query_integer("SELECT through_ns FROM durability");
  const auto newest_ns =
      std::max(database.query_integer("SELECT max(committed_ns) FROM batches"), realtime_ns());
  if (through_ns > newest_ns)
    out.find(fmt::format("durability: through_ns {}, expected up to {}, the newest commit or now", through_ns,
                         newest_ns));
}

/// Whether progress rows contradict the batches or one another. @return whether the tiers can be checked by
/// them
bool check_progress(Database& database, Verified::Check& out) try {
  const auto through = window::read_sealed(database).through_batch;
  const auto newest = std::max(database.query_integer("SELECT max(id) FROM batches"), through);
  for (const auto* job : {"tier_1s", "tier_1m"}) {
    ++out.rows;
    const auto at = read_progress(database, job);
    if (newest > 0 && at.target > newest)
      out.find(
          fmt::format("progress {} done: {}, target: {}, expected up to {}, the newest batch; later ones "
                      "would be skipped",
                      job, at.done, at.target, newest));
    if (at.replay <= through && newest > 0)
      out.find(fmt::format("progress {} replay: {}, expected more than {}, the last batch that is sealed", job, at.replay,
                           through));
  }
  const std::pair<const char*, const char*> wide[] = {{"tier_1m", "tier_5m"}, {"tier_5m", "tier_1h"}};
  for (const auto& [from, to] : wide) {
    ++out.rows;
    const auto width_s = to == std::string("tier_5m") ? 300 : 3600;
    const auto below_s = read_progress(database, from).frontier_s,
               next_s = read_progress(database, to).next_frontier_s;
    if (next_s >= below_s + width_s)
      out.find(fmt::format("progress {} next_frontier: {}, expected less than {} by the frontier of {}", to,
                           next_s, below_s + width_s, from));
  }
  return true;
} catch (const SqliteError& e) {  // one contradicts itself, or is not there
  if (!e.is_damage()) throw;
  out.find(std::string(e.what()) + "; the tiers cannot be checked");
  return false;
}

}  // namespace

void require_ours(Database& database, Older older) {
  const auto application = database.query_integer("PRAGMA application_id");
  const auto version = database.query_integer("PRAGMA user_version");
  if (application != schema::application_id)
    throw ring::Error(
        ring::Failure::foreign,
        fmt::format("database {}: application_id {}, expected {}: no persister made it; check --db",
                    database.path(), application, schema::application_id));
  if (version > schema::version || (version < schema::version && older == Older::refused))
    throw ring::Error(
        ring::Failure::bad_version,
        fmt::format("database {}: schema version {}, this program reads {}; {}", database.path(), version,
                    schema::version,
                    version < schema::version ? "start ring-persister once, which brings it up to date"
                                              : "upgrade ring-persister"));
}

void Verified::Check::find(std::string what) {
  if (++findings <= static_cast<std::int64_t>(shown_max)) shown.push_back(std::move(what));
}
void Verified::Check::note(std::string what) {
  if (notes.size() < shown_max) notes.push_back(std::move(what));
}

std::vector<const Verified::Check*> Verified::checks() const {
  return {&batches, &windows, &samples_1s, &samples_1m, &wide_5m, &wide_1h,
          &rows,    &frontiers,  &references, &cursors, &progress};
}
std::int64_t Verified::findings() const {
  std::int64_t sum = 0;
  for (const auto* check : checks()) sum += check->findings;
  return sum;
}

std::int64_t kept_from_s(Database& database, const std::string& job) {
  return database.query_integer("SELECT expired FROM progress WHERE job = '" + job + "'");
}
std::string place(const std::string& tier, std::int64_t bucket_s, std::int64_t series) {
  return fmt::format("{} bucket {} series {}: ", tier, bucket_s, series);
}

Verified verify(Database& database, const Told& told) {
  require_ours(database);
  Verified out;
  const auto pass = [&](auto check) {
    const Snapshot snapshot(database);
    check();
  };
  BatchCheck(database, out).run(told);
  verify_windows(database, out, told);
  bool can_go_on = false;
  pass([&] {
    check_references(database, out.references);
    check_cursors(database, out.cursors);
    can_go_on = check_progress(database, out.progress);
  });
  if (!can_go_on) return out;
  for (const auto* tier : {"tier_1s", "tier_1m"}) pass([&] { verify_samples(database, tier, out, told); });
  pass([&] { verify_wide(database, "tier_1m", "tier_5m", out, told); });
  pass([&] { verify_wide(database, "tier_5m", "tier_1h", out, told); });
  for (const auto* tier : {"tier_1s", "tier_1m", "tier_5m", "tier_1h"})
    pass([&] { verify_rows(database, tier, out, told); });
  return out;
}

std::string verified_text(const Verified& verified) {
  auto text =
      fmt::format("{:<20} {:>12} {:>10} {:>10} {:>10}\n", "check", "rows", "left out", "future", "findings");
  for (const auto* c : verified.checks())
    text += fmt::format("{:<20} {:>12} {:>10} {:>10} {:>10}\n", c->name, c->rows, c->left_out, c->future,
                        c->findings);
  for (const auto* c : verified.checks()) {
    for (const auto& what : c->shown) text += "\n" + c->name + ": " + what;
    if (c->findings > static_cast<std::int64_t>(c->shown.size()))
      text +=
          fmt::format("\n{}: and {} more", c->name, c->findings - static_cast<std::int64_t>(c->shown.size()));
    for (const auto& what : c->notes) text += "\n" + c->name + ", to be known: " + what;
  }
  if (text.back() != '\n') text += '\n';
  const auto findings = verified.findings();
  return text + (findings == 0 ? "All holds.\n" : fmt::format("{} findings.\n", findings));
}

std::string verified_json(const Verified& verified) {
  auto checks = nlohmann::ordered_json::array();
  for (const auto* c : verified.checks())
    checks.push_back({{"check", c->name},
                      {"rows", c->rows},
                      {"left_out", c->left_out},
                      {"future", c->future},
                      {"findings", c->findings},
                      {"shown", c->shown},
                      {"notes", c->notes}});
  return nlohmann::ordered_json{
             {"holds", verified.findings() == 0}, {"findings", verified.findings()}, {"checks", checks}}
             .dump(2) +
         "\n";
}

int verify_command(const std::string& file, bool json, bool quiet) {
  Verified verified;
  try {
    Database database(file, Database::Access::read_only);
    Bar bar;
    verified = verify(database, [&](const auto& pass, double part) {
      if (!quiet) bar.draw(pass, part);
    });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 3;
  }
  const bool holds = verified.findings() == 0;
  if (!holds || !quiet)
    std::fputs((json ? verified_json(verified) : verified_text(verified)).c_str(), stdout);
  return holds ? 0 : 1;
}

}  // namespace ringdown
