// test_write.cpp: ring-write, run as a program into a ring that ring-persister stores.
#include <httplib.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "feed_fixture.hpp"
#include "ring/ownership.hpp"
#include "ring/segment.hpp"

using Catch::Contains;

namespace {

struct Fixture : plant::Feed {
  support::Run write(std::vector<std::string> words) const {
    words.insert(words.begin(), {RING_WRITE_PATH, "--ring", ring});
    return support::run(words);
  }
  std::string file(const std::string& text) const { return Feed::file("in.prom", text); }
  std::vector<double> values(const std::string& name) const { return support::stored_values(database)[name]; }
};

/// An exporter on a port of its own.
class Exporter {
 public:
  explicit Exporter(httplib::Server::Handler page) {
    server_.Get("/metrics", std::move(page));
    server_.Get("/moved", [](const auto&, auto& answer) { answer.set_redirect("/metrics"); });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) ::usleep(1000);
  }
  ~Exporter() {
    server_.stop();
    thread_.join();
  }
  std::string instance() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url(const std::string& path = "/metrics") const { return "http://" + instance() + path; }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

constexpr const char* text_plain = "text/plain; version=0.0.4";

}  // namespace

TEST_CASE("one line of a cron job is stored, and nothing stays behind", "[write]") {
  const Fixture f;
  for (const auto* seconds : {"12", "13"}) {
    const auto line =
        std::string("echo 'backup_seconds{job=\"a\"} ") + seconds + "' | " + RING_WRITE_PATH + " --ring " + f.ring;
    const auto run = support::run({"/bin/sh", "-c", line});
    CHECK(run.status == 0);
    CHECK(run.output == "");
  }
  const auto segment = ring::Segment::inspect(f.ring);
  for (std::uint32_t lane = 0; lane < segment.geometry().lanes; ++lane)
    CHECK_FALSE(ring::lock::is_held(segment.descriptor(), lane));
  f.store();
  CHECK(f.values("backup_seconds") == std::vector<double>{12, 13});
  CHECK(f.count("SELECT count(*) FROM series") == 1);
  CHECK(f.count("SELECT count(*) FROM series WHERE kind = 'gauge' AND labels = '{\"job\":\"a\"}'") == 1);
}

TEST_CASE("a file's types, escapes and time stamps are stored", "[write]") {
  const Fixture f;
  const auto name = f.file(R"(# HELP a_total What it is.
# TYPE a_total counter
a_total{path="C:\\new \"x\"\n"} 1027 1764000000123
# TYPE h histogram
h_bucket{le="+Inf"} 3 1764000001000
h_sum 1.5 1764000002000
h_count 3 1764000003000
# TYPE s summary
s{quantile="0.5"} 0.25 1764000004000
s_count 7 1764000005000
plain -1e-3 1764000006000
)");
  const auto run = f.write({"--verbose", name});
  CHECK(run.status == 0);
  CHECK(run.output == "lines_bad 0 pushed 7 accepted 7 lost 0\n");
  f.store();
  CHECK(f.csv() ==
        "time_s,name,labels,value,state\n"
        "1764000000.123000000,a_total,\"{path=\"\"C:\\\\new \\\"\"x\\\"\"\\n\"\"}\",1027,\n"
        "1764000001.000000000,h_bucket,\"{le=\"\"+Inf\"\"}\",3,\n"
        "1764000002.000000000,h_sum,,1.5,\n"
        "1764000003.000000000,h_count,,3,\n"
        "1764000004.000000000,s,\"{quantile=\"\"0.5\"\"}\",0.25,\n"
        "1764000005.000000000,s_count,,7,\n"
        "1764000006.000000000,plain,,-0.001,\n");
  CHECK(f.count("SELECT count(*) FROM series WHERE kind = 'counter'") == 5);
}

TEST_CASE("without a time stamp a sample has the time of its reading, all of a file the same", "[write]") {
  const Fixture f;
  const auto before_ns = ring::clock_ns(CLOCK_REALTIME);
  CHECK(f.write({f.file("a 1\nb 2\n")}).status == 0);
  const auto after_ns = ring::clock_ns(CLOCK_REALTIME);
  f.store();
  const auto first = f.count("SELECT min(bucket * 1000000000 + first_at) FROM tier_1h"),
             last = f.count("SELECT max(bucket * 1000000000 + last_at) FROM tier_1h");
  CHECK(first == last);
  CHECK(first >= before_ns);
  CHECK(first <= after_ns);
}

TEST_CASE("bad lines are named and left out, or fatal with --strict", "[write]") {
  const Fixture f;
  const auto name = f.file("good 1\n\nbad one\ngood 2\nbad{__x=\"1\"} 1\nbad{a=\"1\",a=\"2\"} 1\n" +
                           std::string(256, 'n') + " 1\ngood 3");
  const auto run = f.write({name});
  CHECK(run.status == 1);
  CHECK_THAT(run.output, Contains(name + ": line 3: column 5: expected a number, found \"one\"\n") &&
                             Contains(name + ": line 5: label name of series bad \"__x\": expected") &&
                             Contains(name + ": line 6: label name of series bad \"a\": expected each label once") &&
                             Contains(name + ": line 7: series name \"nnnn") && Contains("bad lines left out: 4\n"));
  const auto strict = f.write({"--strict", name});
  CHECK(strict.status == 1);
  CHECK_THAT(strict.output, Contains(name + ": line 3: ") && !Contains("line 5"));
  f.store();
  CHECK(f.values("good") == std::vector<double>{1, 2, 3, 1});
}

TEST_CASE("NaN and infinity are told and no failure, a full lane is one", "[write]") {
  const Fixture f;
  const auto some = f.write({"--verbose", f.file("a NaN\na +Inf\na 1\n")});
  CHECK(some.status == 0);
  CHECK_THAT(some.output, Contains("values that are NaN or infinite, which a ring does not take: 2\n") &&
                              Contains("lines_bad 0 pushed 3 accepted 1 lost 2 lost_non_finite 2\n"));
  const Fixture small;
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "a 1\n";
  const auto full = small.write({"--lane-records", "64", small.file(lines)});
  CHECK(full.status == 1);
  CHECK_THAT(full.output,
             Contains("samples lost: ") && Contains(" lost_lane_full ") && Contains("ring-inspect " + small.ring));
}

TEST_CASE("series for which the ring has no room are told once and counted", "[write]") {
  const Fixture f;
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += "a" + std::to_string(i) + " 1\n";
  const auto run = f.write({"--verbose", "--lanes", "1", "--arena-kib", "4", f.file(lines)});
  CHECK(run.status == 1);
  CHECK_THAT(run.output, Contains("lanes") && Contains("; goes on with the series it has") &&
                             Contains("pushed 300 ") && Contains("lost_no_room "));
}

TEST_CASE("an exporter's page is taken again and again, under one time, with its up", "[write]") {
  const Fixture f;
  int asked = 0;
  std::string accept;
  const Exporter exporter([&](const httplib::Request& request, httplib::Response& answer) {
    accept = request.get_header_value("Accept");
    answer.set_content("# TYPE n counter\nn " + std::to_string(++asked) + "\nm{a=\"b\"} 5\n", text_plain);
  });
  const auto run = f.write({"--scrape", exporter.url("/moved"), "--every", "100ms", "--scrapes", "3", "--verbose"});
  CHECK(run.status == 0);
  CHECK(run.output == "lines_bad 0 pushed 9 accepted 9 lost 0\n");
  CHECK_THAT(accept, Catch::StartsWith("text/plain;version=0.0.4"));
  f.store();
  CHECK(f.values("n") == std::vector<double>{1, 2, 3});
  CHECK(f.values("up") == std::vector<double>{1, 1, 1});
  CHECK(f.count("SELECT count(*) FROM series WHERE name = 'up' AND labels = '{\"instance\":\"" + exporter.instance() +
                "\"}'") == 1);
  CHECK(f.count("SELECT count(*) FROM series WHERE name = 'n' AND kind = 'counter'") == 1);
  CHECK(f.count("SELECT count(DISTINCT first_at) FROM tier_1h") == 1);
}

TEST_CASE("an exporter that is away is told once for each change, up is 0, and it goes on", "[write]") {
  const Fixture f;
  int asked = 0;
  const Exporter exporter([&](const httplib::Request&, httplib::Response& answer) {
    if (++asked == 2 || asked == 3) answer.status = 503;
    answer.set_content("n 1\n", text_plain);
  });
  const auto run = f.write({"--scrape", exporter.url(), "--every", "100ms", "--scrapes", "5"});
  CHECK(run.status == 0);
  CHECK(run.output == "ring-write: " + exporter.url() +
                          ": found HTTP status 503, expected 200; goes on asking every 100ms\n" +
                          "ring-write: " + exporter.url() + ": answers again\n");
  f.store();
  CHECK(f.values("up") == std::vector<double>{1, 0, 0, 1, 1});
  CHECK(f.values("n") == std::vector<double>{1, 1, 1});
  const auto nobody = f.write({"--scrape", "http://127.0.0.1:1/metrics", "--every", "100ms", "--scrapes", "2"});
  CHECK(nobody.status == 0);
  CHECK_THAT(nobody.output, Contains("127.0.0.1:1/metrics: ") && Contains("; goes on asking"));
}

TEST_CASE("an OpenMetrics page has its times in seconds, and bad lines of pages in a row are told once", "[write]") {
  const Fixture f;
  const Exporter exporter([](const auto&, httplib::Response& answer) {
    answer.set_content("# TYPE n counter\nn_total 1 1764000000 # {t=\"x\"} 1\nbad\n# EOF\n",
                       "application/openmetrics-text; version=1.0.0; charset=utf-8");
  });
  const auto run = f.write({"--scrape", exporter.url(), "--every", "100ms", "--scrapes", "3"});
  CHECK(run.status == 1);
  CHECK(run.output == "ring-write: " + exporter.url() + ": line 3: column 4: expected a number, found the end\n" +
                          "ring-write: bad lines left out: 3\n");
  f.store();
  CHECK(f.count(
            "SELECT count(*) FROM tier_1h JOIN series ON id = series WHERE name = 'n_total' AND kind = 'counter' AND "
            "bucket * 1000000000 + first_at = 1764000000000000000 AND count = 3") == 1);
}

TEST_CASE("SIGTERM ends a scrape that is on its way, and a wait for input", "[write]") {
  const Fixture f;
  std::atomic<bool> asked = false, leave = false;
  const Exporter exporter([&](const auto&, auto&) {
    asked = true;
    while (!leave) ::usleep(1000);
  });
  support::Child scraper({RING_WRITE_PATH, "--ring", f.ring, "--scrape", exporter.url(), "--every", "60s"},
                         f.path / "log");
  while (!asked) {
    REQUIRE(scraper.running());
    ::usleep(1000);
  }
  scraper.signal(SIGTERM);
  CHECK(scraper.wait() == 0);
  leave = true;
  CHECK(support::read_file(f.path / "log") == "");

  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  support::Child reader([&]() -> int {
    ::dup2(ends[0], 0);
    ::close(ends[1]);
    ::execl(RING_WRITE_PATH, "ring-write", "--ring", f.ring.c_str(), nullptr);
    return 127;
  });
  REQUIRE(::write(ends[1], "a 1\n", 4) == 4);
  const auto segment = ring::Segment::inspect(f.ring);
  while (ring::words::load(segment.lane(0).header->claims) < 2) {
    REQUIRE(reader.running());
    ::usleep(1000);
  }
  reader.signal(SIGTERM);
  CHECK(reader.wait() == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("wrong usage of ring-write exits 2, an unusable ring or file 1, and help has examples", "[write]") {
  const Fixture f;
  CHECK(support::run({RING_WRITE_PATH}).status == 2);
  CHECK(f.write({"--scrape", "http://localhost/", "file"}).status == 2);
  CHECK(f.write({"--every", "1s"}).status == 2);
  const auto url = f.write({"--scrape", "localhost:9100/metrics"});
  CHECK(url.status == 2);
  CHECK_THAT(url.output, Contains("--scrape \"localhost:9100/metrics\": expected http://HOST"));
  const auto every = f.write({"--scrape", "http://localhost/", "--every", "10ms"});
  CHECK(every.status == 2);
  CHECK_THAT(every.output, Contains("--every 10ms: expected at least 100ms"));
  CHECK(support::run({RING_WRITE_PATH, "--ring", "a/b", "/dev/null"}).status == 2);
  const auto missing = f.write({(f.path / "none").string()});
  CHECK(missing.status == 1);
  CHECK_THAT(missing.output, Contains("none: No such file or directory; check the name"));
  CHECK(f.write({f.path.string()}).status == 1);
  const Fixture foreign;
  std::ofstream("/dev/shm/ringdown-" + foreign.ring) << "not a ring";
  CHECK(foreign.write({"/dev/null"}).status == 1);
  const auto help = f.write({"--help"});
  CHECK(help.status == 0);
  CHECK_THAT(help.output, Contains("Examples:") && Contains("Exit status:"));
}
