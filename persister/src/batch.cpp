#include "batch.hpp"

#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

namespace ringdown {
namespace {

constexpr std::uint32_t magic = 0x31424452;  // "RDB1"
constexpr std::size_t header_bytes = 16;
constexpr std::size_t directory_entry_bytes = 8;
constexpr std::size_t sample_bytes = 16;

std::uint32_t checksum(std::span<const std::byte> blob) {
  return static_cast<std::uint32_t>(XXH3_64bits(blob.data() + 8, blob.size() - 8));
}

}  // namespace

void encode_batch(std::span<const Sample> samples, std::vector<std::byte>& blob) {
  // Counting sort by series: `first` becomes the place of each series' next sample.
  std::uint32_t id_max = 0;
  for (const auto& sample : samples) id_max = std::max(id_max, sample.series);
  std::vector<std::uint32_t> first(std::size_t{id_max} + 1);
  for (const auto& sample : samples) ++first[sample.series];
  const auto series =
      static_cast<std::uint32_t>(std::count_if(first.begin(), first.end(), [](auto n) { return n > 0; }));

  blob.resize(header_bytes + series * directory_entry_bytes + samples.size() * sample_bytes);
  const auto put = [&](std::size_t at, auto value) { std::memcpy(blob.data() + at, &value, sizeof value); };
  put(0, magic);
  put(8, series);
  put(12, static_cast<std::uint32_t>(samples.size()));
  std::size_t at = header_bytes;
  std::uint32_t sum = 0;
  for (std::uint32_t id = 0; id <= id_max; ++id) {
    const auto count = std::exchange(first[id], sum);
    if (count == 0) continue;
    put(at, id);
    put(at + 4, sum);
    at += directory_entry_bytes;
    sum += count;
  }
  const auto values = at + samples.size() * 8;
  for (const auto& sample : samples) {
    const std::size_t place = first[sample.series]++;
    put(at + place * 8, sample.time_ns);
    put(values + place * 8, sample.value);
  }
  put(4, checksum(blob));
}

BatchView::BatchView(std::span<const std::byte> blob) : data_(blob.data()) {
  const auto damaged = [](const std::string& why) { return std::runtime_error("batch blob: " + why); };
  if (blob.size() < header_bytes) throw damaged(std::to_string(blob.size()) + " bytes, fewer than a header");
  if (word(0) != magic) throw damaged("unknown version; this program reads version 1");
  series_ = word(2);
  samples_ = word(3);
  const auto expected =
      header_bytes + series_ * std::uint64_t{directory_entry_bytes} + samples_ * std::uint64_t{sample_bytes};
  if (blob.size() != expected)
    throw damaged(std::to_string(blob.size()) + " bytes, its header says " + std::to_string(expected));
  if (word(1) != checksum(blob)) throw damaged("wrong checksum");
  for (std::uint32_t i = 0; i < series_; ++i) {
    const auto first = word(5 + 2 * i);
    const bool ordered = i == 0 ? first == 0 : word(4 + 2 * i) > word(2 + 2 * i) && first > word(3 + 2 * i);
    if (!ordered || first >= samples_) throw damaged("directory entry " + std::to_string(i) + " out of order");
  }
  if (series_ == 0 && samples_ > 0) throw damaged("samples without a series");
}

std::uint32_t BatchView::word(std::size_t index) const noexcept {
  std::uint32_t out;
  std::memcpy(&out, data_ + index * sizeof out, sizeof out);
  return out;
}

BatchView::Column BatchView::column(std::uint32_t index) const noexcept {
  const auto first = word(5 + 2 * index);
  const auto end = index + 1 < series_ ? word(7 + 2 * index) : samples_;
  const auto* times = data_ + header_bytes + series_ * directory_entry_bytes;
  Column out;
  out.series = word(4 + 2 * index);
  out.count = end - first;
  out.times = times + std::size_t{first} * 8;
  out.values = out.times + std::size_t{samples_} * 8;
  return out;
}

std::optional<BatchView::Column> BatchView::find(std::uint32_t series) const noexcept {
  std::uint32_t low = 0, high = series_;
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    if (word(4 + 2 * middle) < series)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < series_ && word(4 + 2 * low) == series) return column(low);
  return {};
}

}  // namespace ringdown
