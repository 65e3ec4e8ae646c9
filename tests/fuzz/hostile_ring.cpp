#include "hostile_ring.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "ring/producer.hpp"

namespace fuzz {
namespace {

using ring::abi::Mode;

enum What : std::uint8_t {
  header,
  sealed_header,
  reader,
  losses,
  tail,
  owner,
  claims,
  arena_epoch,
  defs_used,
  controls,
  arena,
  sealed_arena,
  record_time,
  record_value,
  record_series,
  record_lost,
  record_seq,
  push_sample,
  push_epoch,
  push_lost,
  whats
};

// Not through ring::words: a poke is nobody's load, and another thread does it too.
std::uint64_t get(const std::uint64_t& word) noexcept {
  return std::atomic_ref(const_cast<std::uint64_t&>(word)).load(std::memory_order_relaxed);
}
void put(std::uint64_t& word, std::uint64_t value) noexcept {
  std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

}  // namespace

Program::Program(std::span<const std::uint8_t> input) {
  constexpr std::size_t poke_bytes = 5, pokes_max = 64;
  if (input.size() < 2) return;
  mode = input[0] & 1 ? Mode::overwrite_oldest : Mode::drop_newest;
  claims = input[0] & 2;
  same_producer = input[0] & 4;
  const bool threads = input[0] >> 4 == 14;  // slow, so it is rare
  for (std::size_t i = 0; i < after.size(); ++i) after[i] = After{input[1] >> (2 * i) & 3};
  for (auto rest = input.subspan(2); rest.size() >= poke_bytes && pokes.size() < pokes_max;
       rest = rest.subspan(poke_bytes)) {
    Poke poke{Poke::When{rest[0] & 3},
              static_cast<std::uint8_t>((rest[0] >> 2) % whats),
              static_cast<std::uint8_t>((rest[1] & 3) % lanes),
              static_cast<std::uint8_t>(rest[1] >> 2),
              rest[2],
              rest[3],
              rest[4]};
    // What publishes needs the lane's next sequence, which is the main thread's.
    if (poke.when == Poke::When::by_thread && (!threads || poke.what >= push_sample))
      poke.when = Poke::When::within_round;
    touched[poke.lane] |= poke.what > reader;
    has_thread |= poke.when == Poke::When::by_thread;
    pokes.push_back(poke);
  }
}

HostileRing::HostileRing(Mode mode, const std::string& name)
    : name_(name), segment_(ring::Segment::open_or_create(name, geometry(mode))) {
  const auto fill = [&](ring::Producer& p, int count) {
    const auto a = p.gauge("a_ms", {{"wan", "x"}}, "ms");
    const auto b = p.counter("b_total");
    const auto c = p.state("c", {}, {"UP", "DOWN"});
    for (int i = 0; i < count; ++i) {
      p.push(i % 3 == 0 ? a : i % 3 == 1 ? b : c, i % 2, 1'000'000 * i);
      if (i % 10 == 9) p.push(a, std::nan(""), i);
    }
  };
  std::optional<ring::Producer> first, second, third;
  first.emplace(name, ring::Options{.name = "alpha"});
  second.emplace(name, ring::Options{.name = "beta"});
  third.emplace(name, ring::Options{.name = "gamma"});
  fill(*first, 20);
  fill(*second, 10);
  fill(*third, 100);
  second.reset();
  second.emplace(name, ring::Options{.name = "delta"});
  fill(*second, 15);
  pristine_next_ = {first->sequence() + 1, second->sequence() + 1, third->sequence() + 1};
  next_ = pristine_next_;
  const auto* at = reinterpret_cast<const std::byte*>(&segment_.header());
  pristine_.assign(at, at + segment_.geometry().segment_bytes());
}

void HostileRing::restore() noexcept {
  std::memcpy(static_cast<void*>(&segment_.header()), pristine_.data(), pristine_.size());
  next_ = pristine_next_;
}

std::uint64_t* HostileRing::word(const Poke& poke) const noexcept {
  const auto lane = segment_.lane(poke.lane);
  auto& h = *lane.header;
  auto& record = lane.records[poke.place];
  const auto header_words = [&](auto& of, std::size_t offset) {
    return reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(&of) + offset);
  };
  switch (poke.what) {
    case header:
    case sealed_header: return header_words(segment_.header(), poke.place % 10 * 8u);
    case reader: return header_words(segment_.header().reader, poke.place % 8 * 8u);
    case losses: return &h.losses[poke.place % ring::abi::producer_losses];
    case tail: return &h.tail;
    case owner: return header_words(h.owner, poke.place % 8 * 8u);
    case claims: return &h.claims;
    case arena_epoch: return &h.arena_epoch;
    case defs_used: return &h.defs_used;
    case controls: return &h.controls;
    case arena:
    case sealed_arena: return reinterpret_cast<std::uint64_t*>(lane.arena + poke.place * 8u);
    case record_value: return &record.value;
    case record_series:
    case record_lost: return &record.series;
    case record_seq: return &record.seq;
    default: return reinterpret_cast<std::uint64_t*>(&record.time_ns);
  }
}

std::uint64_t HostileRing::value(const Poke& poke, std::uint64_t now) const noexcept {
  const std::uint64_t p = poke.parameter;
  const auto bit = std::uint64_t{1} << p % 64;
  constexpr double odd[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(), 5e-324, 1.7976931348623157e308};
  switch (poke.how % 12) {
    case 0: return p;
    case 1: return ~p;
    case 2: return bit;
    case 3: return bit - 1;
    case 4: return now + p - 128;
    case 5: return now ^ bit;
    case 6: return now + bit;
    case 7: return std::bit_cast<std::uint64_t>(odd[p % std::size(odd)]);
    case 8: return poke.place + 64 * p;  // a sequence that belongs into this slot
    case 9: return poke.place + bit;
    case 10: return (now & ~std::uint64_t{0xffffffff}) | (ring::abi::control_first + p % 9);
    default: return pristine_next_[poke.lane] + p - 128;
  }
}

void HostileRing::apply(const Poke& poke) noexcept {
  auto& at = *word(poke);
  const auto now = get(at);
  const auto wanted = value(poke, now);
  constexpr std::uint64_t low = 0xffffffff;
  switch (poke.what) {
    case record_series: return put(at, (now & ~low) | (wanted & low));
    case record_lost: return put(at, (now & low) | wanted << 32);
    case push_sample: return publish(poke.lane, wanted, poke.place % 5u);
    case push_lost: return publish(poke.lane, 0, wanted << 32);
    case push_epoch:
      for (std::uint32_t part = 0; part < ring::abi::epoch_records; ++part)
        publish(poke.lane, poke.place % 8u == part ? wanted : part < 3 ? 0 : 8, ring::abi::control_epoch + part);
      return;
    default: put(at, wanted);
  }
  if (poke.what == sealed_header) seal_header();
  if (poke.what == sealed_arena) seal_definition(poke.lane, poke.place * 8u);
}

/// As a producer would, without a look at the tail.
void HostileRing::publish(std::uint32_t index, std::uint64_t value, std::uint64_t series) noexcept {
  const auto lane = segment_.lane(index);
  const auto seq = next_[index]++;
  auto& slot = lane.slot(seq);
  if (lane.mode == Mode::overwrite_oldest) put(slot.seq, 0);
  put(slot.value, value);
  put(slot.series, series);
  std::atomic_ref(slot.seq).store(seq, std::memory_order_release);
  auto& controls = lane.header->controls;
  if (series % (std::uint64_t{1} << 32) >= ring::abi::control_first)
    put(controls, ring::abi::count_control(get(controls), seq));
}

void HostileRing::seal_header() const noexcept {
  auto& h = segment_.header();
  constexpr auto bytes = offsetof(ring::abi::SegmentHeader, checksum) - sizeof h.magic;
  h.checksum = ring::abi::fnv1a(reinterpret_cast<const std::byte*>(&h) + sizeof h.magic, bytes);
}

/// Makes the checksum of the definition around `offset` right again.
void HostileRing::seal_definition(std::uint32_t index, std::size_t offset) const noexcept {
  const auto lane = segment_.lane(index);
  for (std::size_t at = 0; at <= offset;) {
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, lane.arena + at, 4);
    if (bytes < sizeof(ring::abi::DefinitionHeader) || at + bytes > lane.arena_bytes) return;
    if (offset < at + bytes) {
      const auto sum = ring::abi::fnv1a(lane.arena + at + 8, bytes - 8);
      std::memcpy(lane.arena + at + 4, &sum, 4);
    }
    at += bytes;
  }
}

}  // namespace fuzz
