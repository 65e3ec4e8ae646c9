// daemon.cpp: a 20 Hz control loop that records how late it wakes, its cycles and its mode.
// usage: example_cpp RING [--seconds N]    without --seconds: until SIGTERM or Ctrl-C
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ring/producer.hpp>
#include <thread>

volatile std::sig_atomic_t stop = 0;

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const bool limited = argc == 4 && std::strcmp(argv[2], "--seconds") == 0;
  if (argc != 2 && !limited) return std::fprintf(stderr, "usage: %s RING [--seconds N]\n", argv[0]), 2;
  const long cycles_max = limited ? 20 * std::atol(argv[3]) : -1;
  for (const int number : {SIGTERM, SIGINT}) std::signal(number, [](int) { stop = 1; });

  ring::Producer producer(argv[1]);
  const auto lateness = producer.gauge("daemon_lateness_ms", {{"loop", "main"}}, "ms");
  const auto cycles = producer.counter("daemon_cycles_total");
  const auto mode = producer.state("daemon_mode", {}, {"STARTING", "RUNNING"});
  if (!producer.attached()) std::fprintf(stderr, "not recording for now: %s\n", producer.why().c_str());

  auto wake = std::chrono::steady_clock::now();
  for (long cycle = 0; !stop && cycle != cycles_max; ++cycle) {
    const std::chrono::duration<double, std::milli> late = std::chrono::steady_clock::now() - wake;
    const auto now_ns = producer.now_ns();  // one time stamp for the whole cycle
    producer.push(lateness, late.count(), now_ns);
    producer.push(cycles, static_cast<double>(cycle + 1), now_ns);
    producer.push(mode, cycle < 10 ? 0 : 1, now_ns);
    if (cycle % 20 == 19) producer.maintain();
    std::this_thread::sleep_until(wake += 50ms);
  }
}
