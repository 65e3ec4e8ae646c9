#include "support.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

namespace support {
namespace {

namespace fs = std::filesystem;

void remove_all_of(const std::string& prefix) {
  std::error_code ignored;
  for (const auto& folder : {fs::path("/dev/shm"), fs::temp_directory_path()})
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const auto name = entry.path().filename().string();
      if (name.starts_with(prefix) || name.starts_with("ringdown-" + prefix)) fs::remove_all(entry.path(), ignored);
    }
}

/// Forks a process that outlives this one, notices its end by a pipe and removes what it left.
std::string start_janitor() {
  const auto prefix = "test-" + std::to_string(::getpid()) + "-";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  if (::fork() == 0) {
    ::setsid();
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
    ::close(ends[1]);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    char byte;
    while (::read(ends[0], &byte, 1) > 0) {
    }
    remove_all_of(prefix);
    ::_exit(0);
  }
  ::close(ends[0]);
  return prefix;
}

const std::string& prefix() {
  static const std::string text = start_janitor();
  return text;
}

std::string unique_name() {
  static int count = 0;
  return prefix() + std::to_string(++count);
}

}  // namespace

std::string unique_ring() { return unique_name(); }

fs::path unique_folder() {
  const auto path = fs::temp_directory_path() / unique_name();
  fs::create_directory(path);
  return path;
}

std::uint64_t test_seed() {
  if (const char* text = std::getenv("RINGDOWN_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device{}();
}

int rounds(int count) {
  const char* text = std::getenv("RINGDOWN_ROUNDS");
  return text ? std::atoi(text) : count;
}

Child::Child(const std::function<int()>& body) {
  prefix();  // the janitor is the parent's
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 99;
  try {
    status = body();
  } catch (const std::exception& e) {
    ::dprintf(2, "child: %s\n", e.what());
  }
  ::_exit(status);
}

Child::Child(const std::vector<std::string>& command, const fs::path& output) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  prefix();
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!output.empty()) {
    const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
  }
  ::execv(arguments[0], arguments.data());
  ::dprintf(2, "cannot run %s\n", arguments[0]);
  ::_exit(127);
}

Child::~Child() {
  if (pid_ > 0) kill();
}

bool Child::running() {
  siginfo_t info{};
  return pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}
void Child::signal(int number) const { ::kill(pid_, number); }
void Child::kill() {
  signal(SIGKILL);
  wait();
}
int Child::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Run run(const std::vector<std::string>& command) {
  const auto folder = unique_folder();
  Child child(command, folder / "output");
  const int status = child.wait();
  Run out{status, read_file(folder / "output")};
  fs::remove_all(folder);
  return out;
}

void* shared_bytes(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace support
