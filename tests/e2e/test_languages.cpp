// test_languages.cpp: the example daemons in C++, C and Python record the same, and the C library's surface
// is ring.h's.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "ring/producer.hpp"
#include "stored.hpp"
#include "support.hpp"

using Catch::Contains;

namespace {

constexpr bool sanitized = std::string_view(RINGDOWN_SANITIZE) != "";

struct Example {
  const char* language;
  std::vector<std::string> command;  // without the ring
};

std::vector<std::string> python(const std::string& script) {
  return {"/usr/bin/env",
          "PYTHONDONTWRITEBYTECODE=1",
          "PYTHONPATH=" RINGDOWN_PYTHON_FOLDER,
          "RING_LIBRARY=" RING_C_PATH,
          "python3",
          script};
}

std::vector<Example> examples() {
  std::vector<Example> all{{"C++", {EXAMPLE_CPP_PATH}}, {"C", {EXAMPLE_C_PATH}}};
  if (sanitized)
    WARN("Python is left out: its interpreter cannot load a sanitized libring_c");
  else
    all.push_back({"Python", python(EXAMPLES_FOLDER "/daemon.py")});
  return all;
}

std::vector<std::string> with(std::vector<std::string> command, const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

/// Drains `ring` into a new database. @return its path
std::string drained(const std::string& ring) {
  const auto database = (support::unique_folder() / "m.db").string();
  const auto run = support::run({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--until-idle"});
  INFO(run.output);
  REQUIRE(run.status == 0);
  return database;
}

std::vector<ring::Definition> definitions(const std::string& database) {
  ringdown::Database db(database, ringdown::Database::Access::read_only);
  std::vector<ring::Definition> out;
  for (const auto& row : ringdown::read_series(db)) out.push_back(row.definition);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

std::vector<double> one_to(int last) {
  std::vector<double> out;
  for (int i = 1; i <= last; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("a daemon in each language stores the same series and every sample", "[languages]") {
  for (const auto& example : examples()) {
    INFO(example.language);
    const auto ring = support::unique_ring();
    const auto run = support::run(with(example.command, {ring, "--seconds", "1"}));
    CHECK(run.output.empty());
    REQUIRE(run.status == 0);
    const auto database = drained(ring);
    const std::vector<ring::Definition> expected{
        {ring::Kind::counter, "daemon_cycles_total", "", {}, {}},
        {ring::Kind::gauge, "daemon_lateness_ms", "ms", {{"loop", "main"}}, {}},
        {ring::Kind::state, "daemon_mode", "", {}, {"STARTING", "RUNNING"}}};
    CHECK(definitions(database) == expected);
    const auto values = support::stored_values(database);
    CHECK(values.at("daemon_cycles_total") == one_to(20));
    CHECK(values.at("daemon_lateness_ms").size() == 20);
    const auto& mode = values.at("daemon_mode");
    CHECK(mode.size() == 20);
    CHECK(std::count(mode.begin(), mode.end(), 1.0) == 10);
    CHECK(support::query(database, "SELECT count(*) FROM losses") == 0);
  }
}

TEST_CASE("a daemon in each language ends at SIGTERM and runs on without a ring", "[languages]") {
  for (const auto& example : examples()) {
    INFO(example.language);
    const auto ring = support::unique_ring();
    const auto log = support::unique_folder() / "log";
    const ring::Producer holder(ring, {.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4096}});
    support::Child daemon(with(example.command, {ring}), log);
    while (support::read_file(log).find('\n') == std::string::npos && daemon.running()) ::usleep(1000);
    CHECK_THAT(support::read_file(log),
               Contains("not recording for now: ") && Contains("1 of 1 lanes are taken"));
    CHECK(daemon.running());
    daemon.signal(SIGTERM);
    CHECK(daemon.wait() == 0);
  }
}

TEST_CASE("ring.h is C11 and C++11 without a warning", "[languages]") {
  const std::vector<std::string> in_c{C_COMPILER, "-std=c11", "-x", "c"};
  const std::vector<std::string> in_cpp{CXX_COMPILER, "-std=c++11", "-x", "c++"};
  for (const auto& compiler : {in_c, in_cpp}) {
    const auto run = support::run(with(compiler, {"-Wall", "-Wextra", "-Wpedantic", "-Werror",
                                                  "-fsyntax-only", "-include", RING_H_PATH, "/dev/null"}));
    INFO(run.output);
    CHECK(run.status == 0);
  }
}

TEST_CASE("libring_c.so exports what ring.h declares, as RING_1.0, and nothing else", "[languages]") {
  std::set<std::string> declared{"RING_1.0"};  // the version node itself
  const auto header = support::read_file(RING_H_PATH);
  const std::regex declaration(R"(RING_API [^;]*?\b(ring_[a-z_]+)\()");
  for (std::sregex_iterator at(header.begin(), header.end(), declaration), end; at != end; ++at)
    declared.insert((*at)[1].str() + "@@RING_1.0");
  CHECK(declared.size() == 19);

  const auto nm = support::run({NM_PATH, "-D", "--defined-only", RING_C_PATH});
  REQUIRE(nm.status == 0);
  std::set<std::string> exported;
  std::istringstream lines(nm.output);
  for (std::string address, type, name; lines >> address >> type >> name;) exported.insert(name);
  CHECK(exported == declared);
}

TEST_CASE("ringdown.py keeps ring.h's promises", "[languages]") {
  if (sanitized) {
    WARN("Python is left out: its interpreter cannot load a sanitized libring_c");
    return;
  }
  const auto run = support::run(with(python(PYTHON_TEST_PATH), {support::unique_ring()}));
  INFO(run.output);
  CHECK(run.status == 0);
}
