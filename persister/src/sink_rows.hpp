// sink_rows.hpp: what a sink and the tables remote_write, remote_write_aside and remote_write_losses tell each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sqlite.hpp"

namespace ringdown {

/// How far a destination is: batches, or of a tier the time (s) before which buckets start.
struct SinkCursor {
  std::int64_t accepted = 0;     // the receiver has accepted everything up to it
  std::int64_t settled = 0;      // likewise, and it will not forget it any more; here a restart goes on
  bool operator==(const SinkCursor&) const = default;
};

/// What happened since the beginning of its row.
struct SinkCounts {
  std::int64_t samples = 0;   // accepted, those that were sent again included
  std::int64_t requests = 0;  // accepted
  std::int64_t bytes = 0;     // of them, compressed
  std::int64_t failures = 0;  // requests that came to nothing: no answer, 429, 5xx
  std::int64_t rewinds = 0;
  std::int64_t folded = 0;    // samples of a millisecond that their series had one of already
  std::int64_t refused = 0;   // samples, with 400
  std::int64_t lost = 0;      // samples, or rows of a tier, that waited for longer than lag_max
  bool operator==(const SinkCounts&) const = default;
};

/// A sample that was not sent with the others.
struct AsideSample {
  std::uint32_t series = 0;
  std::string metric = {};  // its name as it is sent
  std::int64_t time_ms = 0;
  double value = 0;
  bool held = false;        // until its time comes; else it was refused
  std::string why = {};
};

/// What was accepted in the last whole minute, a second.
struct SinkRates {
  double samples = 0, bytes = 0;
  bool operator==(const SinkRates&) const = default;
};

struct SinkRow {
  std::string destination = {};
  std::string sends = {};       // raw, 1m, 5m or 1h
  SinkCursor cursor = {};
  SinkCounts counts = {};
  SinkRates rates = {};
  std::string state = {};       // sending, waiting or stopped
  std::string trouble = {};     // why it waits or has stopped
  bool operator==(const SinkRow&) const = default;
};

/// Of all destinations that there ever were, by name.
std::vector<SinkRow> read_sinks(Database& database);

/// The age of the oldest batch that was not accepted, s; of a tier, how much further it is made. 0: there is nothing.
double lag_s(Database& database, const SinkRow& row, std::int64_t now_ns);

/// Within a transaction in which rows of a tier's bucket were deleted: those that a destination had not accepted, or was to
/// get again, are lost to it.
void lose_rows(Database& database, const std::string& tier, std::int64_t bucket_s, std::int64_t rows, std::int64_t now_ns);
/// How many are, so far.
std::int64_t rows_lost(Database& database, const std::string& destination);

/// Writes for one destination, within a transaction of the caller's.
class SinkTable {
 public:
  static constexpr std::int64_t aside_max = 10'000;  // rows of each sort; of those that were refused the oldest go

  SinkTable(Database& database, std::string destination) : database_(database), destination_(std::move(destination)) {}

  void write(const SinkRow& row, std::int64_t now_ns);
  /// @return how many were refused that were not there before
  std::int64_t set_aside(const std::vector<AsideSample>& samples, std::int64_t now_ns);
  /// Of raw samples, those that were held back; of a tier, what was made again.
  void release(const std::string& sends, const std::vector<std::int64_t>& rows);
  void lose(std::int64_t first_batch, std::int64_t last_batch, std::int64_t samples, std::int64_t now_ns);

 private:
  Database& database_;
  std::string destination_;
};

}  // namespace ringdown
