#include "batch.hpp"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

#include "varint.hpp"

namespace ringdown {
namespace {

constexpr std::uint32_t magic = 0x31424452;  // "RDB1"
constexpr std::size_t header_bytes = 24;
constexpr int level = -1;  // of Zstandard: 2.7 bytes a sample at 19 ns, where 1 gives 2.6 at 28 and 3 2.5 at 28

std::uint32_t checksum(std::span<const std::byte> blob) {
  return static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
}

/// What encode_batch keeps from one call to the next.
struct Scratch {
  struct Free {
    void operator()(ZSTD_CCtx* done) const noexcept { ZSTD_freeCCtx(done); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
  std::vector<std::uint32_t> first;   // by series: the place of its next sample
  std::vector<std::uint32_t> stamp;   // by place: index of its time stamp
  std::vector<std::int64_t> times_ns; // the time stamps
  std::vector<std::byte> packed, frame;  // only grow: what is added is set to zero first
};

template <class T>
void grow(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
}

constexpr auto about = "batch blob: ";
std::runtime_error damaged(const std::string& why) { return std::runtime_error(about + why); }

struct Header {
  std::uint32_t magic, checksum, series, samples, stamps, unpacked_bytes;
};
static_assert(sizeof(Header) == header_bytes);

void unpack(std::span<const std::byte> frame, std::size_t expected, std::vector<std::byte>& out) {
  grow(out, expected);
  const auto size = ZSTD_decompress(out.data(), expected, frame.data(), frame.size());
  if (ZSTD_isError(size)) throw damaged(std::string("cannot be unpacked: ") + ZSTD_getErrorName(size));
  if (size != expected)
    throw damaged(std::to_string(size) + " bytes unpacked, its header says " + std::to_string(expected));
}

}  // namespace

void encode_batch(std::span<const Sample> samples, std::vector<std::byte>& blob) {
  if (samples.size() > batch_samples_max)
    throw std::length_error("batch of " + std::to_string(samples.size()) + " samples; at most " +
                            std::to_string(batch_samples_max));
  thread_local Scratch scratch;
  auto& [context, first, stamp, times_ns, packed, frame] = scratch;

  // Counting sort by series.
  std::uint32_t id_max = 0;
  for (const auto& sample : samples) id_max = std::max(id_max, sample.series);
  first.assign(std::size_t{id_max} + 1, 0);
  for (const auto& sample : samples) ++first[sample.series];
  const auto values_bytes = samples.size() * sizeof(double);
  grow(packed, values_bytes + varint_bytes_max * (4 * samples.size()));
  auto* at = packed.data() + values_bytes;
  std::uint32_t series = 0, last_id = 0, sum = 0;
  for (std::uint32_t id = 0; id <= id_max; ++id) {
    const auto count = std::exchange(first[id], sum);
    if (count == 0) continue;
    at = put_varint(id - last_id, at);
    at = put_varint(count, at);
    last_id = id;
    sum += count;
    ++series;
  }
  grow(stamp, samples.size());
  times_ns.clear();
  for (const auto& sample : samples) {
    if (times_ns.empty() || times_ns.back() != sample.time_ns) times_ns.push_back(sample.time_ns);
    const auto place = first[sample.series]++;
    stamp[place] = static_cast<std::uint32_t>(times_ns.size() - 1);
    std::memcpy(packed.data() + place * sizeof sample.value, &sample.value, sizeof sample.value);
  }
  std::uint64_t last = 0;
  for (const auto time_ns : times_ns) {
    const auto time = static_cast<std::uint64_t>(time_ns);
    at = put_varint(zigzag(time - last), at);
    last = time;
  }
  // first[id] is now one past the series' last sample.
  std::uint32_t place = 0, first_stamp = 0;
  for (std::uint32_t id = 0; id <= id_max; ++id) {
    if (place == first[id]) continue;
    at = put_varint(zigzag(std::uint64_t{stamp[place]} - first_stamp), at);
    first_stamp = stamp[place];
    for (++place; place < first[id]; ++place) at = put_varint(stamp[place] - stamp[place - 1], at);
  }

  const auto unpacked_bytes = static_cast<std::size_t>(at - packed.data());
  grow(frame, header_bytes + ZSTD_compressBound(unpacked_bytes));
  const auto size = ZSTD_compressCCtx(context.get(), frame.data() + header_bytes, frame.size() - header_bytes,
                                      packed.data(), unpacked_bytes, level);
  if (ZSTD_isError(size)) throw std::runtime_error(std::string("pack a batch: ") + ZSTD_getErrorName(size));
  blob.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(header_bytes + size));
  Header header{magic,
                0,
                series,
                static_cast<std::uint32_t>(samples.size()),
                static_cast<std::uint32_t>(times_ns.size()),
                static_cast<std::uint32_t>(unpacked_bytes)};
  std::memcpy(blob.data(), &header, sizeof header);
  header.checksum = checksum(blob);
  std::memcpy(blob.data(), &header, sizeof header);
}

void BatchView::read(std::span<const std::byte> blob) {
  columns_.clear();
  samples_ = 0;
  if (blob.size() < header_bytes) throw damaged(std::to_string(blob.size()) + " bytes, fewer than a header");
  Header header;
  std::memcpy(&header, blob.data(), sizeof header);
  if (header.magic != magic) throw damaged("unknown version; this program reads version 1");
  if (header.checksum != checksum(blob)) throw damaged("wrong checksum");
  const std::uint64_t samples = header.samples, numbers = 2ull * header.series + header.stamps + samples;
  if (samples > batch_samples_max || header.series > samples || header.stamps > samples ||
      header.unpacked_bytes > samples * sizeof(double) + numbers * varint_bytes_max)
    throw damaged("sizes that no batch has");

  unpack(blob.subspan(header_bytes), header.unpacked_bytes, unpacked_);
  const auto values_bytes = samples * sizeof(double);
  if (header.unpacked_bytes < values_bytes) throw damaged("its contents end too early");
  ByteReader reader({unpacked_.data() + values_bytes, header.unpacked_bytes - values_bytes}, about);
  columns_.resize(header.series);
  constexpr std::uint64_t id_max = std::numeric_limits<std::uint32_t>::max();
  std::uint64_t id = 0, sum = 0;
  for (auto& column : columns_) {
    const auto distance = reader.varint(), count = reader.varint();
    id += distance;
    if ((distance == 0 && &column != columns_.data()) || distance > id_max || id > id_max || count == 0 ||
        count > samples - sum)
      throw damaged("series " + std::to_string(id) + " out of order");
    column.series = static_cast<std::uint32_t>(id);
    column.count = static_cast<std::uint32_t>(count);
    sum += count;
  }
  if (sum != samples) throw damaged("samples without a series");
  grow(stamps_, header.stamps);
  std::uint64_t time = 0;
  for (std::uint32_t i = 0; i < header.stamps; ++i)
    stamps_[i] = static_cast<std::int64_t>(time += unzigzag(reader.varint()));
  grow(times_, samples);
  std::uint64_t first_stamp = 0;
  std::size_t place = 0;
  for (auto& column : columns_) {
    column.times = times_.data() + place;
    column.values = unpacked_.data() + place * sizeof(double);
    auto stamp = first_stamp += unzigzag(reader.varint());
    for (std::uint32_t i = 0; i < column.count; ++i, ++place) {
      if (i > 0) stamp += reader.varint();
      if (stamp >= header.stamps) throw damaged("a time stamp that is not there");
      times_[place] = stamps_[stamp];
    }
  }
  if (!reader.at_end()) throw damaged("something behind its contents");
  samples_ = header.samples;
}

const BatchView::Column* BatchView::find(std::uint32_t series) const noexcept {
  const auto at = std::lower_bound(columns_.begin(), columns_.end(), series,
                                   [](const Column& column, std::uint32_t id) { return column.series < id; });
  return at != columns_.end() && at->series == series ? &*at : nullptr;
}

}  // namespace ringdown
