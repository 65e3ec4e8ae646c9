// query_function.hpp: what is asked of the samples of a window: avg, quantile(0.99), share(UP) and the like.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query_output.hpp"
#include "rollup.hpp"

namespace ringdown {

class Function {
 public:
  /// Throws ring::Error(bad_argument) that names those there are.
  explicit Function(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  /// @param kind     how the window was made
  /// @param series   whose names of states there are
  /// @param seconds  that the window has, from the first sample there is to the last
  /// @return nothing where it says nothing: the mean of a counter, the quantile of a state, the rate of a gauge
  std::optional<double> of(ring::Kind kind, const Series& series, const Rollup& window, double seconds) const;

 private:
  enum class What { avg, min, max, sum, count, first, last, increase, rate, quantile, share };

  std::string text_;
  What what_{};
  double quantile_ = 0;
  std::string state_;
};

/// "avg,quantile(0.99)". Throws ring::Error(bad_argument).
std::vector<Function> parse_functions(std::string_view text);

}  // namespace ringdown
