// test_query_end.cpp: how ring-query ends when nobody takes its output, and what it holds meanwhile.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
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
