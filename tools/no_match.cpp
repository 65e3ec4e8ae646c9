#include "no_match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli.hpp"
#include "nearest.hpp"

namespace ringdown {

std::string no_match(const Selector& selector, const std::vector<ring::Definition>& known, const std::string& whose) {
  const auto what = "selector '" + selector.text() + "': ";
  if (known.empty()) return what + whose + " knows no series yet";
  std::set<std::string> names;
  for (const auto& series : known) names.insert(series.name);
  if (!selector.name().empty() && !names.contains(selector.name())) {
    std::string offer;
    for (const auto& name : nearest_names(selector.name(), names)) offer += (offer.empty() ? "" : ", ") + name;
    return what + "no series has this name; " +
           (offer.empty() ? fmt::format("{} knows {} others", whose, names.size()) : "did you mean: " + offer);
  }
  const auto example = std::find_if(known.begin(), known.end(), [&](const auto& series) {
    return selector.name().empty() || series.name == selector.name();
  });
  return fmt::format("{}it matches none of {} series; one of them is {}", what, known.size(), series_text(*example));
}

}  // namespace ringdown
