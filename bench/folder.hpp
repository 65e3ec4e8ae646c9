// folder.hpp: a temporary folder with a database; gone with the object.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "ring/error.hpp"

namespace bench {

class Folder {
 public:
  Folder() {
    auto path = (std::filesystem::temp_directory_path() / "ringdown-bench-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw ring::system_error("make the folder " + path, errno);
    path_ = path;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::string database() const { return path_ / "bench.db"; }

 private:
  std::filesystem::path path_;
};

}  // namespace bench
