// sink_source.hpp: what a destination gets next, read by a connection of its own. No read transaction outlives a call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "remote_write.hpp"
#include "remote_write_settings.hpp"
#include "sink_rows.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// A stretch of what is to be sent.
struct Portion {
  std::int64_t position = 0;                // it has everything up to there that was not in the ones before
  std::vector<RemoteSample> samples = {};   // by series, each series' by time, no two of one millisecond
  std::vector<AsideSample> held = {};       // from the future
  std::int64_t folded = 0;                  // samples that were left out, of a millisecond that their series has one of
  std::vector<std::int64_t> rows = {};      // of next_waiting(): their ids, to be deleted once this is settled
};

/// A series as it is sent; RemoteSample::series is its number in a source.
struct SentSeries {
  std::uint32_t series = 0;  // database id
  std::string metric = {}, labels = {};
};

/// Series that nobody writes any more.
struct Ended {
  std::vector<std::uint32_t> series = {};
  std::int64_t position = 0;  // everything of them is in batches up to it
  std::int64_t at_ms = 0;     // when that was noticed
};

class SinkSource {
 public:
  virtual ~SinkSource() = default;
  /// What is behind `position`, about as many samples as a request has. @return false: nothing yet
  virtual bool next(std::int64_t position, std::int64_t wall_ns, Portion& out) = 0;
  /// What waits in a table by now, beside what is in order. @return false: nothing
  virtual bool next_waiting(std::int64_t wall_ns, Portion& out) = 0;
  /// A stale marker behind the last sample of each that has not been written again since.
  virtual void end(const Ended&, Portion&) {}
  virtual const SentSeries& sent(std::uint32_t number) const noexcept = 0;
};

/// For what the settings say. Throws ring::Error: a selector that is none.
std::unique_ptr<SinkSource> make_source(Database& database, const RemoteWriteSettings& settings);

}  // namespace ringdown
