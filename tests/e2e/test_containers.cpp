// test_containers.cpp: producers in namespaces of their own: other PIDs, and a /dev/shm that is too small.
#include <catch2/catch.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "ring/producer.hpp"
#include "support.hpp"

using Catch::Contains;

namespace {

/// Enters new namespaces, as root or by means of a user namespace. @return whether that is allowed here
bool enter(int namespaces) { return ::unshare(namespaces) == 0 || ::unshare(namespaces | CLONE_NEWUSER) == 0; }

bool allowed(int namespaces) {
  support::Child probe([&] { return enter(namespaces) ? 0 : 1; });
  if (probe.wait() == 0) return true;
  WARN("not tested: namespaces are not allowed here");
  return false;
}

bool mount_shm(const char* size) {
  const auto options = std::string("size=") + size;
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", "/dev/shm", "tmpfs", 0, options.c_str()) == 0;
}

}  // namespace

TEST_CASE("a producer in another PID namespace works and ring-inspect tells what can be known of it", "[container]") {
  if (!allowed(CLONE_NEWPID)) return;
  const auto ring = support::unique_ring();
  auto& inside_pid = support::shared<std::atomic<int>>();
  int hold[2];
  REQUIRE(::pipe(hold) == 0);
  const auto inside = [&] {
    char byte;
    ::close(hold[1]);
    ring::Producer p(ring, {.name = "contained"});
    if (!p.push(p.gauge("a"), 1)) return 2;
    inside_pid = ::getpid();
    return static_cast<int>(::read(hold[0], &byte, 1));
  };
  support::Child outside([&] {
    if (!enter(CLONE_NEWPID)) return 3;
    const auto pid = ::fork();
    if (pid == 0) ::_exit(inside());
    ::close(hold[1]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  });
  while (inside_pid == 0 && outside.running()) ::usleep(1000);
  REQUIRE(inside_pid == 1);  // the first of its namespace

  const auto json = nlohmann::json::parse(support::run({RING_INSPECT_PATH, ring, "--json"}).output);
  const auto& owner = json["lanes"][0]["owner"];
  CHECK(owner["name"] == "contained");
  CHECK(owner["pid"] == 1);
  CHECK(owner["alive"] == true);
  CHECK(owner["pid_namespace"] != ring::this_process().pid_namespace);
  CHECK(owner["pid_here"].get<int>() > outside.pid());
  CHECK_THAT(support::run({RING_INSPECT_PATH, ring}).output,
             Contains("1* " + std::to_string(owner["pid_here"].get<int>())) && Contains("alive"));
  ::close(hold[1]);
  ::close(hold[0]);
  CHECK(outside.wait() == 0);
  CHECK_THAT(support::run({RING_INSPECT_PATH, ring}).output, Contains("1* ") && Contains("dead"));
}

TEST_CASE("a full /dev/shm leaves an inert producer that says so and recovers when there is room", "[container]") {
  if (!allowed(CLONE_NEWNS)) return;
  // Too little for the ring's first pages; enough for those and not for a lane.
  const auto* const size = GENERATE("64k", "1m");
  const auto ring = support::unique_ring();
  const auto why = support::unique_folder() / "why";
  support::Child child([&] {
    if (!enter(CLONE_NEWNS) || !mount_shm(size)) return 1;
    ring::Producer p(ring);
    const auto series = p.gauge("a");
    if (p.attached() || p.failure() != ring::Failure::no_memory) return 2;
    if (p.push(series, 1) || p.lost(ring::abi::Loss::detached) != 1) return 3;
    if (p.maintain()) return 4;
    if (auto* file = std::fopen(why.c_str(), "w")) std::fputs(p.why().c_str(), file), std::fclose(file);
    if (::mount("none", "/dev/shm", "tmpfs", MS_REMOUNT, "size=64m") != 0) return 5;
    if (!p.maintain() || !p.push(series, 1)) return 6;
    return p.lost(ring::abi::Loss::detached) == 1 ? 0 : 7;
  });
  CHECK(child.wait() == 0);
  CHECK_THAT(support::read_file(why), Contains("No space left") && Contains("df /dev/shm"));
}
