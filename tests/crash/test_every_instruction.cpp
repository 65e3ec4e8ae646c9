// Promise 4, instruction by instruction: wherever a producer is killed, no other one and no sum is harmed.
//
// A victim is forked from this process, runs up to a mark, is taken by ptrace to one instruction and killed
// there with SIGKILL. Beside it a bystander pushes; after it an heir takes its lane, and the persister's own
// path (Drain, Store, one database for all the kills of an operation) stores what is left. Then:
//   - every push that returned true is stored once (overwrite-oldest: or counted as overwritten), every push
//     that returned false is counted once, and the push under way is either or neither;
//   - no stored value, time or series is a mixture of two records, no definition and no epoch is torn;
//   - the lane is free, and where it has been claimed it has its memory.
//
// Operations of up to 400 instructions (all pushes but two long ones) are killed at every one. Set-up takes
// tens of thousands, nearly all of them in private memory, where a kill leaves the same state behind as one
// instruction earlier. So a first victim is stepped through; where an instruction changes the lane's memory
// or is a system call (locks, reservations, unmapping), later victims are killed just before and just after
// it, which reaches every state that the others could ever see; and so that this argument is not all there
// is, they are also killed at a seeded random choice of the other instructions.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "plant.hpp"
#include "stepper.hpp"

using crash::Plant;
using crash::Pusher;
using ring::abi::Mode;
using stepper::mark;

namespace {

constexpr bool instrumented = support::is_sanitized;  // several times the instructions: a choice of them will do
constexpr std::size_t every_one_max = instrumented ? 0 : 400;  // instructions; longer: effects and a choice
constexpr std::size_t effects_max = instrumented ? 20 : 1000;

struct Operation {
  const char* name;
  std::function<void(const Plant&)> victim;  // calls mark() before and after what is to be killed
  std::function<void(Plant&)> before = {};   // what happens to the victim's lane first
  std::function<void(Plant&)> at_mark = {};  // what happens while the victim stands at its first mark
};

/// The same lane's owner before the victim: killed itself, somewhere in its last push.
void elder(Plant& plant, int pushes) {
  stepper::Victim victim([&] {
    Pusher p(plant.ring, plant.log, "elder");
    p.define();
    p.push_times(pushes);
    mark();
    p.push();
    mark();
  });
  plant.knows("elder", victim.pid());
  for (auto steps = plant.random() % 90; steps > 0 && victim.step();) --steps;
  victim.kill();
}

stepper::Victim start(Plant& plant, const Operation& operation) {
  plant.start();
  if (operation.before) operation.before(plant);
  stepper::Victim victim([&] { operation.victim(plant); });
  plant.knows("victim", victim.pid());
  plant.victim_lives = true;
  if (operation.at_mark) operation.at_mark(plant);
  return victim;
}

/// Kills the victim; bit 0 of `variant`: the persister comes before the heir; bit 1: the heir laps.
void end(Plant& plant, stepper::Victim& victim, unsigned variant) {
  plant.bystander_pushes();
  victim.kill();
  plant.victim_lives = false;
  plant.bystander_pushes();
  plant.check_lane();
  if (variant & 1) plant.store_all();
  plant.heir_comes(variant & 2);
  plant.store_all();
  plant.check_account();
}

struct Kill {
  std::size_t point;
  unsigned variant;  // of end()
};

/// Where to kill, and what comes after it. Beside effects: two of four, and the other two at the next point,
/// which mostly has the same state in memory. Elsewhere one.
std::vector<Kill> choose(const stepper::Trace& trace, std::mt19937_64& random) {
  std::vector<std::size_t> effects, others;
  std::sample(trace.effects.begin(), trace.effects.end(), std::back_inserter(effects), effects_max, random);
  const auto all = trace.points.size();
  if (all <= every_one_max)
    for (std::size_t i = 0; i < all; ++i) others.push_back(i);
  else
    for (int i = support::rounds(instrumented ? 5 : 20); i > 0; --i) others.push_back(random() % all);
  others.push_back(all - 1);
  std::vector<Kill> out;
  for (unsigned i = 0; i < effects.size(); ++i)
    for (const unsigned variant : {i % 2, 3 - i % 2}) out.push_back({effects[i], variant});
  for (const auto point : others) out.push_back({point, static_cast<unsigned>(random() % 4)});
  return out;
}

/// Leaves those effects that the other victim has, too.
void keep_common_effects(stepper::Trace& trace, const stepper::Trace& other) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> known;
  for (const auto& point : other.points) known.emplace(point.address, point.visit);
  std::erase_if(trace.effects, [&](std::size_t at) { return !known.contains({trace.points[at].address, trace.points[at].visit}); });
}

void kill_everywhere(Mode mode, const Operation& operation) {
  Plant plant(mode);
  const auto* const mode_name = mode == Mode::drop_newest ? "drop-newest" : "overwrite-oldest";
  INFO(operation.name << ", " << mode_name << ", RINGDOWN_SEED=" << plant.seed);
  const auto traced = [&] {
    auto victim = start(plant, operation);
    auto trace = stepper::trace(victim, plant.lane_bytes());
    end(plant, victim, 0);
    return trace;
  };
  auto trace = traced();
  // A sanitizer's heap makes system calls of its own, which not every victim makes.
  if (instrumented) keep_common_effects(trace, traced());
  const auto kills = choose(trace, plant.random);
  std::size_t missed = 0, missed_effects = 0;
  for (const auto& [point, variant] : kills) {
    INFO("killed before instruction " << point << " of " << trace.points.size() - 1 << ", variant "
                                      << variant);
    auto victim = start(plant, operation);
    const bool reached = victim.run_to(trace.points[point]);
    missed += !reached;
    missed_effects += !reached && std::binary_search(trace.effects.begin(), trace.effects.end(), point);
    end(plant, victim, variant);
  }
  // Numbers with a digit more, where a hash falls, and the like: killed at its end instead.
  CHECK(missed * 4 <= kills.size());
  CHECK(missed_effects * 50 <= kills.size());
  WARN(operation.name << ", " << mode_name << ": " << kills.size() << " kills; " << trace.points.size() - 1
                      << " instructions, " << trace.effects.size() << " points beside effects; missed "
                      << missed << ", of them beside effects " << missed_effects);
}

void in_both_modes(const Operation& operation) {
  if (!instrumented) kill_everywhere(Mode::drop_newest, operation);
  kill_everywhere(Mode::overwrite_oldest, operation);
}

/// A victim that has pushed `count` samples, and does `what` between the marks.
auto after_pushes(int count, void (*what)(Pusher&)) {
  return [=](const Plant& plant) {
    Pusher p(plant.ring, plant.log, "victim");
    p.define();
    p.push_times(count);
    mark();
    what(p);
    mark();
  };
}
void push_one(Pusher& p) { p.push(); }
void drain(Plant& plant) { plant.store_all(); }

}  // namespace

TEST_CASE("killed at any instruction of a push", "[crash][instruction]") {
  SECTION("with room") { in_both_modes({"push", after_pushes(3, push_one)}); }
  SECTION("that is not finite") {
    in_both_modes({"push of NaN", after_pushes(3, [](Pusher& p) { p.push(false); })});
  }
  SECTION("that tells a loss") {
    in_both_modes({"push after a loss", [](const Plant& plant) {
                     Pusher p(plant.ring, plant.log, "victim");
                     p.define();
                     p.push(false);
                     mark();
                     p.push();
                     mark();
                   }});
  }
  SECTION("into a full lane") { in_both_modes({"push into a full lane", after_pushes(80, push_one)}); }
  SECTION("into a lane that was full") {
    in_both_modes({"push that finds room again", after_pushes(80, push_one), {}, drain});
  }
  SECTION("behind an epoch that had no room before") {
    in_both_modes(
        {"push behind its epoch", after_pushes(1, push_one), [](Plant& p) { elder(p, 80); }, drain});
  }
}

TEST_CASE("killed at any instruction of push_many", "[crash][instruction]") {
  const auto cycle = [](Pusher& p) { p.push_cycle(); };
  SECTION("with room") { in_both_modes({"push_many", after_pushes(3, cycle)}); }
  SECTION("in the lane's second lap") {
    in_both_modes({"push_many, second lap", after_pushes(80, cycle), {}, drain});
  }
}

TEST_CASE("killed at any effect of definitions", "[crash][instruction]") {
  in_both_modes({"define", [](const Plant& plant) {
                   Pusher p(plant.ring, plant.log, "victim");
                   mark();
                   p.define();
                   p.push();
                   mark();
                 }});
}

TEST_CASE("killed at any effect of a claim", "[crash][instruction]") {
  const auto claim = [](const Plant& plant) {
    mark();
    Pusher p(plant.ring, plant.log, "victim");
    mark();
  };
  SECTION("of a lane that nobody has used") {
    in_both_modes({"claim", claim, [](Plant& p) { p.new_ring(); }});
  }
  SECTION("of a dead owner's lane with records in it") {
    in_both_modes({"reclaim", claim, [](Plant& p) { elder(p, 10); }});
  }
  SECTION("of a dead owner's full lane") {
    in_both_modes({"reclaim, full", claim, [](Plant& p) { elder(p, 80); }});
  }
  SECTION("that starts the arena afresh") {
    in_both_modes({"reclaim, fresh arena", claim, [](Plant& p) {
                     elder(p, 10);
                     p.store_all();
                   }});
  }
}

TEST_CASE("killed at any effect of a release", "[crash][instruction]") {
  in_both_modes({"release", [](const Plant& plant) {
                   auto p = std::make_unique<Pusher>(plant.ring, plant.log, "victim");
                   p->define();
                   p->push_times(3);
                   mark();
                   p.reset();
                   mark();
                 }});
}
