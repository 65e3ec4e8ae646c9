// sink_source.hpp: what a destination gets next, read by a connection of its own. No read transaction outlives a call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch.hpp"
#include "remote_write.hpp"
#include "selector.hpp"
#include "sink_rows.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// A stretch of what is to be sent.
struct Portion {
  std::int64_t position = 0;                // it has everything up to this batch that was not in the ones before
  std::vector<RemoteSample> samples = {};   // by series, each series' by time, no two of one millisecond
  std::vector<AsideSample> held = {};       // from the future
  std::int64_t folded = 0;                  // samples that were left out, of a millisecond that their series has one of
};

/// What is sent of each series, and as what.
class SinkSeries {
 public:
  /// Throws ring::Error: a selector that is none.
  SinkSeries(Database& database, const std::vector<std::string>& select, const ring::Labels& labels);

  /// O(1); a series that came since the last call is read.
  bool is_sent(std::uint32_t series) {
    if (series >= all_.size()) read();
    return series < all_.size() && all_[series].is_sent;
  }
  const std::string& labels(std::uint32_t series) const noexcept { return all_[series].labels; }
  const std::string& name(std::uint32_t series) const noexcept { return all_[series].name; }

 private:
  void read();
  struct One {
    bool is_sent = false;
    std::string name = {}, labels = {};
  };
  Database& database_;
  std::vector<Selector> select_;
  ring::Labels more_;
  std::vector<One> all_;  // by id
};

/// Raw samples, batch by batch in the order of the commits.
///
/// Of samples of one series and millisecond the first is sent. It must be the same one whenever they are sent again, by
/// whatever portions: so the newest millisecond of each series is known across portions, and after a jump it is taken
/// from the batch before.
class BatchSource {
 public:
  /// Samples further ahead of the clock than this are held back: one of them can make a receiver refuse all that follow.
  static constexpr std::int64_t future_ms = 60'000;

  BatchSource(Database& database, SinkSeries& series, std::int64_t samples_wanted)
      : database_(database), series_(series), wanted_(samples_wanted) {}

  /// The batches behind `position`, as many as have the samples wanted, one at least. @return false: there are none
  bool next(std::int64_t position, std::int64_t now_ns, Portion& out);

 private:
  void read(std::int64_t batch, std::int64_t future_from_ms, Portion& out);
  void arrange(Portion& out);
  void know(std::int64_t batch);
  std::int64_t& newest_ms(std::uint32_t series);

  Database& database_;
  SinkSeries& series_;
  std::int64_t wanted_;
  BatchView view_;
  std::int64_t read_to_ = -1;                 // batch
  std::vector<std::int64_t> newest_ms_;       // by series, in what was read so far
  std::vector<RemoteSample> unsorted_;
  std::vector<std::uint32_t> counts_;         // by series, of unsorted_
  std::vector<std::uint32_t> present_;        // series
};

}  // namespace ringdown
