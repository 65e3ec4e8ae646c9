// batch_source.hpp: raw samples for a destination.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "batch.hpp"
#include "selector.hpp"
#include "sink_source.hpp"

namespace ringdown {

/// Raw samples, batch by batch in the order of the commits.
///
/// Of samples of one series and millisecond the first is sent. It must be the same one whenever they are sent again, by
/// whatever portions: so the newest millisecond of each series is known across portions, and after a jump it is taken
/// from the batch before.
class BatchSource : public SinkSource {
 public:
  /// Samples further ahead of the clock than this are held back: one of them can make a receiver refuse all that follow.
  static constexpr std::int64_t future_ms = 60'000;

  BatchSource(Database& database, const RemoteWriteSettings& settings);

  /// The batches behind this one, as many as have the samples of a request, one at least.
  bool next(std::int64_t position, std::int64_t wall_ns, Portion& out) override;
  /// Samples that were held back and are not from the future any more.
  bool next_waiting(std::int64_t wall_ns, Portion& out) override;
  void end(const Ended& ended, Portion& out) override;
  const SentSeries& sent(std::uint32_t number) const noexcept override { return sent_[number]; }

 private:
  bool is_sent(std::uint32_t series);
  void read_series();
  void read(std::int64_t batch, std::int64_t future_from_ms, Portion& out);
  void arrange(Portion& out);
  void know(std::int64_t batch);
  std::int64_t& newest_ms(std::uint32_t series);

  Database& database_;
  std::string destination_;
  std::int64_t wanted_;
  std::vector<Selector> select_;
  ring::Labels labels_;
  std::vector<SentSeries> sent_;              // by id; those that are not have no labels
  BatchView view_;
  std::int64_t read_to_ = -1;                 // batch
  std::vector<std::int64_t> newest_ms_;       // by series, in what was read so far
  std::vector<RemoteSample> unsorted_;
  std::vector<std::uint32_t> counts_;         // by series, of unsorted_
  std::vector<std::uint32_t> present_;        // series
};

}  // namespace ringdown
