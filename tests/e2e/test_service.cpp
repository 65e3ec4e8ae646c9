// test_service.cpp: ring-persister under a service manager: what it tells it, and how it takes SIGHUP.
#include <catch2/catch.hpp>
#include <httplib.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>

#include "port.hpp"
#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

using Catch::Contains;

namespace {

/// Stands in for the service manager: the socket of sd_notify(3).
class Manager {
 public:
  explicit Manager(const std::filesystem::path& folder) : path_((folder / "notify").string()) {
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Manager() { ::close(socket_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// The next message that has this line in it; the rest up to there is in told(). Gives up after a minute.
  std::string wait_for(const std::string& word) {
    for (;;) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, 60'000) != 1) throw std::runtime_error("not told: " + word + "; told: " + told_);
      char text[4096];
      const auto bytes = ::recv(socket_, text, sizeof text, 0);
      const std::string message(text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
      told_ += message + "\n";
      if (message.find(word) != std::string::npos) return message;
    }
  }
  const std::string& told() const noexcept { return told_; }

 private:
  std::string path_, told_;
  int socket_;
};

struct Fixture {
  std::string ring = support::unique_ring(), other_ring = support::unique_ring();
  std::filesystem::path folder = support::unique_folder();
  std::string database = (folder / "m.db").string(), file = (folder / "p.toml").string();
  Manager manager{folder};

  void configure(const std::string& more = "", const std::string& rings = "") const {
    std::ofstream(file) << "database = \"" << database << "\"\nrings = [\"" << ring << "\"" << rings
                        << "]\nround_ms = 5\ncommit_ms = 20\n" << more;
  }
  support::Child start(std::vector<std::string> environment = {}, std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"/usr/bin/env", "NOTIFY_SOCKET=" + manager.path()};
    words.insert(words.end(), environment.begin(), environment.end());
    words.insert(words.end(), {RING_PERSISTER_PATH, "--config", file});
    words.insert(words.end(), more.begin(), more.end());
    return support::Child(words, folder / "log");
  }
  std::string log() const { return support::read_file(folder / "log"); }
};

}  // namespace

TEST_CASE("READY is told once the rings are drained, STOPPING at the end, and the watchdog is fed by rounds", "[service]") {
  Fixture f;
  f.configure();
  auto persister = f.start({"WATCHDOG_USEC=40000"});
  CHECK_THAT(f.manager.wait_for("READY=1"), Contains("STATUS=drains 1 ring"));
  CHECK(ring::lock::is_held(ring::Segment::inspect(f.ring).descriptor(), ring::abi::lock_reader));
  for (int i = 0; i < 5; ++i) f.manager.wait_for("WATCHDOG=1");
  persister.signal(SIGTERM);
  f.manager.wait_for("STOPPING=1");
  CHECK(persister.wait() == 0);
  CHECK_THAT(f.manager.told(), !Contains("RELOADING"));
}

TEST_CASE("SIGHUP reloads a changed configuration at once, and says what needs a restart", "[service]") {
  Fixture f;
  f.configure();
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  f.configure("log_level = \"warn\"\nlanes = 8\n[[rule]]\nname = \"a\"\ntier_1s = false\n", ", \"" + f.other_ring + "\"");
  persister.signal(SIGHUP);
  f.manager.wait_for("RELOADING=1");
  f.manager.wait_for("READY=1");
  {
    ring::Producer p(f.other_ring), q(f.ring);
    CHECK(ring::Segment::inspect(f.other_ring).geometry().lanes == 8);
    for (auto* producer : {&p, &q}) producer->push(producer->gauge("a"), 1);
  }
  std::ofstream(f.file) << "database = \"" << f.database << ".other\"\nrings = [\"" << f.ring << "\"]\n";
  persister.signal(SIGHUP);
  f.manager.wait_for("RELOADING=1");
  f.manager.wait_for("READY=1");
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK_THAT(f.log(), Contains("goes on with " + f.database + " until it is restarted"));
  CHECK_FALSE(std::filesystem::exists(f.database + ".other"));
  CHECK(support::query(f.database, "SELECT sum(stored) FROM cursors") == 2);
  CHECK(support::query(f.database, "SELECT tier_1s FROM series") == 1);  // the last configuration has no rule
}

TEST_CASE("a deleted ring that is written to yet is not left behind by SIGHUP", "[service]") {
  Fixture f;
  f.configure();
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  auto p = std::make_unique<ring::Producer>(f.ring);
  const auto a = p->gauge("a");
  ring::Segment::remove(f.ring);
  persister.signal(SIGHUP);
  f.manager.wait_for("RELOADING=1");
  f.manager.wait_for("READY=1");
  CHECK_THAT(f.log(), Contains("not reloaded: a deleted ring") && !Contains("configuration is reloaded"));
  CHECK(p->push(a, 1));
  p.reset();
  persister.signal(SIGHUP);
  f.manager.wait_for("RELOADING=1");
  f.manager.wait_for("READY=1");
  CHECK_THAT(f.log(), Contains("configuration is reloaded"));
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK(support::stored_values(f.database)["a"] == std::vector<double>{1});
}

TEST_CASE("SIGHUP with a wrong configuration changes nothing and says what is wrong where", "[service]") {
  Fixture f;
  f.configure();
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  ring::Producer p(f.ring);
  const auto held = support::unique_ring();
  const ring::Consumer other(held, {});
  for (const std::string& wrong : {std::string("round_ms = 7\n"), std::string("[tiers]\nraw = \"soon\"\n"),
                                   std::string("[[rule]]\nname = \"a\"\nkeep = 3\n")}) {
    f.configure(wrong);
    persister.signal(SIGHUP);
    f.manager.wait_for("RELOADING=1");
    f.manager.wait_for("READY=1");
  }
  f.configure("", ", \"" + held + "\"");  // a ring that somebody else drains
  persister.signal(SIGHUP);
  f.manager.wait_for("RELOADING=1");
  f.manager.wait_for("READY=1");
  p.push(p.gauge("a"), 1);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  const auto log = f.log();
  CHECK_THAT(log, Contains(f.file + ":5:") && Contains("tiers.raw: found 'soon'") && Contains("keep: found 3"));
  CHECK_THAT(log, Contains("drain ring \"" + held + "\"") && !Contains("configuration is reloaded"));
  CHECK(support::query(f.database, "SELECT sum(stored) FROM cursors") == 1);
}

TEST_CASE("no sample is lost or doubled by reloads under load", "[service]") {
  Fixture f;
  f.configure();
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  ring::Producer p(f.ring);
  const auto a = p.gauge("a");
  double accepted = 0;
  for (int reload = 0; reload < 20; ++reload) {
    f.configure("durable_within_s = " + std::to_string(reload % 2 + 1) + "\n");
    persister.signal(SIGHUP);
    for (int i = 0; i < 2000; ++i) accepted += p.push(a, accepted);
    f.manager.wait_for("RELOADING=1");
    f.manager.wait_for("READY=1");
  }
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK(accepted == 40'000);
  const auto stored = support::stored_values(f.database)["a"];
  REQUIRE(stored.size() == 40'000);
  for (std::size_t i = 0; i < stored.size(); ++i)
    if (stored[i] != static_cast<double>(i)) FAIL("sample " << i << " is " << stored[i]);
}

TEST_CASE("without a configuration file SIGHUP ends the persister like SIGTERM", "[service]") {
  Fixture f;
  support::Child persister({"/usr/bin/env", "NOTIFY_SOCKET=" + f.manager.path(), RING_PERSISTER_PATH, "--ring", f.ring, "--db",
                            f.database}, f.folder / "log");
  f.manager.wait_for("READY=1");
  ring::Producer p(f.ring);
  for (int i = 0; i < 100; ++i) p.push(p.gauge("a"), i);
  persister.signal(SIGHUP);
  CHECK(persister.wait() == 0);
  CHECK(support::query(f.database, "SELECT sum(count) FROM tier_1m") == 100);
}

TEST_CASE("the environment overrides the configuration, and the command line the environment", "[service]") {
  Fixture f;
  f.configure("lanes = 2\nlane_records = 128\narena_kib = 8\n");
  auto persister = f.start({"RINGDOWN_LANE_RECORDS=256", "RINGDOWN_ARENA_KIB=16"}, {"--arena-kib", "32"});
  f.manager.wait_for("READY=1");
  const auto geometry = ring::Segment::inspect(f.ring).geometry();
  CHECK(geometry.lanes == 2);
  CHECK(geometry.lane_records == 256);
  CHECK(geometry.arena_bytes == 32 << 10);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  const auto wrong = support::run({"/usr/bin/env", "RINGDOWN_LANE_RECORDS=many", RING_PERSISTER_PATH, "--config", f.file});
  CHECK(wrong.status == 2);
  CHECK_THAT(wrong.output, Contains("RINGDOWN_LANE_RECORDS") || Contains("lane-records"));
}

TEST_CASE("its own metrics are samples of the first ring, and shown over HTTP when that is asked for", "[service]") {
  Fixture f;
  const auto port = std::to_string(support::free_port());
  f.configure("own_metrics_s = 1\n[exposition]\nlisten = \"127.0.0.1:" + port + "\"\n"
              "[[remote_write]]\nname = \"site\"\nurl = \"http://127.0.0.1:1\"\n");
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  httplib::Client client("127.0.0.1", std::stoi(port));
  const auto page = [&](const char* path) {
    const auto answer = client.Get(path);
    REQUIRE(answer);
    return std::pair(answer->status, answer->body);
  };
  CHECK(page("/healthz") == std::pair(200, std::string("ok\n")));
  CHECK(page("/readyz") == std::pair(200, std::string("ok\n")));
  CHECK(page("/nothing").first == 404);
  {
    ring::Producer p(f.ring);
    const auto a = p.gauge("a");
    for (int i = 0; i < 100; ++i) p.push(a, i);
    p.push(a, std::nan(""));
  }
  std::string metrics;
  do metrics = page("/metrics").second;
  while (metrics.find("reason=\"non_finite\"") == std::string::npos);
  CHECK_THAT(metrics, Contains("# TYPE ringdown_lost_records_total counter") &&
                          Contains("ringdown_lost_records_total{reason=\"non_finite\",ring=\"" + f.ring + "\"} 1\n") &&
                          Contains("# HELP ringdown_wal_bytes Bytes of write-ahead log in use.") &&
                          Contains("ringdown_storage_trouble 0\n") && Contains("ringdown_series "));
  const auto rules = support::read_file(RULES_PATH);
  const std::regex name("ringdown_[a-z_]+");
  for (std::sregex_iterator each(rules.begin(), rules.end(), name), end; each != end; ++each)
    CHECK_THAT(metrics, Contains("# TYPE " + each->str() + " "));
  // Another one on the port is told so, and records all the same.
  support::Child second({RING_PERSISTER_PATH, "--ring", f.other_ring, "--db", f.database + ".2", "--listen", "127.0.0.1:" + port,
                         "--until-idle"}, f.folder / "log2");
  CHECK(second.wait() == 0);
  CHECK_THAT(support::read_file(f.folder / "log2"), Contains("127.0.0.1:" + port) && Contains("cannot listen there"));
  while (support::query(f.database, "SELECT count(*) FROM series WHERE name = 'ringdown_commits_total'") == 0) ::usleep(10'000);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  const auto stored = support::stored_values(f.database);
  REQUIRE_FALSE(stored.at("ringdown_samples_total").empty());
  CHECK(support::query(f.database, "SELECT count(*) FROM series WHERE name = 'ringdown_wal_bytes' AND unit = 'B' AND kind = 'gauge'") == 1);
  CHECK(support::query(f.database, "SELECT count(*) FROM producers WHERE name = 'ring-persister'") == 1);
}

TEST_CASE("own_metrics_s = 0 records none", "[service]") {
  Fixture f;
  f.configure("own_metrics_s = 0\n");
  auto persister = f.start();
  f.manager.wait_for("READY=1");
  ring::Producer p(f.ring);
  p.push(p.gauge("a"), 1);
  persister.signal(SIGTERM);
  CHECK(persister.wait() == 0);
  CHECK(support::query(f.database, "SELECT count(*) FROM series") == 1);
}
