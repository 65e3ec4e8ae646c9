// backup.hpp: ring-persister backup.
#pragma once

#include "copy.hpp"

namespace ringdown {

struct BackupCommand {
  std::string from, to;
  bool replace = false;  // a backup that is there
  bool json = false, quiet = false;
  CopyOptions copy = {};
};

/// Puts a checked copy of a database, which a persister may be writing, under a name. @return its exit status: 0 it is
/// there, 1 it is not, and standard error says why
int backup_command(const BackupCommand& command);

/// Gives way to the drain and to everybody else.
void lower_priority();

}  // namespace ringdown
