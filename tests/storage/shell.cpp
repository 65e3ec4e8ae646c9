#include "shell.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <system_error>

namespace storage {

Shell::Shell(const std::string& database) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe");
  child_ = support::Child([&] {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    ::execlp(SQLITE3_PATH, "sqlite3", "-batch", database.c_str(), nullptr);
    return 127;
  });
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

Shell::~Shell() {
  ::close(to_);
  ::close(from_);
}

std::string Shell::run(const std::string& command) {
  const std::string end = "-- done\n", text = command + "\n.print '-- done'\n";
  if (::write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("sqlite3: cannot be told " + command);
  std::string out;
  char byte;
  while (!out.ends_with(end)) {
    if (::read(from_, &byte, 1) != 1) throw std::runtime_error("sqlite3: ended at " + command + ": " + out);
    out += byte;
  }
  out.resize(out.size() - end.size());
  return out;
}

}  // namespace storage
