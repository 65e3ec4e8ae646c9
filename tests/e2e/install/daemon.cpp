// daemon.cpp: the smallest daemon that records; a stranger's program, built against the installed library only.
#include <cstdio>
#include <ring/producer.hpp>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int accepted = 0;
  {
    ring::Producer producer{argv[1], {.geometry = {.lanes = 1, .lane_records = 64}}};
    const auto rtt = producer.gauge("daemon_rtt_ms", {{"link", "loopback"}}, "ms");
    for (int i = 0; i < 10; ++i) accepted += producer.push(rtt, 0.1 * i);
    if (!producer.why().empty()) std::fprintf(stderr, "%s\n", producer.why().c_str());
  }
  const bool removed = ring::Segment::remove(argv[1]);
  std::printf("%d of 10 samples accepted, ring %s\n", accepted, removed ? "removed" : "was not there");
  return accepted == 10 && removed ? 0 : 1;
}
