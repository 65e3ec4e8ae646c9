#include "own_metrics.hpp"

namespace ringdown {

OwnMetrics::OwnMetrics(const std::string& ring) : producer_(ring, {.create = false, .name = "ring-persister"}) {}

void OwnMetrics::push(const std::vector<Figure>& figures) {
  producer_.maintain();
  const auto now_ns = producer_.now_ns();
  for (const auto& figure : figures) {
    auto key = figure.name;
    for (const auto& [name, value] : figure.labels) key.append("\n").append(name).append("\n").append(value);
    const auto [known, is_new] = series_.try_emplace(std::move(key));
    if (is_new) known->second = producer_.define({figure.kind, figure.name, figure.unit, figure.labels, {}});
    producer_.push(known->second, figure.value, now_ns);
  }
}

}  // namespace ringdown
