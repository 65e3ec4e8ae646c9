// error.hpp: the one exception of libring, thrown by set-up and never by a push.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ring {

/// What went wrong, for a program; the text of Error is for a person.
enum class Failure {
  none,
  bad_argument,   // a name, label or geometry outside its grammar or limits
  no_ring,        // it does not exist and was not to be created
  no_permission,
  bad_version,    // another ABI major
  foreign,        // not a ring, or damaged
  no_free_lane,
  no_memory,      // /dev/shm is full
  arena_full,     // no room for one more definition
  busy,           // another reader, or a creator that does not finish
  system,         // any other failed system call
};

class Error : public std::runtime_error {
 public:
  Error(Failure failure, const std::string& text) : std::runtime_error(text), failure_(failure) {}
  Failure failure() const noexcept { return failure_; }

 private:
  Failure failure_;
};

/// The one place where errno becomes an Error. `what` names the step and the object it failed on.
inline Error system_error(const std::string& what, int code) {
  Failure failure = Failure::system;
  std::string remedy;
  switch (code) {
    case ENOENT:
      failure = Failure::no_ring;
      remedy = "; start its producer or ring-persister first, or check the name";
      break;
    case EACCES:
    case EPERM:
      failure = Failure::no_permission;
      remedy = "; run as a user of the group that owns the object in /dev/shm";
      break;
    case ENOSPC:
    case ENOMEM:
      failure = Failure::no_memory;
      remedy = "; free space in /dev/shm (df /dev/shm) or create the ring with smaller lanes";
      break;
    default: break;
  }
  return Error(failure, what + ": " + std::strerror(code) + remedy);
}

}  // namespace ring
