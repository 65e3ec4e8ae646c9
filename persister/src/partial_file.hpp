// partial_file.hpp: a file that is made beside its name, TARGET.partial, and gets that name only when it is whole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace ringdown {

/// Whoever has TARGET.partial open holds a lock on it: what a killed command left is taken over, what another one is
/// making is not. Deleted unless it was placed.
class PartialFile {
 public:
  /// Throws ring::Error: busy, or when it cannot be made.
  explicit PartialFile(const std::string& target);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Throws ring::Error unless the disk says that it has room for so much more.
  void require_room(std::uint64_t bytes) const;
  /// Lets the disk begin with what was written so far, lest whoever syncs next on it wait for all of it.
  void begin_sync() const noexcept;
  /// Waits until the disk has what was written so far.
  void sync() const;
  void give_to(uid_t user, gid_t group, mode_t mode) const;
  /// Syncs it and renames it; nothing may have it open. A target that is there already is an error, or replaced.
  void place(bool replace);

 private:
  std::string target_, path_;
  int descriptor_;
  bool placed_ = false;
};

}  // namespace ringdown
