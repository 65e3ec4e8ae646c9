// tier_source.hpp: the rows of a tier for a destination, as series NAME_sum, NAME_count, NAME_min, NAME_max and NAME_last; of a
// counter NAME_increase as well, of a state NAME_seconds{state="..."}. Their time is the bucket's start, as everywhere.
//
// A position is a time: rows of buckets before it were sent once their tier's frontier was behind them. A row that is made
// again behind the frontier, for samples that came late, is noted in remote_write_redone by a trigger of the writer's
// connection, and is sent again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "selector.hpp"
#include "sink_source.hpp"

namespace ringdown {

class TierSource : public SinkSource {
 public:
  TierSource(Database& database, const RemoteWriteSettings& settings);

  /// Whole buckets.
  bool next(std::int64_t position, std::int64_t wall_ns, Portion& out) override;
  bool next_waiting(std::int64_t wall_ns, Portion& out) override;
  const SentSeries& sent(std::uint32_t number) const noexcept override { return sent_[number]; }

 private:
  struct Source {
    ring::Definition definition = {};
    bool is_sent = false;
    std::vector<std::uint32_t> numbers = {};            // of what every row has, see `parts`
    std::map<std::string, std::uint32_t> states = {};   // by name
  };
  Source* find(std::int64_t series);
  void take(Statement& row, int column, std::int64_t bucket_s, std::int64_t series, Portion& out);
  void take_states(Source& source, const std::string& text, std::int64_t time_ms, Portion& out);
  std::uint32_t number(Source& source, std::size_t part);
  std::uint32_t number(const Source& source, const std::string& suffix, const ring::Labels& more);

  Database& database_;
  std::string destination_, job_;
  std::int64_t wanted_;
  std::vector<Selector> select_;
  ring::Labels labels_;
  std::vector<Source> sources_;   // by id
  std::vector<SentSeries> sent_;  // by number
};

/// From now on the writer's connection notes for a destination what is made again. Until it is closed.
void note_redone(Database& writer, const std::string& destination, Tier tier);
/// Buckets of a tier that start before it are made, s since the epoch.
std::int64_t tier_frontier_s(Database& database, Tier tier);

}  // namespace ringdown
