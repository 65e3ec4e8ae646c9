// hostmon.cpp: ring-hostmon records its own host at a fixed rate, as a control daemon records its loop.
//
// A daemon to copy from. Set-up opens every file, defines every series and allocates. A cycle reads, parses
// in place, pushes all samples at once under one time stamp, and allocates nothing. Once a second, after the
// push, comes what may allocate or block: Producer::maintain, a new connection of the probe, the progress.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>

#include "histogram.hpp"
#include "hostmon_cycle.hpp"
#include "hostmon_loopback.hpp"
#include "hostmon_proc.hpp"
#include "losses.hpp"
#include "ring/producer.hpp"
#include "ring_options.hpp"

namespace hostmon {

constexpr const char* help_footer = R"(
Examples:
  ring-hostmon --ring plant                              until SIGTERM or SIGINT
  ring-hostmon --ring plant --hz 100 --seconds 60 --progress

It records hostmon_*: the time of each CPU as fractions, load, memory, pressure, context switches, forks,
processes, counters and states of network interfaces and disks, a TCP round trip on loopback, and its own
lateness and work. CPUs, interfaces and disks are those that are there at the start, and at most CPUs 0 to 63,
16 interfaces (not lo) and 16 whole disks.

Without a ring it goes on, says why on stderr, counts its samples as lost and tries again every second.
At its end it prints one line of names and values; times are in us; pushed = accepted + lost:
  pushed N accepted N lost N cycles N late_us_p50 X late_us_p99 X late_us_max X [lost_REASON N]...
and left_behind N if the ring was deleted or replaced while it held N records that were not stored yet.

Exit status: 0 stopped as asked, 1 it could not start, 2 wrong usage.)";

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t monotonic_ns() noexcept { return ring::clock_ns(CLOCK_MONOTONIC); }
double to_us(std::int64_t ns) noexcept { return static_cast<double>(ns) / 1e3; }

volatile std::sig_atomic_t stop_asked = 0;

/// What became of all samples. A producer counts its losses since it attached, so they are summed up here.
class Tally {
 public:
  void push(ring::Producer& producer, const Cycle& cycle) noexcept {
    const auto before = ringdown::losses(producer);
    accepted_ += cycle.push(producer);
    const auto after = ringdown::losses(producer);
    pushed_ += cycle.size();
    for (std::size_t r = 0; r < lost_.size(); ++r) lost_[r] += after[r] - before[r];
  }
  std::uint64_t pushed() const noexcept { return pushed_; }
  std::uint64_t accepted() const noexcept { return accepted_; }
  std::uint64_t lost() const noexcept { return pushed_ - accepted_; }
  std::string reasons() const {
    std::string text;
    for (std::size_t r = 0; r < lost_.size(); ++r)
      if (lost_[r]) text += fmt::format(" lost_{} {}", ringdown::loss_names[r], lost_[r]);
    return text;
  }

 private:
  std::uint64_t pushed_ = 0, accepted_ = 0;
  ringdown::Losses lost_{};
};

/// Cycles on a fixed grid of the monotonic clock: a late one shifts no other; a passed one is missed.
class Schedule {
 public:
  Schedule(ring::Producer& producer, std::int64_t period_ns, std::int64_t duration_ns)
      : lateness_(producer.gauge("hostmon_lateness_us", {}, "us")),
        work_(producer.gauge("hostmon_work_us", {}, "us")),
        missed_(producer.counter("hostmon_missed_cycles_total", {}, "cycles")),
        period_ns_(period_ns),
        duration_ns_(duration_ns) {}

  /// Sleeps until the next cycle is due. @return false when there is none
  bool wait() noexcept {
    if (due_ns_ - start_ns_ > duration_ns_) return false;
    const timespec due{due_ns_ / second_ns, due_ns_ % second_ns};
    while (!stop_asked && ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) == EINTR) continue;
    if (stop_asked) return false;
    woken_ns_ = monotonic_ns();
    late_ns_ = woken_ns_ - due_ns_;
    latenesses_.add(late_ns_);
    const auto missed = late_ns_ / period_ns_;
    missed_count_ += missed;
    due_ns_ += (missed + 1) * period_ns_;
    return true;
  }
  void sample(Cycle& cycle) const {
    cycle.add(lateness_, to_us(late_ns_));
    cycle.add(missed_, missed_count_);
    if (work_ns_ > 0) cycle.add(work_, to_us(work_ns_));
  }
  /// Ends the work of this cycle, which the next one's samples tell.
  void work_done() noexcept { work_ns_ = monotonic_ns() - woken_ns_; }

  std::int64_t elapsed_ns() const noexcept { return woken_ns_ - start_ns_; }
  double late_us() const noexcept { return to_us(late_ns_); }
  const ringdown::Histogram& latenesses() const noexcept { return latenesses_; }

 private:
  ring::Series lateness_, work_, missed_;
  std::int64_t period_ns_, duration_ns_;
  std::int64_t start_ns_ = monotonic_ns();
  std::int64_t due_ns_ = start_ns_ + period_ns_, woken_ns_ = start_ns_, late_ns_ = 0;
  std::int64_t work_ns_ = 0, missed_count_ = 0;
  ringdown::Histogram latenesses_;
};

struct Settings {
  ringdown::RingOptions ring;
  std::int64_t hz = 20;
  double seconds = seconds_max;
  bool progress = false;

  static constexpr double seconds_max = 1e9;
  std::int64_t period_ns() const noexcept { return second_ns / hz; }
  std::int64_t duration_ns() const noexcept { return static_cast<std::int64_t>(seconds * 1e9); }
};

class Monitor {
 public:
  explicit Monitor(const Settings& settings) : settings_(settings) { report(); }

  void run() {
    for (auto maintenance_ns = second_ns; schedule_.wait();) {
      cycle_.begin(producer_.now_ns());
      schedule_.sample(cycle_);
      loopback_.sample(cycle_);
      stat_.sample(cycle_);
      load_average_.sample(cycle_);
      memory_.sample(cycle_);
      pressure_.sample(cycle_);
      network_.sample(cycle_);
      disks_.sample(cycle_);
      tally_.push(producer_, cycle_);
      schedule_.work_done();
      if (schedule_.elapsed_ns() < maintenance_ns) continue;
      maintenance_ns = (schedule_.elapsed_ns() / second_ns + 1) * second_ns;
      maintain();
    }
    print_summary();
  }

 private:
  void maintain() {
    producer_.maintain();
    loopback_.maintain();
    report();
    if (settings_.progress) show_progress();
  }
  /// Says once what keeps the producer from recording, and once that nothing does any more.
  void report() {
    if (producer_.failure() == reported_) return;
    reported_ = producer_.failure();
    const bool recovered = reported_ == ring::Failure::none;
    const auto news = recovered ? "records now" : producer_.why() + "; goes on meanwhile";
    std::cerr << (settings_.progress && is_terminal_ ? "\r\033[K" : "") << "ring-hostmon: " + news + '\n';
  }
  void show_progress() const {
    const auto rtt_us = loopback_.rtt_us();
    const auto line = fmt::format("{} s  pushed {}  lost {}  loopback rtt {} us  late {:.1f} us",
                                  schedule_.elapsed_ns() / second_ns, tally_.pushed(), tally_.lost(),
                                  rtt_us ? fmt::format("{:.1f}", *rtt_us) : "-", schedule_.late_us());
    std::cerr << (is_terminal_ ? "\r" + line + "\033[K" : line + '\n');
  }
  void print_summary() const {
    if (settings_.progress && is_terminal_) std::cerr << '\n';
    const auto& late = schedule_.latenesses();
    std::cout << fmt::format("pushed {} accepted {} lost {} cycles {}", tally_.pushed(), tally_.accepted(),
                             tally_.lost(), late.total())
              << fmt::format(" late_us_p50 {:.1f} late_us_p99 {:.1f} late_us_max {:.1f}",
                             late.quantile_us(0.5), late.quantile_us(0.99), late.max_us())
              << tally_.reasons();
    if (producer_.left_behind()) std::cout << " left_behind " << producer_.left_behind();
    std::cout << std::endl;
  }

  const Settings settings_;
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  ring::Producer producer_{settings_.ring.ring, settings_.ring.producer()};
  Loopback loopback_{producer_, settings_.period_ns()};
  Stat stat_{producer_};
  LoadAverage load_average_{producer_};
  Memory memory_{producer_};
  Pressure pressure_{producer_};
  Network network_{producer_};
  Disks disks_{producer_};
  Schedule schedule_{producer_, settings_.period_ns(), settings_.duration_ns()};  // after all set-up
  Cycle cycle_;
  Tally tally_;
  ring::Failure reported_ = ring::Failure::none;
};

void add_options(CLI::App& app, Settings& settings) {
  app.footer(help_footer);
  settings.ring.add_to(app);
  app.add_option("--hz", settings.hz, "Cycles a second")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--seconds", settings.seconds, "End after S seconds (default: at SIGTERM or SIGINT)")
      ->type_name("S")
      ->check(CLI::Range(0.0, Settings::seconds_max));
  app.add_flag("--progress", settings.progress, "Show a line a second on stderr");
}

void set_up_process() noexcept {
  std::signal(SIGTERM, [](int) { stop_asked = 1; });
  std::signal(SIGINT, [](int) { stop_asked = 1; });
  std::signal(SIGPIPE, SIG_IGN);    // whoever reads our output may go away
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // ns; by default any wake-up may be 50 us late
}

}  // namespace hostmon

int main(int argc, char** argv) {
  hostmon::Settings settings;
  CLI::App app{"Records this host into a ring: load, memory, network, disks, a loopback round trip."};
  app.set_version_flag("--version", "ring-hostmon " RINGDOWN_VERSION, "Print the version and exit");
  hostmon::add_options(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  hostmon::set_up_process();
  try {
    hostmon::Monitor(settings).run();
  } catch (const ring::Error& e) {
    std::cerr << "ring-hostmon: " << e.what() << '\n';
    return e.failure() == ring::Failure::bad_argument ? 2 : 1;
  } catch (const std::exception& e) {
    std::cerr << "ring-hostmon: " << e.what() << '\n';
    return 1;
  }
}
