// setting.hpp: the settings that are one number or one word, for the configuration file and the command line
// alike.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loop.hpp"

namespace ringdown {

/// A setting that is a whole number: `key` in the file, --key with dashes on the command line.
struct NumberSetting {
  const char* key;
  const char* meaning;
  std::int64_t min, max;
  std::int64_t (*get)(const Settings&);
  void (*set)(Settings&, std::int64_t);
};
std::span<const NumberSetting> number_settings() noexcept;

/// A setting that is one of a few words, likewise.
struct WordSetting {
  const char* key;
  const char* meaning;
  std::vector<std::string> words;
  std::string (*get)(const Settings&);
  void (*set)(Settings&, const std::string&);
};
std::span<const WordSetting> word_settings();

}  // namespace ringdown
