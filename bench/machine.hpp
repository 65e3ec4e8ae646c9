// machine.hpp: the machine under a benchmark's figures: what it is, and which of its CPUs a thread runs on.
#pragma once

#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/utsname.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "commit.hpp"  // RINGDOWN_COMMIT, made at build time

namespace bench {

/// The CPUs this process was started on (taskset). Asked for the first time before any thread is pinned.
inline const std::vector<std::size_t>& cpus() {
  static const std::vector<std::size_t> allowed = [] {
    std::vector<std::size_t> out;
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) out.push_back(cpu);
    return out;
  }();
  return allowed;
}

/// Keeps the calling thread on the n-th of cpus(); with fewer of them, threads share.
inline void pin_to(std::size_t n) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpus()[n % cpus().size()], &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

inline std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

inline std::string compiler() {
#if defined(__clang__)
  const std::string name = __VERSION__;  // begins with the vendor
#else
  const std::string name = std::string("gcc ") + __VERSION__;
#endif
#if defined(__OPTIMIZE__)
  return name + ", optimised";
#else
  return name + ", NOT OPTIMISED: no figure of this build counts";
#endif
}

inline std::vector<std::pair<std::string, std::string>> machine() {
  utsname system{};
  ::uname(&system);
  std::string pinned;
  for (const auto cpu : cpus()) pinned += (pinned.empty() ? "" : ",") + std::to_string(cpu);
  return {{"cpu_model", cpu_model()},
          {"cpus_allowed", pinned},
          {"kernel", std::string(system.sysname) + " " + system.release},
          {"compiler", compiler()},
          {"commit", RINGDOWN_COMMIT}};
}

/// The main() of every Google Benchmark here. The thread that is measured stays on the first CPU allowed.
inline int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const auto& [key, text] : machine()) benchmark::AddCustomContext(key, text);
  pin_to(0);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace bench
