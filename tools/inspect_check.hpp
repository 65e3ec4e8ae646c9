// inspect_check.hpp: compares every byte of a ring's object that has a meaning with what libring/ABI.md says of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ring/segment.hpp"

namespace inspect {

struct Fault {
  std::uint64_t offset = 0;  // in the object
  std::string where, found, expected;
};

struct CheckReport {
  std::vector<Fault> faults;
  std::uint64_t more_faults = 0;  // beyond what is kept of one lane
  std::uint64_t lanes = 0, used = 0, definitions = 0, records = 0;

  std::uint64_t count() const noexcept { return faults.size() + more_faults; }
};

/// A ring's object as it is, believed in nothing: a header that no Segment would open can be looked at too.
class Image {
 public:
  /// A ring's name, or a path. Throws ring::Error.
  explicit Image(const std::string& name_or_path);

  const std::string& ring() const noexcept { return ring_; }
  std::span<std::byte> bytes() const noexcept {
    return {static_cast<std::byte*>(region_.get_address()), region_.get_size()};
  }
  /// Whether others may write to it meanwhile.
  bool is_live() const noexcept { return is_live_; }

 private:
  std::string ring_, path_;
  bool is_live_ = false;
  boost::interprocess::mapped_region region_;
};

/// @param is_live  others may write to it meanwhile: what they may do at any moment is no fault. Reads lanes in use
/// only
CheckReport check(std::span<std::byte> object, bool is_live);

void print(const CheckReport& report, const std::string& ring);
void print_json(const CheckReport& report, const std::string& ring);

}  // namespace inspect
