#include "nearest.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

namespace ringdown {
namespace {

/// Levenshtein's: insertions, deletions and replacements that make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t k = 0; k < b.size(); ++k) {
      const auto replaced = diagonal + (a[i] == b[k] ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({replaced, diagonal + 1, row[k] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> nearest_names(const std::string& wanted, const std::set<std::string>& names) {
  constexpr std::size_t offered_max = 3;
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const auto& name : names) {
    const auto distance = name.find(wanted) != name.npos ? 1 : edit_distance(wanted, name);
    if (distance <= std::max(wanted.size(), name.size()) / 2) near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  if (near.size() > offered_max) near.resize(offered_max);
  std::vector<std::string> out;
  for (auto& [distance, name] : near) out.push_back(std::move(name));
  return out;
}

}  // namespace ringdown
