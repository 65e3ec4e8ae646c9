// import.hpp: ring-persister import.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "old_series.hpp"
#include "rules.hpp"

namespace ringdown {

struct ImportCommand {
  std::vector<std::string> from;
  std::string database;
  std::string config;  // the persister's; empty: its defaults, and series that are there stay as they are
  std::string list;    // a CSV file that all ambiguous rows are added to; empty: none
  std::vector<KindRule> kinds = {};
  std::size_t series_max = 1'000'000;
  bool any_file_system = false;
  bool json = false, quiet = false;
};

/// Takes databases in the old shape into one of ours, which no persister may be using. One that was killed goes on
/// where it was when it is run again. @return its exit status: 0 all rows are accounted for, 1 they are not, or it
/// failed, and standard error says why; 2 the configuration has an error
int import_command(const ImportCommand& command);

}  // namespace ringdown
