// Power cuts: the machine, and with it the rings, is gone in the middle of any call of SQLite to the system,
// and of what was written and not synced the disk keeps what it likes. Then:
//   - the database opens, its integrity is checked, and it holds what it held after the last cut and, of what
//   was
//     committed since, the first so many commits, whole;
//   - it holds all that was durable;
//   - each sample is there once, the cursors and losses are those of the commits that are there, and each
//   tier is the
//     rollup of the batches up to its progress row.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "disk.hpp"
#include "recorder.hpp"
#include "stored.hpp"

using storage::Call;
using storage::Disk;
using storage::Recorder;

namespace {

constexpr std::int64_t values_a_life = 100'000;

/// All that were ever committed: their ids begin with 1.
const std::string count_batches = "SELECT (SELECT through_batch FROM sealed) + count(*) FROM batches "
                                  "WHERE id > (SELECT through_batch FROM sealed)";

/// What is in a database: by life and lane, how many samples, in order and each once.
struct Held {
  std::map<std::string, std::map<std::int64_t, std::int64_t>> samples;
  std::int64_t batches = 0;
};

Held read(ringdown::Database& db) {
  Held out;
  std::map<std::uint32_t, std::string> names;
  for (const auto& row : ringdown::read_series(db)) names[row.id] = row.definition.name;
  std::map<std::uint32_t, double> last;
  std::vector<std::int64_t> counts{0};  // of samples up to each batch
  std::vector<double> sums{0};          // of values
  bool in_order = true, whole = true;
  const auto take = [&](std::uint32_t series, double value) {
    in_order &= !last.contains(series) || value > last[series];
    last[series] = value;
    sums.back() += value;
    ++out.samples[names.at(series)][static_cast<std::int64_t>(value) / values_a_life];
  };
  ringdown::RawReader sealed(db, {.sealed_only = true}, [](const auto& what, auto, auto) { FAIL(what); });
  for (auto samples = sealed.next(); !samples.empty(); samples = sealed.next()) {
    for (const auto& sample : samples) take(sample.series, sample.value);
    counts.back() += static_cast<std::int64_t>(samples.size());
  }
  out.batches = db.query_integer("SELECT through_batch FROM sealed");
  ringdown::Statement batches(
      db, "SELECT id, samples, blob FROM batches WHERE id > (SELECT through_batch FROM sealed) ORDER BY id");
  while (batches.step()) {
    in_order &= batches.integer(0) == ++out.batches;
    const ringdown::BatchView view(batches.blob(2));
    whole &= view.samples() == batches.integer(1);
    counts.push_back(counts.back() + view.samples());
    sums.push_back(sums.back());
    for (std::uint32_t c = 0; c < view.series(); ++c) {
      const auto column = view.column(c);
      for (std::uint32_t i = 0; i < column.count; ++i) take(column.series, column.value(i));
    }
  }
  CHECK(in_order);
  CHECK(whole);
  for (const std::string tier : {"tier_1s", "tier_1m"}) {  // what is missing is made, and nothing twice
    support::fold_all(db, tier);
    CHECK(db.query_integer("SELECT sum(count) FROM " + tier) == counts.back());
    CHECK(db.query_integer("SELECT sum(sum) FROM " + tier) == std::llround(sums.back()));
  }
  CHECK(db.query_integer("SELECT sum(stored) FROM cursors") == counts.back());
  CHECK(db.query_integer("SELECT sum(lost) FROM cursors") ==
        db.query_integer("SELECT sum(count) FROM losses"));
  CHECK(db.query_integer("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
  return out;
}

struct Totals {
  int at_syncs = 0, at_calls = 0, after_the_end = 0, lost_commits = 0, published = 0;
  Disk::Counts disk;
};

/// One database through many lives of the machine.
class Machine {
 public:
  Machine(std::mt19937_64& random, Totals& totals) : random_(random), totals_(totals) {}
  ~Machine() { std::filesystem::remove_all(folder_); }

  void live_and_check(int index) {
    Recorder recorder(folder_ / "m.db", life_ * values_a_life);
    full_ = random_() % 4 == 0;
    if (full_) recorder.store_options().durability = ringdown::Durability::full;
    Recorder::Sequences durable{};
    std::vector<Recorder::Sequences> commits;
    {
      Disk disk(folder_, random_);
      disk.synced = [&](const std::string& path) {
        if (path.ends_with("-wal")) durable = recorder.released();
      };
      choose_cut(disk, index);
      live(recorder, disk, commits);
      (disk.is_cut() ? index % 2 ? totals_.at_calls : totals_.at_syncs : totals_.after_the_end) += 1;
      if (!disk.is_cut()) calls_ = disk.calls(), syncs_ = disk.calls(Call::sync);
      disk.restart();
      add(disk.counts());
    }
    check(recorder, durable, commits);
    ++life_;
  }

 private:
  void choose_cut(Disk& disk, int index) {
    if (index % 2 == 0)
      disk.cut_at(1 + index / 2 % (syncs_ + 1), Call::sync);
    else  // in a first life mostly while the database is made
      disk.cut_at(1 +
                  static_cast<int>(random_() % static_cast<unsigned>(life_ == 0 ? creation_calls : calls_)));
  }

  void live(Recorder& recorder, Disk& disk, std::vector<Recorder::Sequences>& commits) {
    constexpr int rounds = 6;
    if (recorder.start())
      for (int i = 0; i < rounds && !disk.is_cut(); ++i) {
        recorder.push(1 + static_cast<int>(random_() % 30));
        commits.push_back(recorder.pushed());
        recorder.round();
        if (!disk.is_cut()) read_published(disk);
      }
    recorder.end();
  }

  /// What a reader is told survives; all of it with durability `full`.
  void read_published(Disk& disk) {
    storage::watch(nullptr);
    {
      ringdown::Database db(folder_ / "m.db", ringdown::Database::Access::read_only);
      published_ = {db.query_integer("SELECT through_ns FROM durability"),
                    db.query_integer(count_batches + " AND committed_ns <= "
                                     "(SELECT through_ns FROM durability)")};
      if (full_) CHECK(published_.batches == db.query_integer(count_batches));
    }
    storage::watch(&disk);
  }

  /// The surviving files are checked in a copy, so that the next life begins with what the cut has left.
  void check(const Recorder& recorder, const Recorder::Sequences& durable,
             const std::vector<Recorder::Sequences>& commits) {
    const auto copy = support::unique_folder();
    for (const auto& file : std::filesystem::directory_iterator(folder_))
      if (!file.path().string().ends_with(".lock"))
        std::filesystem::copy_file(file.path(), copy / file.path().filename());
    {
      ringdown::Store store(copy / "m.db");
      auto& db = store.database();
      Recorder::Sequences stored{};
      for (std::size_t lane = 0; lane < stored.size(); ++lane)
        stored[lane] = static_cast<std::uint64_t>(
            db.query_integer("SELECT next_seq - 1 FROM cursors JOIN rings ON rings.id = ring WHERE name = '" +
                             recorder.ring(lane) + "'"));
      INFO("stored up to " << stored[0] << ", " << stored[1] << "; durable up to " << durable[0] << ", "
                           << durable[1]);
      const auto last = std::find(commits.begin(), commits.end(), stored);
      CHECK((stored == Recorder::Sequences{} || last != commits.end()));
      for (std::size_t lane = 0; lane < stored.size(); ++lane) CHECK(stored[lane] >= durable[lane]);
      auto now = read(db);
      CHECK(now.batches >= published_.batches);
      CHECK(store.durable_through_ns() >= published_.through_ns);
      totals_.published += published_.batches > held_.batches;
      for (auto& [name, lives] : held_.samples)
        for (const auto& [life, count] : lives) CHECK(now.samples[name][life] == count);
      held_ = std::move(now);
      totals_.lost_commits += stored != recorder.released();
    }
    std::filesystem::remove_all(copy);
  }

  void add(const Disk::Counts& counts) {
    totals_.disk.kept += counts.kept;
    totals_.disk.dropped += counts.dropped;
    totals_.disk.torn += counts.torn;
    totals_.disk.entries += counts.entries;
  }

  std::mt19937_64& random_;
  Totals& totals_;
  std::filesystem::path folder_ = support::unique_folder();
  Held held_;
  struct {
    std::int64_t through_ns = 0, batches = 0;
  } published_;
  bool full_ = false;  // durability
  std::int64_t life_ = 0;
  static constexpr int creation_calls = 120;
  int calls_ = 500, syncs_ = 20;  // of a life without a cut
};

}  // namespace

TEST_CASE("two thousand power cuts leave whole commits, and all that was durable", "[storage][power]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  Totals totals;
  constexpr int lives = 8;
  std::optional<Machine> machine;
  const int cuts = support::rounds(support::is_sanitized ? 500 : 2000);
  for (int i = 0; i < cuts; ++i) {
    INFO("cut " << i);
    if (i % lives == 0) machine.emplace(random, totals);
    machine->live_and_check(i);
  }
  WARN(cuts << " cuts: at a sync " << totals.at_syncs << ", at another call " << totals.at_calls
            << ", after the end " << totals.after_the_end << "; writes not synced: " << totals.disk.kept
            << " kept, " << totals.disk.dropped << " dropped, " << totals.disk.torn << " torn; entries open: "
            << totals.disk.entries << "; cuts that lost a commit: " << totals.lost_commits
            << ", that came after a batch was published as durable: " << totals.published);
}

TEST_CASE("with durability full a commit that has returned outlives every power cut", "[storage][power]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto folder = support::unique_folder();
  const auto path = (folder / "m.db").string();
  { ringdown::Store make(path); }
  std::int64_t held = 0, under_way = 0;
  const int cuts = support::rounds(300);
  for (int i = 0; i < cuts; ++i) {
    INFO("cut " << i);
    std::int64_t returned = held;
    Disk disk(folder, random);
    disk.cut_at(1 + static_cast<int>(random() % 60), random() % 2 ? Call::write : Call::shm_lock);
    try {
      ringdown::Store store(path, {.durability = ringdown::Durability::full});
      for (int n = 0; n < 8; ++n) {
        ringdown::Batch batch;
        batch.samples.assign(100, {returned, static_cast<double>(returned), 1});
        store.commit(batch);
        ++returned;
        if (n == 4) store.database().checkpoint_passive();
      }
    } catch (const ringdown::SqliteError&) {
      CHECK(disk.is_cut());
    }
    disk.restart();
    held = ringdown::Store(path).database().query_integer(count_batches);
    CHECK(held >= returned);
    CHECK(held <= returned + 1);
    under_way += held - returned;
  }
  std::filesystem::remove_all(folder);
  WARN(cuts << " cuts, " << held << " commits, of them under way at a cut and kept: " << under_way);
}
