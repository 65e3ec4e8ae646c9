// test_query_end.cpp: how ring-query ends when nobody takes its output, and what it holds meanwhile.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <sstream>
#include <thread>

#include "query_plant.hpp"

using Catch::Contains;
using support::read_file;
using namespace plant;
namespace fs = std::filesystem;

namespace {

/// More output than a pipe holds.
struct Long : Folder {
  std::string db = (path / "long.db").string();
  ringdown::Store store{db};
  fs::path pipe = path / "pipe";

  Long() {
    ringdown::Batch batch;
    batch.series = {{1, {ring::Kind::gauge, "load", "", {}, {}}}};
    for (int commit = 0; commit < 10; ++commit) {
      batch.samples.clear();
      for (int i = 0; i < 5000; ++i)
        batch.samples.push_back({start_ns + (commit * 5000 + i) * second_ns / 50, double(i), 1});
      store.commit(batch);
      batch.series.clear();
    }
    ::mkfifo(pipe.c_str(), 0600);
  }
};

bool wait_for(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

}  // namespace

TEST_CASE("a reader that stands still does not keep the WAL from being emptied", "[query]") {
  for (const auto* step : {"raw", "1s"}) {
    Long data;
    Plant::fold(data.store);
    const int end = ::open(data.pipe.c_str(), O_RDWR | O_CLOEXEC);  // both ends: neither waits for the other
    ::fcntl(end, F_SETPIPE_SZ, 4096);
    support::Child child({"/bin/sh", "-c",
                          std::string("exec ") + RING_QUERY_PATH + " --db " + data.db + " --from 0 --step " +
                              step + " --format json > " + data.pipe.string()});
    int waiting = 0;
    CHECK(wait_for([&] { return ::ioctl(end, FIONREAD, &waiting) == 0 && waiting > 0; }));
    CHECK(child.running());
    ringdown::Batch batch;
    batch.samples = {{start_ns, 1, 1}};
    data.store.commit(batch);
    CHECK(data.store.database().checkpoint_truncate());
    CHECK(child.running());
    ::close(end);
  }
}

TEST_CASE("a reader that goes away ends the program quietly, also where SIGPIPE was ignored", "[query]") {
  for (const auto handler : {SIG_DFL, SIG_IGN}) {
    Long data;
    const auto error = data.path / "err";
    support::Child child([&]() -> int {
      ::signal(SIGPIPE, handler);
      const auto command = std::string("exec ") + RING_QUERY_PATH + " --db " + data.db +
                           " --from 0 --format csv > " + data.pipe.string() + " 2> " + error.string();
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      return 127;
    });
    const int end = ::open(data.pipe.c_str(), O_RDONLY | O_CLOEXEC);
    char text[100];
    CHECK(::read(end, text, sizeof text) > 0);
    ::close(end);
    CHECK(child.wait() == 128 + SIGPIPE);
    CHECK(read_file(error) == "");
  }
}

TEST_CASE("output that cannot be written is an error", "[query]") {
  const Plant plant;
  const auto r = query(plant, {"--db", plant.db, "--from", "0"}, "UTC", "/dev/full");
  CHECK(r.err == "ring-query: write standard output: No space left on device\n");
  CHECK(r.status == 1);
}

TEST_CASE("following shows each sample once, before and after it began, and ends at SIGTERM", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "m.db").string();
  ringdown::Store store(db);
  double value = 0;
  const auto commit = [&](std::uint32_t new_series) {
    ringdown::Batch batch;
    if (new_series > 0)
      batch.series.push_back({new_series, {ring::Kind::gauge, "a", "", {{"n", std::to_string(new_series)}}, {}}});
    batch.samples = {{start_ns + static_cast<std::int64_t>(value) * 1000, value, new_series > 0 ? new_series : 1u}};
    ++value;
    store.commit(batch);
  };
  commit(1);
  support::Child child({RING_QUERY_PATH, "--db", db, "a", "--from", "0", "--format", "csv", "--follow"}, folder.path / "rows");
  const auto lines = [&] {
    const auto text = support::read_file(folder.path / "rows");
    return std::count(text.begin(), text.end(), '\n');
  };
  while (lines() < 2) REQUIRE(child.running());
  for (int i = 0; i < 20; ++i) {
    commit(i == 10 ? 2 : 0);  // a series that is new
    if (i % 5 == 4)
      while (lines() < i + 3) REQUIRE(child.running());
  }
  child.signal(SIGTERM);
  CHECK(child.wait() == 0);
  std::istringstream rows(support::read_file(folder.path / "rows"));
  std::string line;
  std::getline(rows, line);
  for (int i = 0; i < 21; ++i) {
    REQUIRE(std::getline(rows, line));
    CHECK_THAT(line, Contains("," + std::to_string(i) + ","));
  }
  CHECK_FALSE(std::getline(rows, line));
}

TEST_CASE("a question that takes longer than its deadline ends with status 1 and says what to do", "[query]") {
  const Long p;
  const int nobody_reads = ::open(p.pipe.c_str(), O_RDONLY | O_NONBLOCK);
  const auto r = query(p, {"--db", p.db, "--from", "0", "--deadline", "50ms"}, "UTC", p.pipe);
  ::close(nobody_reads);
  CHECK(r.status == 1);
  CHECK_THAT(r.err, Contains("--deadline is over"));
  CHECK(query(p, {"--db", p.db, "--deadline", "soon"}).status == 2);
}
