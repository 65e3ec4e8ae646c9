// raw_reader.hpp: raw samples as one thing, in time order, whether they are in batches or in chunks.
//
// What has samples of the range, batches and windows, waits in a queue by the time of its first one. The earliest is
// read, and of what was read everything older than the next one is given out: so nothing is held but what overlaps.
// Batches come in the order of their commits, and are listed as far ahead as their samples may be late; those with
// older samples, or from the future, are few, have an index, and are listed at the beginning like the windows.
//
// No read transaction outlives a call. When samples have moved from batches to a window in the meantime
// (sealed.changes), all is listed again, from what was given out last: that is enough, since it was in time order.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <string>
#include <vector>

#include "batch.hpp"
#include "sqlite.hpp"
#include "window.hpp"

namespace ringdown {

struct RawSample {
  std::int64_t time_ns;
  double value;
  std::uint32_t series;
  std::uint32_t order;  // of samples with the same time and series, those with a lower one were committed first
};

class RawReader {
 public:
  struct Selection {
    std::vector<std::uint32_t> series = {};  // ascending; empty: all of them
    std::int64_t from_ns = std::numeric_limits<std::int64_t>::min();
    std::int64_t to_ns = std::numeric_limits<std::int64_t>::max();  // not included
    std::int64_t after_batch = 0;  // of those that are not sealed
    std::int64_t last_batch = std::numeric_limits<std::int64_t>::max();
    bool sealed_only = false, batches_only = false;
  };
  /// Told what could not be read, and of what time; its samples are left out.
  using OnDamage = std::function<void(const std::string& what, std::int64_t min_ns, std::int64_t max_ns)>;

  RawReader(Database& database, Selection selection, OnDamage on_damage);

  /// The next samples by time, and at the same time by series: as many as are at hand, none at the end. They are valid
  /// until the next call. Throws SqliteError.
  std::span<const RawSample> next();

 private:
  struct Segment {  // what has samples: a batch or a window
    std::int64_t id;
    bool is_window;
    std::int64_t from_ns;  // what is before it was read
    std::int64_t min_ns, max_ns, samples;
    std::uint32_t order;
    bool operator<(const Segment& b) const noexcept { return from_ns > b.from_ns; }  // the earliest is on top
  };
  struct Chunk {
    std::uint32_t series;
    std::int64_t min_ns, max_ns, count, times, values;
  };

  bool is_current();
  void list();
  void list_batches();
  void add(const Segment& segment);
  std::uint32_t order_of(std::int64_t batch) const noexcept {
    return first_order_ + static_cast<std::uint32_t>(batch - through_batch_);
  }
  void read(Segment segment);
  void read_batch(Segment& segment);
  void read_window(Segment& segment);
  void find_chunks(const Segment& segment);
  void take_chunk(const Segment& segment, const Chunk& chunk, std::int64_t to_ns);
  std::int64_t cut(Segment& segment, std::int64_t samples);
  void sort();
  void distribute();

  Database& database_;
  Selection selection_;
  OnDamage on_damage_;
  bool is_listed_ = false;
  std::int64_t through_batch_ = 0, changes_ = 0;  // of the listing
  std::uint32_t first_order_ = 0;                 // of batches
  std::priority_queue<Segment> queue_;
  std::int64_t listed_batch_ = 0;        // batches up to it are in the queue, or done
  std::int64_t batches_from_ns_ = 0;     // further ones have no earlier samples
  std::vector<RawSample> samples_;       // in order; up to given_ they were given out
  std::size_t given_ = 0;
  std::vector<RawSample> unsorted_;      // scratch of sort(), and where each stretch of time begins
  std::vector<std::size_t> stretch_begins_;
  BatchView view_;
  std::vector<Chunk> chunks_;
  ChunkReader chunk_reader_;
};

/// What has raw samples, as a table in SQL: min_ns, max_ns and samples of each window and of each batch not sealed.
inline constexpr const char* raw_parts =
    "(SELECT min_ns, max_ns, samples FROM windows UNION ALL SELECT min_ns, max_ns, samples FROM batches "
    "WHERE id > (SELECT through_batch FROM sealed))";

/// The newest batch that there is or was; 0 before the first.
std::int64_t newest_batch(Database& database);

/// The first batch committed at this time or later: their ids and times ascend together. `end` if none before it was.
std::int64_t batch_at(Database& database, std::int64_t committed_ns, std::int64_t end);

}  // namespace ringdown
