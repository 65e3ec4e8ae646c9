// query_plant.hpp: a small database of a plant, and ring-query run on it with its outputs apart.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "store.hpp"
#include "stored.hpp"
#include "support.hpp"

namespace plant {

inline constexpr std::int64_t second_ns = 1'000'000'000;
inline constexpr std::int64_t start_s = 1'764'000'000;  // 2025-11-24 16:00:00 UTC
inline constexpr std::int64_t start_ns = start_s * second_ns;

struct Folder {
  std::filesystem::path path = support::unique_folder();
  ~Folder() { std::filesystem::remove_all(path); }
};

struct Result {
  int status;
  std::string out, err;
};

/// Runs the program with its outputs apart, in a time zone.
inline Result query(const Folder& folder, std::vector<std::string> words, const char* zone = "UTC",
             const std::filesystem::path& out = {}) {
  words.insert(words.begin(), RING_QUERY_PATH);
  const auto out_path = out.empty() ? folder.path / "out" : out;
  support::Child child([&]() -> int {
    ::setenv("TZ", zone, 1);
    ::dup2(::open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open((folder.path / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    return 127;
  });
  const int status = child.wait();
  return {status, out.empty() ? support::read_file(out_path) : "", support::read_file(folder.path / "err")};
}

inline std::vector<ringdown::SeriesRow> plant_series() {
  return {{1, {ring::Kind::gauge, "rtt_ms", "ms", {{"wan", "spectrum"}}, {}}},
          {2, {ring::Kind::state, "link_state", "", {{"wan", "spectrum"}}, {"UP", "DOWN, \"hard\""}}},
          {3, {ring::Kind::counter, "bytes_total", "B", {{"path", "a\\b"}}, {}}},
          {4, {ring::Kind::gauge, "load", "", {}, {}}}};
}

/// Two commits, the first not in time order, folded into both tiers.
struct Plant : Folder {
  std::string db = (path / "plant.db").string();

  Plant() {
    ringdown::Store store(db);
    ringdown::Batch batch;
    batch.series = plant_series();
    batch.samples = {{start_ns + 500'000'000, 12.5, 1},
                     {start_ns + 250'000'000, 0.1, 1},
                     {start_ns + 250'000'000, 1, 2},
                     {start_ns + 999'999'999, 1e15 + 0.125, 3},
                     {start_ns + second_ns, 0.1 + 0.2, 1}};
    store.commit(batch);
    batch.clear();
    batch.samples = {{start_ns + 61 * second_ns, 0, 2},
                     {start_ns + 61 * second_ns + 1, 7, 2},
                     {start_ns + 62 * second_ns, -4, 4}};
    store.commit(batch);
    fold(store);
  }

  static void fold(ringdown::Store& store) {
    for (const char* tier : {"tier_1s", "tier_1m"}) support::fold_all(store.database(), tier);
  }

  Result run(std::vector<std::string> words, const char* zone = "UTC") const {
    words.insert(words.begin(), {"--db", db});
    return query(*this, std::move(words), zone);
  }
  /// Everything, from the beginning.
  Result all(std::vector<std::string> words) const {
    words.insert(words.end(), {"--from", "0"});
    return run(std::move(words));
  }
};

}  // namespace plant
