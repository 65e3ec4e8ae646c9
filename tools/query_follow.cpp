#include "query_follow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include "raw_reader.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

constexpr std::chrono::milliseconds interval{200};

void write(Database& database, Query& query, Writer& writer, std::int64_t after, std::int64_t last) {
  RawReader::Selection selection{.from_ns = query.range.from_ns, .to_ns = query.range.to_ns, .after_batch = after,
                                 .last_batch = last, .batches_only = true};
  for (const auto& series : query.series) selection.series.push_back(series.id);
  if (selection.series.empty()) return;
  RawReader reader(database, std::move(selection), [&](const auto& what, auto, auto) {
    complain(fmt::format("database {}: {}; its samples are left out", database.path(), what));
    query.failed = true;
  });
  for (auto samples = reader.next(); !samples.empty(); samples = reader.next())
    for (const auto& sample : samples) {
      const auto series = std::lower_bound(query.series.begin(), query.series.end(), sample.series,
                                           [](const auto& s, std::uint32_t id) { return s.id < id; });
      if (!query.admit()) return;
      writer.sample(*series, sample.time_ns, sample.value);
    }
}

}  // namespace

void follow(Database& database, Query& query, Writer& writer, std::int64_t seen, const std::function<void()>& select,
            const volatile std::sig_atomic_t& stop) {
  auto series = database.query_integer("SELECT max(id) FROM series");
  for (; stop == 0 && !query.more; std::this_thread::sleep_for(interval)) {
    const auto newest = newest_batch(database);
    if (newest == seen) continue;
    if (newest < seen)
      throw std::runtime_error("database " + database.path() + ": another one was put in its place; begin again");
    const auto known = database.query_integer("SELECT max(id) FROM series");
    if (std::exchange(series, known) != known) select();
    const auto sealed = window::read_sealed(database).through_batch;
    if (sealed > seen)
      complain(fmt::format("missed {} commits, which were sealed meanwhile; they are there without --follow", sealed - seen));
    write(database, query, writer, seen, newest);
    seen = newest;
    writer.finish();
  }
}

}  // namespace ringdown
