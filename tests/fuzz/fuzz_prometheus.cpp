// fuzz_prometheus.cpp: reads pages in Prometheus' text format that somebody else wrote.
//
// Whatever the bytes are: no crash, no sanitizer's report, no exception but ring::Error(bad_argument); what a ring
// takes as a series is read as the same one when it is written again. The first byte says whether the page is
// OpenMetrics.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cli.hpp"
#include "prometheus_text.hpp"
#include "ring/error.hpp"

namespace {

void read_again(const ringdown::PrometheusText::Sample& sample) {
  ring::Definition definition;
  try {
    definition = ring::checked(sample.definition);
  } catch (const ring::Error&) {  // a name too long, a label twice
    return;
  }
  definition.kind = ring::Kind::gauge;  // without a type
  const auto again = ringdown::PrometheusText().line(ringdown::series_text(definition) + " 1");
  if (!again || ring::checked(again->definition) != definition || again->value != 1 || again->time_ns) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ringdown::PrometheusText text(data[0] & 1);
  std::string line;
  const auto take = [&] {
    try {
      if (const auto sample = text.line(std::string(line))) read_again(*sample);
    } catch (const ring::Error& e) {
      if (e.failure() != ring::Failure::bad_argument) std::abort();
    }
    line.clear();
  };
  for (std::size_t i = 1; i < size; ++i) {
    if (data[i] == '\n')
      take();
    else
      line += static_cast<char>(data[i]);
  }
  take();
  return 0;
}
