// exposition.hpp: the persister's own metrics over HTTP, in Prometheus' text format, and whether it is well.
//
//   /metrics   the figures of the last publish()
//   /healthz   200 while the loop goes on, 503 when it has not for 10 s
//   /readyz    200 while the rings are drained into the database, 503 and why when they are not
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "own_metrics.hpp"

namespace ringdown {

/// Of "127.0.0.1:9747", "[::1]:9747" or "localhost:9747". Nothing when it is none of these.
std::optional<std::pair<std::string, int>> parse_listen(std::string_view text);

class Exposition {
 public:
  using Clock = std::chrono::steady_clock;
  /// Throws ring::Error when it cannot listen there.
  explicit Exposition(const std::string& listen);
  ~Exposition();

  void publish(const std::vector<Figure>& figures);
  /// To be called each round. @param trouble  why nothing is stored; empty when it is
  void progress(Clock::time_point now, const std::string& trouble);

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace ringdown
