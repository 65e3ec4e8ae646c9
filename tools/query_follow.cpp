#include "query_follow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>

#include "raw_reader.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

constexpr std::chrono::milliseconds interval{200};

class Following {
 public:
  Following(Database& database, Query& query, Writer& writer, Follow from)
      : database_(database), query_(query), writer_(writer), from_(std::move(from)),
        series_(from_.live ? -1 : database.query_integer("SELECT max(id) FROM series")) {}

  void look() {
    if (from_.live) write_live();
    const auto newest = newest_batch(database_);
    if (newest == from_.seen) return;
    if (newest < from_.seen)
      throw std::runtime_error("database " + database_.path() + ": another one was put in its place; begin again");
    const auto known = database_.query_integer("SELECT max(id) FROM series");
    if (std::exchange(series_, known) != known) from_.select();
    const auto sealed = window::read_sealed(database_).through_batch;
    if (sealed > from_.seen)
      complain(fmt::format("missed {} commits, which were sealed meanwhile; they are there without --follow",
                           sealed - from_.seen));
    std::multiset<Live::Key> written;
    const auto last = from_.live ? from_.live->take_stored(written) : newest;
    write_commits(last, written);
    from_.seen = last;
    writer_.finish();
  }

 private:
  void write_live() {
    bool any = false;
    for (const auto& sample : from_.live->read()) {
      const auto& series = from_.live->series(sample.series);
      if (!query_.range.contains(sample.time_ns) || !wants(series)) continue;
      if (!query_.admit()) break;
      writer_.sample(series, sample.time_ns, sample.value);
      any = true;
    }
    if (any) writer_.finish();
  }
  bool wants(const Series& series) {
    const auto [at, is_new] = wanted_.try_emplace(series.id, false);
    if (is_new) at->second = from_.wants(series.definition);
    return at->second;
  }

  /// But for what was written when it was in the ring.
  void write_commits(std::int64_t last, std::multiset<Live::Key>& written) {
    RawReader::Selection selection{.from_ns = query_.range.from_ns, .to_ns = query_.range.to_ns, .after_batch = from_.seen,
                                   .last_batch = last, .batches_only = true};
    for (const auto& series : query_.series) selection.series.push_back(series.id);
    if (selection.series.empty()) return;
    RawReader reader(database_, std::move(selection), [&](const auto& what, auto, auto) {
      complain(fmt::format("database {}: {}; its samples are left out", database_.path(), what));
      query_.failed = true;
    });
    for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
      for (const auto& sample : samples) {
        const auto series = std::lower_bound(query_.series.begin(), query_.series.end(), sample.series,
                                             [](const auto& s, std::uint32_t id) { return s.id < id; });
        if (!written.empty() && take(written, *series, sample)) continue;
        if (!query_.admit()) return;
        writer_.sample(*series, sample.time_ns, sample.value);
      }
  }
  bool take(std::multiset<Live::Key>& written, const Series& series, const RawSample& sample) {
    const auto [at, is_new] = live_ids_.try_emplace(series.id, 0u);
    if (is_new) at->second = from_.live->series_id(series.definition);
    const auto found = written.find(Live::key({sample.time_ns, sample.value, at->second}));
    if (found == written.end()) return false;
    written.erase(found);
    return true;
  }

  Database& database_;
  Query& query_;
  Writer& writer_;
  Follow from_;
  std::int64_t series_;                                         // the newest that was chosen from; -1: the choice is older
  std::unordered_map<std::uint32_t, bool> wanted_;              // by the ring's ids
  std::unordered_map<std::uint32_t, std::uint32_t> live_ids_;   // by the database's
};

}  // namespace

void follow(Database& database, Query& query, Writer& writer, Follow from, const volatile std::sig_atomic_t& stop) {
  for (Following following(database, query, writer, std::move(from)); stop == 0 && !query.more;
       std::this_thread::sleep_for(interval))
    following.look();
}

}  // namespace ringdown
