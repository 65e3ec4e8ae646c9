// process.hpp: a rival in a process of its own, pinned to one CPU; it ends with the object, or with this process.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "machine.hpp"

namespace bench {

class Process {
 public:
  /// On the n-th of cpus().
  Process(std::size_t cpu, const std::function<int()>& body) {
    cpus();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(cpu);
    ::_exit(body());
  }
  /// What it writes is thrown away; one written in Go has one thread that works.
  Process(std::size_t cpu, const std::vector<std::string>& command)
      : Process(cpu, [&] {
          std::vector<char*> argv;
          for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
          argv.push_back(nullptr);
          ::setenv("GOMAXPROCS", "1", 1);
          for (const int output : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(::open("/dev/null", O_WRONLY), output);
          ::execvp(argv[0], argv.data());
          return 127;
        }) {}
  ~Process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string pid() const { return std::to_string(pid_); }
  /// User and system, ns; of a thread with this name, or of all.
  double cpu_ns(const std::string& thread = "") const {
    double ticks = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + pid() + "/task")) {
      std::ifstream file(task.path() / "stat");
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      if (!thread.empty() && text.find('(' + thread + ')') == text.npos) continue;
      std::istringstream fields(text.substr(text.rfind(')') + 2));
      const std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
      if (words.size() > 12) ticks += std::stod(words[11]) + std::stod(words[12]);
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)) * 1e9;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace bench
