#include "feeder.hpp"

#include <utility>

namespace ringdown {

Feeder::Feeder(std::string ring, ring::Options options, Tell tell)
    : ring_(std::move(ring)), options_(std::move(options)), tell_(std::move(tell)) {
  add_producer();
}

void Feeder::add_producer() {
  auto producer = std::make_unique<ring::Producer>(ring_, options_);
  if (!producer->attached()) throw ring::Error(producer->failure(), producer->why());
  seen_.push_back(losses(*producer));
  producers_.push_back(std::move(producer));
}

Feeder::Handle Feeder::define(ring::Definition definition) {
  definition = ring::checked(std::move(definition));
  ring::encode(definition);  // refuses what is too long
  if (const auto known = handles_.find(definition); known != handles_.end()) return known->second;
  auto series = producers_.back()->define(definition);
  if (producers_.back()->failure() == ring::Failure::arena_full) {
    add_producer();
    series = producers_.back()->define(definition);
    if (producers_.back()->failure() != ring::Failure::none)
      throw ring::Error(producers_.back()->failure(), producers_.back()->why());
  }
  const Handle handle{static_cast<std::uint32_t>(producers_.size() - 1), series};
  handles_.emplace(std::move(definition), handle);
  return handle;
}

void Feeder::settle() noexcept {
  for (std::size_t i = 0; i < producers_.size(); ++i) {
    const auto now = losses(*producers_[i]);
    for (std::size_t r = 0; r < now.size(); ++r) tally_.by_reason[r] += now[r] - seen_[i][r];
    seen_[i] = now;
  }
}

void Feeder::maintain() {
  settle();
  auto failure = ring::Failure::none;
  std::string why;
  for (std::size_t i = 0; i < producers_.size(); ++i) {
    auto& producer = *producers_[i];
    const bool attached = producer.maintain();
    seen_[i] = losses(producer);
    if (attached || failure != ring::Failure::none) continue;
    failure = producer.failure();
    why = producer.why();
  }
  if (failure == std::exchange(told_, failure)) return;
  tell_(failure == ring::Failure::none ? "records now" : why + "; goes on meanwhile");
}

const Feeder::Tally& Feeder::tally() {
  settle();
  tally_.left_behind = 0;
  for (const auto& producer : producers_) tally_.left_behind += producer->left_behind();
  return tally_;
}

}  // namespace ringdown
