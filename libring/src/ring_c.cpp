// ring_c.cpp: the C API of ring/ring.h over ring/producer.hpp.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <new>

#include "ring/producer.hpp"
#include "ring/ring.h"

struct ring_producer : ring::Producer {
  using ring::Producer::Producer;
};

namespace {

using ring::Failure;

constexpr int code_of(Failure failure) { return -static_cast<int>(failure); }
static_assert(code_of(Failure::none) == RING_OK && code_of(Failure::bad_argument) == RING_BAD_ARGUMENT &&
              code_of(Failure::no_ring) == RING_NO_RING &&
              code_of(Failure::no_permission) == RING_NO_PERMISSION &&
              code_of(Failure::bad_version) == RING_BAD_VERSION &&
              code_of(Failure::foreign) == RING_FOREIGN &&
              code_of(Failure::no_free_lane) == RING_NO_FREE_LANE &&
              code_of(Failure::no_memory) == RING_NO_MEMORY &&
              code_of(Failure::arena_full) == RING_ARENA_FULL && code_of(Failure::busy) == RING_BUSY &&
              code_of(Failure::system) == RING_SYSTEM);
static_assert(static_cast<int>(ring::abi::Loss::lane_full) == RING_LOST_LANE_FULL &&
              static_cast<int>(ring::abi::Loss::non_finite) == RING_LOST_NON_FINITE &&
              static_cast<int>(ring::abi::Loss::unknown_series) == RING_LOST_UNKNOWN_SERIES &&
              static_cast<int>(ring::abi::Loss::reentrant) == RING_LOST_REENTRANT &&
              static_cast<int>(ring::abi::Loss::detached) == RING_LOST_DETACHED);
static_assert(static_cast<int>(ring::abi::Mode::overwrite_oldest) == RING_OVERWRITE_OLDEST &&
              static_cast<int>(ring::Clock::coarse) == RING_CLOCK_COARSE &&
              static_cast<int>(ring::Clock::counter) == RING_CLOCK_COUNTER);
static_assert(sizeof(ring_options) == sizeof(size_t) + 6 * sizeof(uint32_t) + sizeof(char*));

constexpr std::size_t options_bytes_max = 4096;

thread_local char last_error[1024];

int fail(int code, const char* text) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", text);
  return code;
}

/// Runs `body`; what it throws becomes a code. Not catch (...): a cancelled thread unwinds through here.
template <class Body>
int guarded(Body body) {
  try {
    return body();
  } catch (const ring::Error& e) {
    return fail(code_of(e.failure()), e.what());
  } catch (const std::bad_alloc&) {
    return fail(RING_NO_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return fail(RING_SYSTEM, e.what());
  }
}

[[noreturn]] void refuse(const std::string& what, const std::string& found, const std::string& expected) {
  throw ring::Error(Failure::bad_argument, what + " is " + found + "; expected " + expected);
}

void require(const void* pointer, const char* what, const char* expected) {
  if (!pointer) refuse(what, "NULL", expected);
}

/// Refuses what a later version of ring_options may ask for and this one does not know.
void check_size(const ring_options& given) {
  if (given.size < sizeof given || given.size > options_bytes_max)
    refuse("ring_options.size", std::to_string(given.size),
           "sizeof(ring_options) = " + std::to_string(sizeof given));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&given);
  if (std::any_of(bytes + sizeof given, bytes + given.size, [](unsigned char byte) { return byte != 0; }))
    refuse("ring_options beyond byte " + std::to_string(sizeof given), "not zero",
           "only options that libring_c " RING_LIBRARY_VERSION
           " knows; upgrade it or leave the newer ones at 0");
}

ring::Options to_options(const ring_options* given) {
  ring::Options options;
  if (!given) return options;
  check_size(*given);
  auto& geometry = options.geometry;
  if (given->lanes) geometry.lanes = given->lanes;
  if (given->lane_records) geometry.lane_records = given->lane_records;
  if (given->arena_bytes) geometry.arena_bytes = given->arena_bytes;
  geometry.mode = ring::abi::Mode{given->mode};
  if (given->must_exist > 1) refuse("ring_options.must_exist", std::to_string(given->must_exist), "0 or 1");
  options.create = !given->must_exist;
  if (given->clock > RING_CLOCK_COUNTER)
    refuse("ring_options.clock", std::to_string(given->clock), "one of RING_CLOCK_*");
  options.clock = static_cast<ring::Clock>(given->clock);
  if (given->name) options.name = given->name;
  return options;
}

ring::Labels to_labels(const ring_label* labels, std::size_t count) {
  ring::Labels out;
  if (count) require(labels, "labels", "an array of ring_label");
  for (std::size_t i = 0; i < count; ++i) {
    require(labels[i].key, "a label's key", "a name");
    require(labels[i].value, "a label's value", "text");
    out.emplace_back(labels[i].key, labels[i].value);
  }
  return out;
}

std::vector<std::string> to_states(const char* const* states, std::size_t count) {
  std::vector<std::string> out;
  if (count) require(states, "states", "an array of names");
  for (std::size_t i = 0; i < count; ++i) {
    require(states[i], "a state's name", "text");
    out.emplace_back(states[i]);
  }
  return out;
}

ring_series define(ring_producer* producer, ring::Kind kind, const char* name, const char* unit,
                   const ring_label* labels, std::size_t label_count, const char* const* states,
                   std::size_t state_count) {
  return guarded([&]() -> int {
    require(producer, "producer", "one from ring_open()");
    require(name, "series name", "[a-zA-Z_:][a-zA-Z0-9_:]*");
    return producer
        ->define(
            {kind, name, unit ? unit : "", to_labels(labels, label_count), to_states(states, state_count)})
        .index;
  });
}

ring::Series to_series(ring_series series) noexcept {
  const bool known = series >= 0 && series < static_cast<int>(ring::abi::series_max);
  return known ? ring::Series{static_cast<std::uint16_t>(series)} : ring::Series{};
}

}  // namespace

const char* ring_strerror(int code) {
  static constexpr const char* texts[] = {
      "all is well",
      "bad argument",
      "no such ring",
      "no permission",
      "the ring has another ABI version",
      "not a ring, or a damaged one",
      "no free lane",
      "out of memory",
      "no room for another definition",
      "busy",
      "a system call failed",
  };
  return code <= 0 && code > -static_cast<int>(std::size(texts)) ? texts[-code] : "not a code of ring.h";
}

const char* ring_last_error(void) { return last_error; }

const char* ring_version(uint32_t* abi_major, uint32_t* abi_minor) {
  if (abi_major) *abi_major = ring::abi::version_major;
  if (abi_minor) *abi_minor = ring::abi::version_minor;
  return RING_LIBRARY_VERSION;
}

int ring_open(ring_producer** producer, const char* ring, const ring_options* options) {
  if (producer) *producer = nullptr;
  return guarded([&]() -> int {
    require(producer, "producer", "where to put it");
    require(ring, "ring name", "1 to 200 of the characters a-z A-Z 0-9 _ - .");
    *producer = new ring_producer(ring, to_options(options));
    return RING_OK;
  });
}

void ring_close(ring_producer* producer) { delete producer; }

ring_series ring_gauge(ring_producer* producer, const char* name, const char* unit, const ring_label* labels,
                       size_t label_count) {
  return define(producer, ring::Kind::gauge, name, unit, labels, label_count, nullptr, 0);
}
ring_series ring_counter(ring_producer* producer, const char* name, const char* unit,
                         const ring_label* labels, size_t label_count) {
  return define(producer, ring::Kind::counter, name, unit, labels, label_count, nullptr, 0);
}
ring_series ring_state(ring_producer* producer, const char* name, const ring_label* labels,
                       size_t label_count, const char* const* states, size_t state_count) {
  return define(producer, ring::Kind::state, name, nullptr, labels, label_count, states, state_count);
}

bool ring_push(ring_producer* producer, ring_series series, double value, int64_t time_ns) {
  return producer && producer->push(to_series(series), value, time_ns);
}
bool ring_push_now(ring_producer* producer, ring_series series, double value) {
  return producer && producer->push(to_series(series), value);
}

size_t ring_push_many(ring_producer* producer, int64_t time_ns, const ring_series* series,
                      const double* values, size_t count) {
  if (!producer || !series || !values) return 0;
  ring::Series part[256];
  std::size_t accepted = 0;
  for (std::size_t at = 0; at < count; at += std::size(part)) {
    const auto size = std::min(std::size(part), count - at);
    std::transform(series + at, series + at + size, part, to_series);
    accepted += producer->push_many(time_ns, {part, size}, {values + at, size});
  }
  return accepted;
}

bool ring_maintain(ring_producer* producer) {
  if (!producer) return false;
  return guarded([&]() -> int { return producer->maintain(); }) > 0;
}
bool ring_attached(const ring_producer* producer) { return producer && producer->attached(); }
const char* ring_why(const ring_producer* producer) {
  return producer ? producer->why().c_str() : "there is no producer: ring_open() failed or was not called";
}
int ring_failure(const ring_producer* producer) {
  return producer ? code_of(producer->failure()) : RING_BAD_ARGUMENT;
}

uint64_t ring_lost(const ring_producer* producer, int reason) {
  const bool known = reason >= 0 && reason < static_cast<int>(ring::abi::producer_losses);
  return producer && known ? producer->lost(static_cast<ring::abi::Loss>(reason)) : 0;
}
uint64_t ring_lost_total(const ring_producer* producer) { return producer ? producer->lost() : 0; }
uint64_t ring_left_behind(const ring_producer* producer) { return producer ? producer->left_behind() : 0; }
