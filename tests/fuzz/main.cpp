// main.cpp: runs a fuzz target without libFuzzer: its kept corpus, then seeded random mutations of it.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

/// Leaves the input that broke something in the working folder, to be run by itself and kept in the corpus.
class Kept {
 public:
  explicit Kept(const Input& input) {
    current_ = &input;
    std::signal(SIGABRT, [](int) {
      constexpr const char* name = "broken-input";
      if (auto* const file = std::fopen(name, "wb")) {
        std::fwrite(current_->data(), 1, current_->size(), file);
        std::fclose(file);
        std::fprintf(stderr, "the input is in %s\n", name);
      }
      std::signal(SIGABRT, SIG_DFL);
    });
  }
  ~Kept() { std::signal(SIGABRT, SIG_DFL); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

 private:
  static inline const Input* current_ = nullptr;
};

std::vector<Input> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Input> out;
  for (const auto& file : files) {
    const auto text = support::read_file(file);
    out.emplace_back(text.begin(), text.end());
  }
  return out;
}

Input mutated(const std::vector<Input>& corpus, std::mt19937_64& random) {
  constexpr std::size_t bytes_max = 400;
  const auto any = [&] { return corpus[random() % corpus.size()]; };
  const auto byte = [&] { return static_cast<std::uint8_t>(random()); };
  auto out = any();
  for (auto changes = 1 + random() % 8; changes > 0; --changes) {
    const auto at = out.empty() ? 0 : random() % out.size();
    switch (random() % 5) {
      case 0: out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), byte()); break;
      case 1: out.resize(at); break;
      case 2: {
        const auto other = any();
        out.insert(out.end(), other.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, other.size())),
                   other.end());
        break;
      }
      case 3:
        if (!out.empty()) out[at] = static_cast<std::uint8_t>(out[at] ^ 1u << random() % 8);
        break;
      default:
        if (!out.empty()) out[at] = byte();
    }
  }
  out.resize(std::min(out.size(), bytes_max));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER (the target's corpus)\n", argv[0]);
    return 2;
  }
  if (std::filesystem::is_regular_file(argv[1])) {
    const auto text = support::read_file(argv[1]);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    return 0;
  }
  const auto corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no input there\n", argv[1]);
    return 1;
  }
  for (const auto& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  const auto seed = support::test_seed();
  const int rounds = support::rounds(support::is_sanitized ? 1500 : 5000);
  std::printf("%zu inputs run; now %d mutations, RINGDOWN_SEED=%ju\n", corpus.size(), rounds,
              static_cast<std::uintmax_t>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  for (int i = 0; i < rounds; ++i) {
    const auto input = mutated(corpus, random);
    const Kept kept(input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  return 0;
}
