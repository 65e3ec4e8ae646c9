// persister_process.hpp: a ring-persister as it is installed, in a process of its own on the second CPU.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "machine.hpp"
#include "ring/ownership.hpp"
#include "ring/segment.hpp"
#include "sqlite.hpp"

namespace bench {

class PersisterProcess {
 public:
  /// The ring must be there. Returns once it is drained.
  PersisterProcess(const std::string& ring, const std::string& database) : database_(database) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ring-persister";
    pid_ = ::fork();
    if (pid_ < 0) throw ring::system_error("fork the persister", errno);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      pin_to(1);
      ::execl(program.c_str(), program.c_str(), "--ring", ring.c_str(), "--db", database.c_str(),
              "--log-level", "error", nullptr);
      ::_exit(127);
    }
    for (int tries = 0; !ring::lock::is_held(ring::Segment::open(ring).descriptor(), ring::abi::lock_reader);
         ++tries) {
      if (tries == 200)
        throw ring::Error(ring::Failure::foreign, "start " + program.string() + ": it does not drain");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  ~PersisterProcess() { stop(); }
  PersisterProcess(const PersisterProcess&) = delete;
  PersisterProcess& operator=(const PersisterProcess&) = delete;

  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  /// Samples in its database; after stop() those of all that was pushed.
  std::int64_t stored() const {
    ringdown::Database database(database_, ringdown::Database::Access::read_only);
    return database.query_integer("SELECT ifnull(sum(samples), 0) FROM batches");
  }
  /// User and system time so far.
  double cpu_s() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  /// A line of /proc/PID/status that is in kB, in MiB.
  double memory_mib(const std::string& key) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
    throw ring::Error(ring::Failure::foreign, "/proc/PID/status has no " + key);
  }

 private:
  std::string database_;
  pid_t pid_ = -1;
};

}  // namespace bench
