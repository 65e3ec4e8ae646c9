// test_import.cpp: an import on a failing disk, and through power cuts. Whatever call fails, it ends with an error that says
// what to do; run again it ends as one that was left alone.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "../e2e/old_database.hpp"
#include "disk.hpp"
#include "import.hpp"
#include "schema.hpp"
#include "verify.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using storage::Call;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int runs_default = 4;
#else
constexpr int runs_default = 30;
#endif

struct Fault {
  Call call;
  int code;
  bool torn = false;  // half of a write is made
};
constexpr Fault faults[] = {{Call::open, SQLITE_CANTOPEN},         {Call::read, SQLITE_IOERR_READ},
                            {Call::write, SQLITE_IOERR_WRITE},     {Call::write, SQLITE_FULL, true},
                            {Call::sync, SQLITE_IOERR_FSYNC},      {Call::truncate, SQLITE_IOERR_TRUNCATE},
                            {Call::size, SQLITE_IOERR_FSTAT},      {Call::lock, SQLITE_IOERR_LOCK},
                            {Call::shm_map, SQLITE_IOERR_SHMMAP},  {Call::shm_lock, SQLITE_IOERR_SHMLOCK},
                            {Call::remove, SQLITE_IOERR_DELETE},   {Call::access, SQLITE_IOERR_ACCESS}};

/// Fails the Nth call of a kind, and counts them.
class Breaker : public storage::Watcher {
 public:
  Breaker(const Fault& fault, int nth) : fault_(fault), nth_(nth) { storage::watch(this); }
  ~Breaker() override { storage::watch(nullptr); }
  storage::Verdict before(const storage::Event& event) override {
    if (event.call != fault_.call || ++count != nth_) return {};
    path = event.path;
    return {fault_.code, fault_.torn ? event.bytes.size() / 2 : 0};
  }
  int count = 0;
  std::string path;  // whose call failed

 private:
  const Fault& fault_;
  int nth_;
};

struct Ended {
  int status;
  std::string error;
};

/// A folder with an old database of all granularities, and an import of it into a new one.
struct Importing {
  Importing() {
    {
      support::OldDatabase table(original);
      const auto hour_s = std::time(nullptr) / 3600 * 3600 - 3600;
      for (const auto& [granularity, width_s, from_s] :
           {std::tuple{"1h", 3600, hour_s - 14'400}, {"5m", 300, hour_s - 7200}, {"1m", 60, hour_s - 3600}})
        for (auto s = from_s; s < from_s + 3600; s += width_s) table.insert(s, "a", "rtt", static_cast<double>(s % 7), granularity);
      for (int i = 0; i < 600; ++i) table.insert(hour_s + i, "a", i % 2 ? "rtt" : "state", i % 5);
      table.insert(5, "a", "not a name", 1);
      table.commit();
    }
    ringdown::Database(original, ringdown::Database::Access::read_write_create).execute("PRAGMA journal_mode = DELETE");
    std::ofstream(config) << "[tiers]\n1s = \"forever\"\n";  // so that it does not depend on what time it is
    begin_anew();
    const auto undisturbed = run();
    INFO(undisturbed.error);
    REQUIRE(undisturbed.status == 0);
    expected = support::imported_contents(database);
    REQUIRE(expected.size() > 700);
  }
  ~Importing() { fs::remove_all(folder); }

  void begin_anew() const {
    fs::remove_all(place);
    fs::create_directory(place);
    fs::copy_file(original, old);
  }
  /// With what it says on standard error.
  Ended run() const {
    const auto said = (folder / "said").string();
    const int before = ::dup(STDERR_FILENO), file = ::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    ringdown::ImportCommand command;
    command.from = {old};
    command.database = database;
    command.config = config;
    command.quiet = true;
    const int status = ringdown::import_command(command);
    ::dup2(before, STDERR_FILENO);
    ::close(before);
    ::close(file);
    return {status, support::read_file(said)};
  }
  /// Run again, it ends as one that was left alone.
  void end_well() const {
    const auto again = run();
    INFO("again: " << again.error);
    REQUIRE(again.status == 0);
    const auto found = support::imported_contents(database);
    const auto [differs, instead] = std::mismatch(found.begin(), found.end(), expected.begin(), expected.end());
    INFO("found " << (differs == found.end() ? "nothing" : *differs));
    INFO("expected " << (instead == expected.end() ? "nothing" : *instead));
    REQUIRE((found == expected));
    require_whole();
  }
  /// What is there holds, if anything is.
  void require_whole() const {
    if (!fs::exists(database)) return;
    ringdown::Database sound(database, ringdown::Database::Access::read_write_create);
    REQUIRE(sound.query_integer("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    if (sound.query_integer("PRAGMA user_version") != ringdown::schema::version) return;
    const auto verified = ringdown::verify(sound, [](const std::string&, double) {});
    INFO(ringdown::verified_text(verified));
    REQUIRE(verified.findings() == 0);
  }

  fs::path folder = support::unique_folder(), place = folder / "place";
  std::string original = (folder / "original.db").string(), config = (folder / "keep.toml").string();
  std::string old = (place / "old.db").string(), database = (place / "m.db").string();
  std::vector<std::string> expected;
};

/// Some of the numbers from 1 to `most`, the first and the last among them.
std::vector<int> some_of(int most, std::mt19937_64& random) {
  const auto runs = support::rounds(runs_default);
  std::vector<int> out;
  for (int i = 0; i < most; ++i)
    if (i == 0 || i + 1 == most || static_cast<int>(random() % static_cast<unsigned>(most)) < runs) out.push_back(i + 1);
  return out;
}

}  // namespace

TEST_CASE("whichever call fails in an import, it says what to do, and run again it gives the same rows", "[storage][import]") {
  const auto seed = support::test_seed();
  std::mt19937_64 random(seed);
  const Importing importing;
  int runs = 0, failed = 0;
  for (const auto& fault : faults) {
    importing.begin_anew();
    int calls = 0;
    {
      Breaker counter(fault, 0);
      REQUIRE(importing.run().status == 0);
      calls = counter.count;
    }
    for (const auto nth : some_of(calls, random)) {
      INFO("RINGDOWN_SEED=" << seed << ": call " << nth << " of " << calls << ", of kind "
                            << storage::call_names[static_cast<std::size_t>(fault.call)] << ", fails with "
                            << sqlite3_errstr(fault.code));
      importing.begin_anew();
      Ended ended;
      {
        Breaker breaker(fault, nth);
        ended = importing.run();
        INFO("of " << breaker.path << ": " << ended.error);
        CHECK((ended.status == 0 || ended.status == 1));  // of some calls a failure means little
      }
      INFO(ended.error);
      if (ended.status == 1) {
        ++failed;
        CHECK_THAT(ended.error, Contains("import into " + importing.database) && Contains("run the same import again"));
      }
      ++runs;
      importing.end_well();
    }
  }
  CHECK(failed > runs / 2);
  WARN(runs << " imports with a failing call, of which " << failed << " ended with an error");
}

TEST_CASE("after a power cut at any write an import's database is whole, and run again it gives the same rows",
          "[storage][import][power]") {
  const auto seed = support::test_seed();
  std::mt19937_64 random(seed);
  const Importing importing;
  importing.begin_anew();
  int writes = 0;
  {
    storage::Disk disk(importing.place, random);
    REQUIRE(importing.run().status == 0);
    writes = disk.calls(Call::write);
  }
  int cuts = 0;
  for (const auto nth : some_of(writes, random)) {
    INFO("RINGDOWN_SEED=" << seed << ": the power fails in write " << nth << " of " << writes);
    importing.begin_anew();
    storage::Disk disk(importing.place, random);
    disk.cut_at(nth, Call::write);
    const auto ended = importing.run();
    cuts += disk.is_cut();
    disk.restart();
    INFO(ended.error);
    CHECK(ended.status == 1);
    importing.require_whole();
    importing.end_well();
  }
  WARN(cuts << " power cuts in " << writes << " writes");
  CHECK(cuts > 0);
}
