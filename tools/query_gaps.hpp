// query_gaps.hpp: where a series has paused, told from how far apart its samples usually are.
//
// Distances are counted in bins, four an octave, exact below 8: some bytes a series, however many samples it has. The usual
// distance is their median; from twice of it on (three times where bins are wide) one is a gap.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <map>

namespace ringdown {

struct Gaps {
  std::int64_t count = 0;
  std::int64_t longest = 0, all = 0;  // from the last sample before to the first one after
};

class Distances {
 public:
  /// From one sample to the next, in any unit. What is not ahead is none.
  void add(std::int64_t distance) {
    if (distance <= 0) return;
    auto& bin = bins_[bin_of(static_cast<std::uint64_t>(distance))];
    ++bin.count;
    bin.all += distance;
    bin.longest = std::max(bin.longest, distance);
    ++count_;
  }

  /// In the unit of add().
  Gaps gaps() const {
    auto usual = bins_.begin();
    for (auto before = (count_ - 1) / 2; usual != bins_.end() && before >= usual->second.count; ++usual) before -= usual->second.count;
    Gaps out;
    if (usual == bins_.end()) return out;
    const auto from = 2 * (begin_of(usual->first + 1) - 1);
    for (auto bin = std::next(usual); bin != bins_.end(); ++bin) {
      if (begin_of(bin->first) < from) continue;
      out.count += bin->second.count;
      out.all += bin->second.all;
      out.longest = bin->second.longest;
    }
    return out;
  }

 private:
  struct Bin {
    std::int64_t count = 0, all = 0, longest = 0;
  };
  static unsigned bin_of(std::uint64_t distance) noexcept {
    if (distance < 8) return static_cast<unsigned>(distance);
    const auto octave = static_cast<unsigned>(std::bit_width(distance)) - 1;
    return 8 + 4 * (octave - 3) + static_cast<unsigned>(distance >> (octave - 2) & 3);
  }
  static std::uint64_t begin_of(unsigned bin) noexcept {
    if (bin < 8) return bin;
    return std::uint64_t{4 + (bin - 8) % 4} << (1 + (bin - 8) / 4);
  }

  std::map<unsigned, Bin> bins_;
  std::int64_t count_ = 0;
};

}  // namespace ringdown
