#include <catch2/catch.hpp>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ring/producer.hpp"
#include "support.hpp"

using namespace ring;

namespace {
const Geometry small{.lanes = 4, .lane_records = 64, .arena_bytes = 4096};
}

TEST_CASE("a forked child cannot write to its parent's lane until it has claimed its own", "[fork]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small});
  const auto series = p.gauge("a");
  REQUIRE(p.push(series, 1));
  const auto sequence = p.sequence();
  support::Child child([&] {
    if (p.attached() || p.push(series, 2) || p.push(series, 3)) return 1;
    if (p.lost(abi::Loss::detached) != 2) return 2;
    const auto parents_lane = p.lane();
    if (!p.maintain() || p.lane() == parents_lane) return 3;
    return p.push(series, 4) && p.lost(abi::Loss::detached) == 2 ? 0 : 4;
  });
  CHECK(child.wait() == 0);
  CHECK(p.sequence() == sequence);
  CHECK(p.push(series, 5));
  CHECK(find_head(Segment::open(ring).lane(p.lane())) == sequence + 2);
}

TEST_CASE("a child of a raw fork system call cannot either", "[fork]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = small});
  const auto series = p.gauge("a");
  const auto pid = static_cast<pid_t>(::syscall(SYS_fork));
  if (pid == 0) ::_exit(p.push(series, 2) ? 1 : 0);
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(status == 0);
  CHECK(p.push(series, 3));
}

TEST_CASE("a parent's lane is free once it is dead though its child lives", "[fork]") {
  const auto ring = support::unique_ring();
  auto& go = support::shared<std::atomic<int>>();
  auto& child_runs = support::shared<std::atomic<int>>();
  auto& grandchild = support::shared<std::atomic<int>>();
  support::Child parent([&] {
    Producer p(ring, {.geometry = small});
    if (const auto pid = ::fork(); pid == 0) {
      child_runs = 1;
      while (!go) ::usleep(1000);
      ::_exit(0);
    } else {
      grandchild = pid;
      while (!child_runs) ::usleep(1000);
    }
    return 0;
  });
  CHECK(parent.wait() == 0);
  const auto segment = Segment::open(ring);
  CHECK_FALSE(lock::is_held(segment.descriptor(), 0));
  CHECK(::kill(grandchild, 0) == 0);
  go = 1;
}

TEST_CASE("a stopped owner still holds its lane and a killed one does not even as a zombie", "[fork]") {
  const auto ring = support::unique_ring();
  auto& ready = support::shared<std::atomic<int>>();
  support::Child owner([&] {
    const Producer p(ring, {.geometry = small});
    ready = 1;
    for (;;) ::pause();
    return 0;
  });
  while (!ready) ::usleep(1000);
  const auto segment = Segment::inspect(ring);
  owner.signal(SIGSTOP);
  CHECK(lock::is_held(segment.descriptor(), 0));
  owner.signal(SIGKILL);
  while (owner.running()) ::usleep(1000);  // it is a zombie now
  CHECK_FALSE(lock::is_held(segment.descriptor(), 0));
}
