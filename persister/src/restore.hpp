// restore.hpp: ring-persister restore.
#pragma once

#include "copy.hpp"

namespace ringdown {

struct RestoreCommand {
  std::string from, database;
  bool any_file_system = false;
  bool quiet = false;
  CopyOptions copy = {};
};

/// Puts a checked copy of a backup in a database's place, which no persister may be using; what was there is moved aside.
/// @return its exit status: 0 it is there, 1 nothing has changed, and standard error says why
int restore_command(const RestoreCommand& command);

}  // namespace ringdown
