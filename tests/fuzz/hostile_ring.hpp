// hostile_ring.hpp: a small valid ring, and programs of pokes that damage it before and while it is read.
//
// Every input is a program: u8 options, u8 what happens after each of four rounds (2 bits each), then pokes of
// five bytes: when (2 bits) and what (6) | lane (2) and place (6) | how | parameter | delay.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ring/segment.hpp"

namespace fuzz {

inline constexpr std::uint32_t lanes = 3;

struct Poke {
  enum class When { before_opening, between_rounds, within_round, by_thread };
  When when;
  std::uint8_t what, lane, place, how, parameter, delay;
};

enum class After { nothing, release, commit_and_die, die };

struct Program {
  explicit Program(std::span<const std::uint8_t> input);

  ring::abi::Mode mode = ring::abi::Mode::drop_newest;
  bool claims = false;         // a producer claims a lane after the first round
  bool same_producer = false;  // one that had a lane before
  std::array<After, 4> after{};
  std::vector<Poke> pokes;
  std::array<bool, lanes> touched{};
  bool has_thread = false;
};

class HostileRing {
 public:
  explicit HostileRing(ring::abi::Mode mode, const std::string& name);
  ~HostileRing() { ring::Segment::remove(name_); }
  HostileRing(const HostileRing&) = delete;
  HostileRing& operator=(const HostileRing&) = delete;

  const std::string& name() const noexcept { return name_; }
  std::span<std::byte> bytes() const noexcept {
    return {reinterpret_cast<std::byte*>(&segment_.header()), pristine_.size()};
  }
  static ring::Geometry geometry(ring::abi::Mode mode) noexcept {
    return {.lanes = lanes, .lane_records = 64, .arena_bytes = 4096, .mode = mode};
  }
  /// As it was made: lane 0 of one owner with losses, lane 1 of two owners, lane 2 full or lapped.
  void restore() noexcept;
  void apply(const Poke& poke) noexcept;

 private:
  std::uint64_t* word(const Poke& poke) const noexcept;
  std::uint64_t value(const Poke& poke, std::uint64_t now) const noexcept;
  void seal_header() const noexcept;
  void seal_definition(std::uint32_t lane, std::size_t offset) const noexcept;
  void publish(std::uint32_t lane, std::uint64_t value, std::uint64_t series) noexcept;

  std::string name_;
  ring::Segment segment_;
  std::vector<std::byte> pristine_;
  std::array<std::uint64_t, lanes> next_{}, pristine_next_{};
};

}  // namespace fuzz
