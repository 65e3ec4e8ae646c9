// test_reloaded_destination.cpp: ring-persister and a receiver that fails, dawdles and refuses, while the destination is
// added, changed and removed and the persister is killed: what arrives, and what is told of the rest.
#include <catch2/catch.hpp>

#include <signal.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "receiver.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"
#include "write_request.hpp"

using Catch::Contains;
using support::wait_for;

namespace {

using Samples = std::map<std::string, std::map<std::int64_t, double>>;  // series, millisecond

/// What no receiver takes in this test.
bool is_bad(const std::string& series, double value) { return series == "g0{}" && std::fmod(value, 1000) < 5; }

/// Takes what is by the specification, and remembers it.
class FakeReceiver {
 public:
  enum Mood { well, failing, slow };
  static constexpr std::chrono::milliseconds dawdles{300};  // longer than the deadline below

  explicit FakeReceiver(std::uint64_t seed) : random_(seed) {
    server_.Post("/.*", [this](const auto& request, auto& response) { take(request.body, response); });
    server_.set_keep_alive_max_count(1'000'000);
    server_.set_tcp_nodelay(true);
    REQUIRE(server_.bind_to_port("127.0.0.1", port_));
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~FakeReceiver() {
    be(well);
    server_.stop();
    thread_.join();
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  void be(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
    changed_.notify_all();
  }
  /// To be read when nothing comes any more.
  Samples has;
  std::vector<std::string> wrong;
  std::map<int, int> answers;  // by status

 private:
  void take(const std::string& body, httplib::Response& response) {
    std::unique_lock lock(mutex_);
    if (mood_ == slow) changed_.wait_for(lock, dawdles, [&] { return mood_ != slow; });
    response.status = mood_ == failing && random_() % 4 != 0 ? 500 : answer(body, response);
    ++answers[response.status];
  }
  int answer(const std::string& body, httplib::Response& response) {
    std::vector<support::SentSeries> all;
    try {
      all = support::read_write_request(body);
    } catch (const std::runtime_error& e) {
      wrong.push_back(e.what());
    }
    for (const auto& series : all)
      for (const auto& [time_ms, value] : series.samples)
        if (is_bad(series.text(), value)) {
          response.set_content("a bad value: " + std::to_string(value), "text/plain");
          return 400;
        }
    for (const auto& series : all)
      for (const auto& [time_ms, value] : series.samples) {
        if (std::isnan(value)) continue;  // a marker
        const auto [at, is_new] = has[series.text()].try_emplace(time_ms, value);
        if (!is_new && at->second != value) wrong.push_back(series.text() + ": two values in one millisecond");
      }
    return 204;
  }

  httplib::Server server_;
  int port_ = support::free_port();
  std::thread thread_;
  std::mutex mutex_;  // of what follows, and what is public
  std::condition_variable changed_;
  Mood mood_ = well;
  std::mt19937_64 random_;
};

struct Fixture {
  ~Fixture() {
    persister = {};
    std::filesystem::remove_all(folder);
  }
  void configure(const std::string& destination) const {
    // Renamed, for a persister that is killed may be reading it.
    std::ofstream(config + ".new") << "database = \"" << database << "\"\nrings = [\"" << ring
                                   << "\"]\nround_ms = 5\ncommit_ms = 50\nown_metrics_s = 0\nlanes = 4\n" << destination;
    std::filesystem::rename(config + ".new", config);
  }
  /// Returns once the ring is drained.
  void start() {
    persister = support::Child({RING_PERSISTER_PATH, "--config", config, "--log-level", "warn"}, folder / "log");
    wait_for("the persister", [&] {
      if (!persister.running()) throw std::runtime_error("the persister ended: " + support::read_file(folder / "log"));
      try {
        return ring::lock::is_held(ring::Segment::inspect(ring).descriptor(), ring::abi::lock_reader);
      } catch (const ring::Error&) {  // not created yet
        return false;
      }
    });
  }
  std::int64_t query(const std::string& sql) const { return support::query(database, sql); }
  Samples stored() const {
    ringdown::Database db(database, ringdown::Database::Access::read_only);
    std::map<std::uint32_t, std::string> names;
    for (const auto& row : ringdown::read_series(db)) names[row.id] = row.definition.name + "{}";
    Samples out;
    ringdown::RawReader reader(db, {}, [](const auto& what, auto, auto) { throw std::runtime_error(what); });
    for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
      for (const auto& sample : samples) out[names.at(sample.series)][sample.time_ns / 1'000'000] = sample.value;
    return out;
  }

  std::string ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::string database = (folder / "m.db").string(), config = (folder / "p.toml").string();
  support::Child persister;
};

/// Pushes five series until the end of its scope, no two samples of one in a millisecond.
class Pushing {
 public:
  explicit Pushing(const std::string& ring) {
    thread_ = std::thread([this, ring] {
      ring::Producer producer(ring);
      std::vector<ring::Series> series;
      for (int i = 0; i < 5; ++i) series.push_back(producer.gauge("g" + std::to_string(i)));
      for (double value = 0; !stop_; ++value, ::usleep(2000)) {
        const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
        for (const auto one : series) pushed_ += producer.push(one, value, now_ns);
      }
    });
  }
  ~Pushing() { end(); }
  std::int64_t end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return pushed_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::int64_t pushed_ = 0;
  std::thread thread_;
};

}  // namespace

TEST_CASE("through reloads, kills and a receiver's moods every stored sample arrives, or is set aside and told", "[receivers]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  FakeReceiver receiver(seed);
  Fixture f;
  const auto destination = [&] {
    return "[[remote_write]]\nname = \"site\"\nurl = \"" + receiver.url(random() % 2 ? "/a" : "/b") +
           "\"\ndeadline_ms = 200\nbatch_samples = " + std::to_string(1 + random() % 300) +
           "\nrewind_s = " + std::to_string(random() % 2 * (1 + random() % 3)) + "\n";
  };
  f.configure("");
  f.start();
  Pushing pushing(f.ring);
  int kills = 0, reloads = 0, removals = 0;
  for (int rounds = support::rounds(18), i = 0; i < rounds; ++i) {
    const bool is_removed = i % 6 == 3;
    removals += is_removed;
    f.configure(is_removed ? "" : destination());
    if (i % 4 == 2) {
      f.persister.kill();
      ++kills;
      f.start();
    } else {
      f.persister.signal(SIGHUP);
      ++reloads;
    }
    for (auto moods = 1 + random() % 4; moods > 0; --moods) {
      receiver.be(std::array{FakeReceiver::well, FakeReceiver::failing, FakeReceiver::slow}[random() % 3]);
      ::usleep(static_cast<useconds_t>(random() % 500'000));
    }
  }
  const auto pushed = pushing.end();
  receiver.be(FakeReceiver::well);
  f.configure(destination());
  f.persister.signal(SIGHUP);
  wait_for("the samples to be stored", [&] { return f.query("SELECT sum(stored) FROM cursors") == pushed; });
  wait_for("the samples to be accepted: " + support::read_file(f.folder / "log"),
           [&] { return f.query("SELECT accepted FROM remote_write") == f.query("SELECT max(id) FROM batches"); });
  f.persister.signal(SIGTERM);
  CHECK(f.persister.wait() == 0);

  auto expected = f.stored();
  std::set<std::int64_t> bad_ms;
  for (const auto& [time_ms, value] : expected.at("g0{}"))
    if (is_bad("g0{}", value)) bad_ms.insert(time_ms);
  for (const auto time_ms : bad_ms) expected.at("g0{}").erase(time_ms);
  CHECK(receiver.wrong == std::vector<std::string>{});
  CHECK(receiver.has.size() == 5);
  for (const auto& [series, samples] : expected) {
    INFO(series);
    CHECK(receiver.has[series].size() == samples.size());
    CHECK((receiver.has[series] == samples));
  }
  std::set<std::int64_t> aside_ms;
  {
    ringdown::Database db(f.database, ringdown::Database::Access::read_only);
    ringdown::Statement rows(db, "SELECT time_ms, metric, why FROM remote_write_aside WHERE destination = 'site' AND held = 0");
    while (rows.step()) {
      aside_ms.insert(rows.integer(0));
      CHECK(rows.text(1) == "g0");
      CHECK_THAT(rows.text(2), Contains("HTTP 400: a bad value: "));
    }
  }
  CHECK_FALSE(bad_ms.empty());
  CHECK((aside_ms == bad_ms));
  const auto status = support::run({RING_PERSISTER_PATH, "status", "--db", f.database, "--json"});
  CHECK(status.status == 0);
  const auto told = nlohmann::json::parse(status.output).at("site");
  CHECK(told.at("refused") == bad_ms.size());
  CHECK(told.at("lost") == 0);
  CHECK_THAT(told.at("refused_last").get<std::string>(), Contains("g0 ") && Contains("HTTP 400: a bad value: "));
  CHECK_THAT(support::run({RING_PERSISTER_PATH, "status", "--db", f.database}).output, Contains("refused last: g0 "));
  CHECK(receiver.answers[400] > 0);
  WARN(kills << " kills, " << reloads << " reloads, " << removals << " removals, " << pushed << " samples, " << bad_ms.size()
             << " set aside, " << receiver.answers[204] << " answers 204, " << receiver.answers[400] << " 400, "
             << receiver.answers[500] << " 500, " << told.at("rewinds") << " rewinds");
}
