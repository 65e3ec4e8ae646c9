// verify_windows.cpp: checks sealed samples: every chunk against its row, and the rows against their window.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "series_rules.hpp"
#include "verify.hpp"
#include "window.hpp"

namespace ringdown {
namespace {

class WindowCheck {
 public:
  WindowCheck(Database& database, Verified& out)
      : database_(database),
        out_(out),
        rules_(database),
        chunk_reader_(database),
        next_(database, "SELECT id, first_batch, last_batch, min_ns, max_ns, samples FROM windows WHERE id > ? ORDER BY id LIMIT 1"),
        chunks_(database, "SELECT id, min_ns, max_ns, count, min, max, sum, sum IS NULL, first, last, times, vals FROM chunks "
                          "WHERE id >= ? AND id < ? ORDER BY id") {}

  /// A read transaction lasts for one window.
  void run(const Told& told) {
    const auto first = database_.query_integer("SELECT min(id) FROM windows"),
               last = database_.query_integer("SELECT max(id) FROM windows");
    for (bool more = true; more;) {
      const Snapshot snapshot(database_);
      more = check_next();
      told("windows", static_cast<double>(id_ - first) / static_cast<double>(std::max<std::int64_t>(last - first, 1)));
    }
  }

 private:
  bool check_next() {
    next_.bind(1, id_);
    if (!next_.step() || next_.integer(0) <= id_) return next_.reset(), false;
    id_ = next_.integer(0);
    const auto first_batch = next_.integer(1), last_batch = next_.integer(2), min_ns = next_.integer(3),
               max_ns = next_.integer(4), samples = next_.integer(5);
    next_.reset();
    const auto sealed = window::read_sealed(database_);
    if (first_batch > last_batch || last_batch > sealed.through_batch)
      find(fmt::format("batches {} to {}, expected them in order and up to {}, the last one sealed", first_batch, last_batch,
                       sealed.through_batch));
    if (id_ >= sealed.next_window)
      find(fmt::format("expected a number below {}, the next one in sealed", sealed.next_window));
    sum_ = {};
    chunks_.bind(1, window::row_id(id_, 0)).bind(2, window::row_id(id_ + 1, 0));
    while (chunks_.step()) check_chunk();
    chunks_.reset();
    chunk_reader_.clear();
    if (sum_.samples != samples || (samples > 0 && (sum_.min_ns != min_ns || sum_.max_ns != max_ns)))
      find(fmt::format("{} samples from {} to {}, expected {} from {} to {} by its chunks", samples, min_ns, max_ns,
                       sum_.samples, sum_.min_ns, sum_.max_ns));
    return true;
  }

  void check_chunk() {
    ++out_.windows.rows;
    const auto series = window::number_of(chunks_.integer(0)), count = chunks_.integer(3);
    if (!rules_.has(series))
      out_.references.find(fmt::format("chunks window {} series {}: no such row in series, expected one", id_, series));
    sum_.samples += count;
    sum_.min_ns = std::min(sum_.min_ns, chunks_.integer(1));
    sum_.max_ns = std::max(sum_.max_ns, chunks_.integer(2));
    try {
      chunk_reader_.read(id_, chunks_.integer(10), chunks_.integer(11), count);
    } catch (const SqliteError&) {
      throw;
    } catch (const std::runtime_error& error) {
      return find(fmt::format("series {}: its {} samples cannot be read: {}", series, count, error.what()));
    }
    const auto times = chunk_reader_.times();
    const auto values = chunk_reader_.values();
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    double sum = 0;
    for (const auto value : values) sum += value;
    const bool sums = chunks_.integer(7) ? !std::isfinite(sum) : chunks_.real(6) == sum;
    if (times.front() != chunks_.integer(1) || times.back() != chunks_.integer(2) || !sums || *min != chunks_.real(4) ||
        *max != chunks_.real(5) || values.front() != chunks_.real(8) || values.back() != chunks_.real(9))
      find(fmt::format("series {}: min {}, max {}, sum {}, first {}, last {} from {} to {}, expected {}, {}, {}, {}, {} from {} to {} "
                       "by its samples", series, chunks_.real(4), chunks_.real(5), chunks_.real(6), chunks_.real(8),
                       chunks_.real(9), chunks_.integer(1), chunks_.integer(2), *min, *max, sum, values.front(),
                       values.back(), times.front(), times.back()));
  }

  void find(const std::string& what) { out_.windows.find(fmt::format("window {}: ", id_) + what); }

  Database& database_;
  Verified& out_;
  SeriesRules rules_;
  ChunkReader chunk_reader_;
  Statement next_, chunks_;
  std::int64_t id_ = 0;
  struct {
    std::int64_t samples = 0, min_ns = std::numeric_limits<std::int64_t>::max(),
                 max_ns = std::numeric_limits<std::int64_t>::min();
  } sum_;
};

}  // namespace

void verify_windows(Database& database, Verified& out, const Told& told) { WindowCheck(database, out).run(told); }

}  // namespace ringdown
