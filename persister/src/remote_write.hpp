// remote_write.hpp: the body of a request of Prometheus' remote write 1.0.
//
// Specification: prometheus.io/docs/specs/prw/remote_write_spec. A request is Snappy's block format of this message of
// protocol buffers (proto3), whose few fields are written here by hand:
//   WriteRequest { repeated TimeSeries timeseries = 1; }
//   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
//   Label        { string name = 1; string value = 2; }    sorted by name, none twice, none empty
//   Sample       { double value = 1; int64 timestamp = 2; }  milliseconds since the epoch
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ring/definition.hpp"

namespace ringdown {

/// Of a request; of which series is told apart.
struct RemoteSample {
  std::uint32_t series;  // database id
  std::int64_t time_ms;
  double value;
};

/// The value that says that a series ends here; no sample has it.
double stale_marker() noexcept;

/// The labels of a TimeSeries, as they stand in it.
/// @param suffix  of the name
/// @param more    labels that the series gets unless it has them
std::string encode_labels(const ring::Definition& series, std::string_view suffix, const ring::Labels& more);

/// Appends one TimeSeries. @param labels  of encode_labels()
void append_series(std::string& request, std::string_view labels, std::span<const RemoteSample> samples);

/// A WriteRequest as it is sent; `packed` is replaced.
void pack_request(std::string_view request, std::string& packed);

}  // namespace ringdown
