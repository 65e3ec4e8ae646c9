// shell.hpp: another process at the database: SQLite's own shell, told what to do line by line.
#pragma once

#include <string>

#include "support.hpp"

namespace storage {

class Shell {
 public:
  explicit Shell(const std::string& database);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  /// Does it and waits for its end. @return what it printed
  std::string run(const std::string& command);

 private:
  int to_ = -1, from_ = -1;
  support::Child child_;
};

}  // namespace storage
