// loop_bench.cpp: how late a control loop's cycles begin when it records nothing, pushes, or writes to
// SQLite.
//
// A loop sleeps until an absolute time (clock_nanosleep, timer slack 1 ns), records 26 values and goes to
// sleep again. It runs under SCHED_FIFO where that is allowed, as such loops do; all that works for it (the
// persister, the queue's thread) has ordinary priority and the second CPU. Its lateness is the time from a
// deadline to the moment when the loop runs; a deadline that passes while the loop is still at work counts as
// late as any other, but gets no cycle of its own (skipped). Rounds of all cases come in random order;
// percentiles are over all deadlines of all rounds.
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <random>

#include "figures.hpp"
#include "folder.hpp"
#include "loop_recorders.hpp"

namespace {

std::int64_t now_ns() { return ring::clock_ns(CLOCK_MONOTONIC); }

/// For the calling thread alone, not for those it starts. @return what it runs under from now on
const char* become_real_time() {
  const sched_param priority{.sched_priority = 10};
  return ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0
             ? "SCHED_FIFO"
             : "SCHED_OTHER (SCHED_FIFO was refused)";
}

struct Case {
  const char* recorder;
  int hz;
  std::function<std::unique_ptr<bench::Recorder>(const std::string&)> open;
  std::unique_ptr<bench::Folder> folder = std::make_unique<bench::Folder>();
  std::vector<std::int64_t> late_ns = {}, work_ns = {};
  std::vector<double> round_p999_us = {};
  std::int64_t skipped = 0;
  bench::Fate fate = {};
};

void sleep_until(std::int64_t deadline_ns) {
  const timespec at{deadline_ns / 1'000'000'000, deadline_ns % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

/// Runs the loop for a round. @return how late it was at every deadline
std::vector<std::int64_t> run_loop(Case& c, bench::Recorder& recorder, double seconds) {
  const std::int64_t period_ns = 1'000'000'000 / c.hz;
  std::vector<std::int64_t> late_ns;
  late_ns.reserve(static_cast<std::size_t>(seconds * c.hz) + 1);
  auto deadline = now_ns() + period_ns;
  for (const auto end = deadline + static_cast<std::int64_t>(seconds * 1e9); deadline < end;) {
    sleep_until(deadline);
    const auto awake = now_ns();
    const auto passed = late_ns.size();
    for (; deadline <= awake && deadline < end; deadline += period_ns) late_ns.push_back(awake - deadline);
    c.skipped += static_cast<std::int64_t>(late_ns.size() - passed) - 1;
    const auto time_ns = ring::clock_ns(CLOCK_REALTIME);
    const auto from = now_ns();
    recorder.cycle(time_ns);
    c.work_ns.push_back(now_ns() - from);
  }
  return late_ns;
}

void check(const Case& c, const bench::Fate& fate) {
  if (fate.recorded == fate.stored + fate.left) return;
  throw std::runtime_error(std::string(c.recorder) + ": recorded " + std::to_string(fate.recorded) +
                           " values, but " + std::to_string(fate.stored) + " were stored and " +
                           std::to_string(fate.left) + " left");
}

void run_round(Case& c, double seconds) {
  const auto recorder = c.open(c.folder->database());
  auto late_ns = run_loop(c, *recorder, seconds);
  const auto fate = recorder->finish();
  check(c, fate);
  c.fate.recorded += fate.recorded;
  c.fate.refused += fate.refused;
  c.fate.left += fate.left;
  c.late_ns.insert(c.late_ns.end(), late_ns.begin(), late_ns.end());
  std::sort(late_ns.begin(), late_ns.end());
  c.round_p999_us.push_back(bench::percentile(late_ns, 0.999) / 1e3);
}

void print(std::vector<Case>& cases, const char* scheduling, int rounds, double seconds) {
  for (const auto& [key, text] : bench::machine()) std::printf("%s: %s\n", key.c_str(), text.c_str());
  std::printf("loop: %s\nrounds: %d of %.1f s a case\n\n", scheduling, rounds, seconds);
  std::printf("%-8s %-16s | %26s | %23s | %20s | %8s %8s %8s\n", "", "", "lateness, us",
              "p99.9 of rounds, us", "recording, us", "skipped", "refused", "left");
  std::printf("%-8s %-16s | %5s %6s %6s %6s | %7s %7s %7s | %6s %6s %6s | %8s %8s %8s\n", "loop",
              "records in", "p50", "p99", "p99.9", "max", "min", "median", "max", "p50", "p99", "max", "%",
              "%", "%");
  for (auto& c : cases) {
    std::sort(c.late_ns.begin(), c.late_ns.end());
    std::sort(c.work_ns.begin(), c.work_ns.end());
    std::sort(c.round_p999_us.begin(), c.round_p999_us.end());
    const auto late = [&](double share) { return bench::percentile(c.late_ns, share) / 1e3; };
    const auto work = [&](double share) { return bench::percentile(c.work_ns, share) / 1e3; };
    const auto round = [&](double share) { return bench::percentile(c.round_p999_us, share); };
    const auto percent = [](std::int64_t part, std::size_t of) {
      return of ? 100 * static_cast<double>(part) / static_cast<double>(of) : 0;
    };
    const auto values = static_cast<std::size_t>(c.fate.recorded + c.fate.refused);
    std::printf(
        "%5d Hz %-16s | %5.0f %6.0f %6.0f %6.0f | %7.0f %7.0f %7.0f | %6.1f %6.1f %6.0f | %8.2f %8.2f "
        "%8.2f\n",
        c.hz, c.recorder, late(0.5), late(0.99), late(0.999), late(1), round(0), round(0.5), round(1),
        work(0.5), work(0.99), work(1), percent(c.skipped, c.late_ns.size()), percent(c.fate.refused, values),
        percent(c.fate.left, values));
  }
}

template <class Recorder>
void add(std::vector<Case>& cases, const char* name) {
  for (const int hz : {1000, 10'000})
    cases.push_back(
        {name, hz, [](const std::string& database) { return std::make_unique<Recorder>(database); }});
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 8;
  double seconds = 6;
  unsigned seed = 1;
  CLI::App app{"How late a control loop's cycles begin, by what it records into."};
  app.add_option("--rounds", rounds, "Rounds of every case")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", seconds, "Length of a round; ring-persister folds every 5 s")
      ->capture_default_str();
  app.add_option("--seed", seed, "Of the order of the rounds")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (bench::cpus().size() < 2) {
    std::fprintf(stderr, "needs two CPUs, has %zu; for example taskset -c 0,1\n", bench::cpus().size());
    return 1;
  }
  bench::pin_to(0);
  ::prctl(PR_SET_TIMERSLACK, 1);
  const auto* const scheduling = become_real_time();
  std::vector<Case> cases;
  add<bench::RecordNothing>(cases, "nothing");
  add<bench::RecordInRing>(cases, "ring");
  add<bench::RecordInLoop>(cases, "sqlite");
  add<bench::RecordInQueue>(cases, "queue_to_sqlite");
  std::stable_sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.hz < b.hz; });
  std::vector<std::size_t> order(cases.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937 random(seed);
  try {
    for (int round = 0; round < rounds; ++round) {
      std::shuffle(order.begin(), order.end(), random);
      for (const auto i : order) run_round(cases[i], seconds);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "loop_bench: %s\n", e.what());
    return 1;
  }
  print(cases, scheduling, rounds, seconds);
  return 0;
}
