// push_instructions.cpp: nothing but the pushes, for a look at their machine code.
#include "ring/writer.hpp"

extern "C" {
bool probe_push(ring::Writer& writer, ring::Series series, double value, std::int64_t time_ns) {
  return writer.push(series, value, time_ns);
}
std::size_t probe_push_many(ring::Writer& writer, std::int64_t time_ns, const ring::Series* series,
                            const double* values, std::size_t count) {
  return writer.push_many(time_ns, {series, count}, {values, count});
}
}
