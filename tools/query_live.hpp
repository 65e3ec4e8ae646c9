// query_live.hpp: samples that rings hold and a database does not have yet, for queries, as if they were stored.
//
// The rings are read first, from where the database's cursors stand, and the database after that: what its cursors have
// passed by in the meantime is in it, and is left out. The rest becomes one batch more behind the last, in a temporary table.
// Temporary views stand before the database's own tables `batches`, `series` and `progress`, with what these had at the
// same moment: every reader of samples finds the ring's with the others, and none that is committed later.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "batch.hpp"
#include "live_ring.hpp"
#include "query_output.hpp"
#include "sqlite.hpp"

namespace ringdown {

class Live {
 public:
  /// Reads what they hold. `rings`: which ones; none: all that the database knows and that are there. Throws ring::Error.
  Live(Database& database, const std::vector<std::string>& rings);

  /// Puts the views before the tables. What is read from them has the samples of the database and those held.
  void stand_in();
  /// Takes the views away.
  void stand_aside();
  /// The newest batch that was in the database when they came.
  std::int64_t stood_for() const noexcept { return stood_for_; }

  /// Reads what came since. @return it, by time
  std::vector<Sample> read();
  /// A sample of a series with this id, value and time: what is the same is told apart by nothing.
  using Key = std::tuple<std::uint32_t, std::int64_t, std::uint64_t>;
  static Key key(const Sample& sample);
  /// In one transaction: the newest batch, and of the samples that were held those that are stored up to it.
  std::int64_t take_stored(std::multiset<Key>& stored);
  /// The id that the samples of a series have here: the database's, when it is known to that.
  std::uint32_t series_id(const ring::Definition& definition);
  const Series& series(std::uint32_t id) const { return series_.at(id); }

 private:
  void open(const std::string& name, bool is_named);
  LiveRing::Cursors cursors_of(const LiveRing& ring);
  void learn_series();
  /// What a series is in the database, if it came to be stored.
  std::uint32_t stored_id(std::uint32_t id) const;
  Sample sample(const LiveRing::Held& held) const { return {held.time_ns, held.value, stored_id(held.series)}; }
  void fill_series();
  void fill_batches();
  void fill_progress(std::int64_t earliest_ns);

  Database& database_;
  std::unordered_map<std::string, std::uint32_t> ids_;  // by definition, encoded
  std::unordered_map<std::uint32_t, Series> series_;
  std::unordered_map<std::uint32_t, std::uint32_t> stored_ids_;  // by our id of a series that was stored since
  std::int64_t stood_for_ = 0;
  std::uint32_t known_ = 0, next_id_ = 0;               // the database's last id, and ours for one it does not know
  std::vector<std::unique_ptr<LiveRing>> rings_;
};

}  // namespace ringdown
