#include "chunk_values.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>

#include "column.hpp"
#include "decimal.hpp"
#include "mean.hpp"

namespace ringdown {
namespace {

enum class Kind : std::uint8_t { image, decimal, dictionary, means, runs };

using Numbers = std::vector<std::uint64_t>;

std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

/// A double's bits, so that their order is that of the doubles.
std::uint64_t image_of(double value) {
  const auto bits = bits_of(value);
  return bits >> 63 ? ~bits : bits | std::uint64_t{1} << 63;
}
double value_of(std::uint64_t image) {
  return std::bit_cast<double>(image >> 63 ? image & ~(std::uint64_t{1} << 63) : ~image);
}
Numbers images(std::span<const double> values) {
  Numbers out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), image_of);
  return out;
}

/// Few different values, and each one's rank among them.
struct Dictionary {
  Numbers entries, ranks;  // entries: images, ascending
};
std::optional<Dictionary> find_dictionary(const Numbers& images) {
  constexpr std::size_t entries_max = 4096, slot_bits = 14, first_entries = 128;
  constexpr std::uint32_t empty = ~0u;
  Numbers entries;
  std::vector<std::uint32_t> slots(1 << slot_bits, empty), ids;
  ids.reserve(images.size());
  for (const auto image : images) {
    auto at = image * 0x9e3779b97f4a7c15u >> (64 - slot_bits);
    while (slots[at] != empty && entries[slots[at]] != image) at = (at + 1) % slots.size();
    if (slots[at] == empty) {
      // Most values must be seen again, of a few hundred already.
      if (entries.size() == std::min(entries_max, first_entries + ids.size() / 2)) return std::nullopt;
      slots[at] = static_cast<std::uint32_t>(entries.size());
      entries.push_back(image);
    }
    ids.push_back(slots[at]);
  }
  Numbers order(entries.size()), rank(entries.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return entries[a] < entries[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  std::sort(entries.begin(), entries.end());
  Dictionary out{std::move(entries), {}};
  for (const auto id : ids) out.ranks.push_back(rank[id]);
  return out;
}

void put_kind(Kind kind, Bytes& out) { put_byte(static_cast<unsigned>(kind), out); }

void put_decimals(const Decimals& decimals, const Prediction& prediction, Bytes& out) {
  put_kind(Kind::decimal, out);
  put_byte(decimals.places, out);
  put_varint(decimals.misfits.size(), out);
  if (!decimals.misfits.empty()) {
    put_column(decimals.misfits, out);
    put_column(images(decimals.misfit_values), out);
  }
  put_column(decimals.digits, prediction, out);
}

void put_dictionary(const Dictionary& dictionary, const Prediction& prediction, Bytes& out) {
  put_kind(Kind::dictionary, out);
  put_varint(dictionary.entries.size(), out);
  put_column(dictionary.entries, out);
  put_column(dictionary.ranks, prediction, out);
}

void put_means(double first, const Means& means, Bytes& out) {
  put_kind(Kind::means, out);
  put_byte(static_cast<unsigned>(means.way) | means.places << 1, out);
  for (const double number : {first, means.weight}) {
    const auto bytes = std::as_bytes(std::span(&number, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  put_column(means.digits, out);
  put_column(means.off, out);
}

/// The cheapest way, by what is expected of each.
void put_any(std::span<const double> values, Bytes& out) {
  constexpr double misfit_bits = 48, entry_bits = 56, worth_a_dictionary = 8, worth_means = 24;
  const auto share = [&](std::size_t of) {
    return static_cast<double>(of) / static_cast<double>(values.size());
  };
  const auto image = images(values);
  const auto of_image = predict(image);
  auto bits = of_image.bits;

  auto decimals = find_decimals(values);
  const auto of_decimals = decimals ? predict(decimals->digits) : Prediction{};
  if (decimals) {
    const auto cost = of_decimals.bits + misfit_bits * share(decimals->misfits.size());
    if (cost <= bits)
      bits = cost;
    else
      decimals.reset();
  }
  if (bits > worth_a_dictionary)
    if (const auto dictionary = find_dictionary(image)) {
      const auto of_ranks = predict(dictionary->ranks);
      if (of_ranks.bits + entry_bits * share(dictionary->entries.size()) < bits)
        return put_dictionary(*dictionary, of_ranks, out);
    }
  if (bits > worth_means)
    if (const auto means = find_means(values);
        means && predict(means->digits).bits + predict(means->off).bits < bits)
      return put_means(values[0], *means, out);
  if (decimals) return put_decimals(*decimals, of_decimals, out);
  put_kind(Kind::image, out);
  put_column(image, of_image, out);
}

void get_decimals(ByteReader& reader, std::span<double> values, std::span<std::uint64_t> numbers) {
  const auto places = static_cast<unsigned>(reader.byte());
  if (places > decimal_places_max)
    throw std::runtime_error(std::to_string(places) + " decimal places, at most " +
                             std::to_string(decimal_places_max) + " are possible");
  Numbers misfits(reader.varint(values.size(), "the number of misfits")), misfit_images(misfits.size());
  if (!misfits.empty()) {
    get_column(reader, misfits);
    get_column(reader, misfit_images);
  }
  get_column(reader, numbers);
  from_digits(numbers, places, values);
  for (std::size_t i = 0; i < misfits.size(); ++i) {
    if (misfits[i] >= values.size()) throw std::runtime_error("a misfit is behind the last value");
    values[misfits[i]] = value_of(misfit_images[i]);
  }
}

void get_dictionary(ByteReader& reader, std::span<double> values, std::span<std::uint64_t> numbers) {
  Numbers entries(reader.varint(values.size(), "the number of different values"));
  if (entries.empty()) throw std::runtime_error("a dictionary is empty");
  get_column(reader, entries);
  get_column(reader, numbers);
  std::vector<double> meaning(entries.size());
  std::transform(entries.begin(), entries.end(), meaning.begin(), value_of);
  if (*std::max_element(numbers.begin(), numbers.end()) >= entries.size())
    throw std::runtime_error("a value is not in the dictionary");
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = meaning[numbers[i]];
}

double get_double(ByteReader& reader) {
  double out;
  std::memcpy(&out, reader.take(sizeof out).data(), sizeof out);
  return out;
}

void get_means(ByteReader& reader, std::span<double> values, std::span<std::uint64_t> numbers) {
  const auto way = reader.byte();
  if (way > 2 * Means::places_max + 1)
    throw std::runtime_error("means of kind " + std::to_string(way) + " are unknown");
  values[0] = get_double(reader);
  const auto weight = get_double(reader);
  if (values.size() == 1) throw std::runtime_error("one value is no means");
  const auto digits = numbers.subspan(1);
  thread_local Numbers off;
  off.resize(digits.size());
  get_column(reader, digits);
  get_column(reader, off);
  from_means(static_cast<Means::Way>(way & 1), way >> 1, weight, digits, off, values);
}

void get_any(Kind kind, ByteReader& reader, std::span<double> values) {
  thread_local Numbers room;
  if (room.size() < values.size()) room.resize(values.size());
  const std::span numbers(room.data(), values.size());
  switch (kind) {
    case Kind::image:
      get_column(reader, numbers);
      std::transform(numbers.begin(), numbers.end(), values.begin(), value_of);
      return;
    case Kind::decimal:
      return get_decimals(reader, values, numbers);
    case Kind::means:
      return get_means(reader, values, numbers);
    case Kind::dictionary:
      return get_dictionary(reader, values, numbers);
    default:
      throw std::runtime_error("values of kind " + std::to_string(static_cast<unsigned>(kind)) +
                               " are unknown");
  }
}

/// Where a value differs from the one before; with 0, as the first one does.
std::size_t count_runs(std::span<const double> values) {
  std::size_t out = 1;
  for (std::size_t i = 1; i < values.size(); ++i) out += bits_of(values[i]) != bits_of(values[i - 1]);
  return out;
}

void put_runs(std::span<const double> values, std::size_t runs, Bytes& out) {
  Numbers further;  // values of a run behind its first
  std::vector<double> first;
  first.reserve(runs);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && bits_of(values[i]) == bits_of(values[i - 1])) {
      ++further.back();
    } else {
      first.push_back(values[i]);
      further.push_back(0);
    }
  }
  put_kind(Kind::runs, out);
  put_varint(runs, out);
  put_column(further, out);
  put_any(first, out);
}

void get_runs(ByteReader& reader, std::span<double> values) {
  Numbers further(reader.varint(values.size(), "the number of runs"));
  if (further.empty()) throw std::runtime_error("there are no runs");
  get_column(reader, further);
  std::vector<double> first(further.size());
  get_any(static_cast<Kind>(reader.byte()), reader, first);
  auto at = values.begin();
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto left = static_cast<std::uint64_t>(values.end() - at);
    if (further[i] >= left) throw std::runtime_error("the runs are longer than the values");
    at = std::fill_n(at, further[i] + 1, first[i]);
  }
  if (at != values.end()) throw std::runtime_error("the runs are shorter than the values");
}

}  // namespace

void put_values(std::span<const double> values, Bytes& out) {
  constexpr std::size_t mean_run_min = 4;
  const auto runs = count_runs(values);
  if (runs > 1 && runs * mean_run_min <= values.size())
    put_runs(values, runs, out);
  else
    put_any(values, out);
}

void get_values(ByteReader& reader, std::span<double> values) {
  const auto kind = static_cast<Kind>(reader.byte());
  if (kind == Kind::runs)
    get_runs(reader, values);
  else
    get_any(kind, reader, values);
}

}  // namespace ringdown
