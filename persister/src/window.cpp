#include "window.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "chunk.hpp"

namespace ringdown {

namespace {

/// Hands a column's blob to `decode`. Throws std::runtime_error if it is not there.
template <class Decode>
void read_column(Database& database, std::int64_t id, Decode&& decode) {
  auto& row = database.prepared("SELECT blob FROM columns WHERE id = ?");
  struct Reset {
    Statement& row;
    ~Reset() { row.reset(); }
  } const reset{row};
  row.bind(1, id);
  if (!row.step()) throw std::runtime_error("chunk: a column of it is not there");
  decode(row.blob(0));
}

constexpr std::size_t known_max = 1 << 18;  // time stamps

}  // namespace

window::Sealed window::read_sealed(Database& database) {
  auto& row = database.prepared("SELECT through_batch, next_window, changes FROM sealed");
  const bool found = row.step();
  const Sealed out{row.integer(0), row.integer(1), row.integer(2)};
  row.reset();
  constexpr std::int64_t window_max = std::int64_t{1} << (62 - number_bits);
  if (!found || out.next_window < 1 || out.next_window > window_max || out.through_batch < 0)
    database.fail_damaged("sealed: through_batch " + std::to_string(out.through_batch) + ", next_window " +
                          std::to_string(out.next_window));
  return out;
}

void ChunkReader::read(std::int64_t window, std::int64_t times, std::int64_t values, std::int64_t count) {
  const auto id = window::row_id(window, times);
  auto known = known_.find(id);
  if (known == known_.end()) {
    if (known_count_ > known_max) clear();
    std::vector<std::int64_t> unpacked;
    read_column(database_, id, [&](auto blob) { decode_times(blob, unpacked); });
    if (!std::is_sorted(unpacked.begin(), unpacked.end())) throw std::runtime_error("chunk: time stamps out of order");
    known_count_ += unpacked.size();
    known = known_.emplace(id, std::move(unpacked)).first;
  }
  times_ = &known->second;
  read_column(database_, window::row_id(window, values), [&](auto blob) { decode_values(blob, values_); });
  if (times_->size() != values_.size() || static_cast<std::int64_t>(values_.size()) != count)
    throw std::runtime_error("chunk: " + std::to_string(times_->size()) + " time stamps and " +
                             std::to_string(values_.size()) + " values, its row says " + std::to_string(count));
}

void ChunkReader::clear() {
  known_.clear();
  known_count_ = 0;
}

void WindowWriter::begin(std::int64_t id) {
  id_ = id;
  samples_ = columns_ = 0;
  known_times_.clear();
  known_values_.clear();
}

template <class T, class Encode>
std::int64_t WindowWriter::column(Numbers& known, const std::vector<T>& content, Encode&& encode) {
  const auto hash = XXH3_128bits(content.data(), content.size() * sizeof(T));
  const auto [at, is_new] = known.try_emplace({hash.low64, hash.high64}, columns_);
  if (!is_new) return at->second;
  encode(content, blob_);
  database_.prepared("INSERT INTO columns (id, blob) VALUES (?, ?)")
      .bind(1, window::row_id(id_, columns_))
      .bind(2, std::span<const std::byte>(blob_))
      .run();
  return columns_++;
}

void WindowWriter::add(std::uint32_t series, std::span<const Point> samples) {
  times_.clear();
  values_.clear();
  for (const auto& sample : samples) {
    times_.push_back(sample.time_ns);
    values_.push_back(sample.value);
  }
  const auto times = column(known_times_, times_, encode_times);
  const auto values = column(known_values_, values_, [](const auto& of, auto& blob) { encode_values(of, blob); });
  double sum = 0;
  for (const auto value : values_) sum += value;
  const auto [min, max] = std::minmax_element(values_.begin(), values_.end());
  auto& row = database_.prepared("INSERT INTO chunks (id, min_ns, max_ns, count, min, max, sum, first, last, times, vals) "
                                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  row.bind(1, window::row_id(id_, series)).bind(2, times_.front()).bind(3, times_.back())
      .bind(4, static_cast<std::int64_t>(samples.size())).bind(5, *min).bind(6, *max);
  std::isfinite(sum) ? row.bind(7, sum) : row.bind_null(7);
  row.bind(8, values_.front()).bind(9, values_.back()).bind(10, times).bind(11, values).run();
  min_ns_ = samples_ == 0 ? times_.front() : std::min(min_ns_, times_.front());
  max_ns_ = samples_ == 0 ? times_.back() : std::max(max_ns_, times_.back());
  samples_ += static_cast<std::int64_t>(samples.size());
}

void WindowWriter::publish(std::int64_t first_batch, std::int64_t last_batch, std::int64_t committed_ns, std::int64_t strays,
                           std::int64_t merged) {
  if (samples_ == 0) return;
  database_.prepared("INSERT INTO windows (id, first_batch, last_batch, committed_ns, min_ns, max_ns, samples, strays, merged) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, id_).bind(2, first_batch).bind(3, last_batch).bind(4, committed_ns).bind(5, min_ns_).bind(6, max_ns_)
      .bind(7, samples_).bind(8, strays).bind(9, merged).run();
}

}  // namespace ringdown
