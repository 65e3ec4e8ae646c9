#include "at_calls.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crash {

int live_until(const std::vector<std::string>& command, int stop) {
  const auto pid = ::fork();
  if (pid == 0) {
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // the leak check wants to trace the process itself
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  int stops = 0, status = 0;
  ::waitpid(pid, &status, 0);  // the exec
  ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_EXITKILL);
  for (; stops < stop; ++stops) {
    if (::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr) != 0) break;
    ::waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) return stops;
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, &status, 0);
  return stops;
}

}  // namespace crash
