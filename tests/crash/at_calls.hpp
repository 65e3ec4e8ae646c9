// at_calls.hpp: a program that is killed just before or just after a system call.
#pragma once

#include <string>
#include <vector>

namespace crash {

/// A life of the program under ptrace, killed at its `stop`th stop: two a system call.
/// @return stops that it came to
int live_until(const std::vector<std::string>& command, int stop);

}  // namespace crash
