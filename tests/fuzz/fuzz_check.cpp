// fuzz_check.cpp: examines and copies a ring that somebody damages, as ring-inspect does.
//
// Whatever is in the object, before it is looked at and while it is:
//   1. no crash, no sanitizer's report, no exception but ring::Error;
//   2. the check, the report and the copy load a bounded number of words, whatever these hold;
//   3. every fault lies within the object and tells what was found and what expected;
//   4. an object that nobody damaged has no fault, and neither has its copy;
//   5. of an object without a fault the drain believes every lane and every record.
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "drain.hpp"
#include "hostile_ring.hpp"
#include "inspect_check.hpp"
#include "inspect_lane.hpp"
#include "inspect_snapshot.hpp"
#include "store.hpp"
#include "support.hpp"

namespace {

using namespace ringdown;
using fuzz::HostileRing;
using fuzz::Poke;
using fuzz::Program;
using ring::abi::Mode;

constexpr std::uint64_t never = ~std::uint64_t{0};

void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_check: broken: %s\n", invariant);
  std::abort();
}

/// What stays from one execution to the next.
struct World {
  std::array<std::unique_ptr<HostileRing>, 2> rings{
      std::make_unique<HostileRing>(Mode::drop_newest, support::unique_ring()),
      std::make_unique<HostileRing>(Mode::overwrite_oldest, support::unique_ring())};
  Store store{support::unique_folder() / "fuzz.db"};
};

class Execution {
 public:
  Execution(World& world, const Program& program)
      : world_(world), program_(program), ring_(*world.rings[program.mode == Mode::drop_newest ? 0 : 1]) {}
  ~Execution() { fuzz::schedule.due = never; }

  /// @return how many faults there were
  std::uint64_t run() {
    ring_.restore();
    apply(Poke::When::before_opening);
    apply(Poke::When::between_rounds);
    const auto still = examine(false);
    if (still.count() == 0) drain();
    arm();
    for (const bool is_live : {false, true}) examine(is_live);
    const auto name = file_of(ring_.bytes());
    look(ring::Segment::open_copy(name.path, "hostile"));
    look(ring::Segment::inspect(ring_.name()));
    return still.count();
  }

 private:
  /// A file of its own, as long as this lives.
  struct File {
    int descriptor;
    std::string path;
    ~File() { ::close(descriptor); }
  };
  static File file_of(std::span<const std::byte> bytes) {
    const int descriptor = ::memfd_create("fuzz", MFD_CLOEXEC);
    require(::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
            "a file has its bytes");
    return {descriptor, "/proc/self/fd/" + std::to_string(descriptor)};
  }

  void apply(Poke::When when) {
    for (const auto& poke : program_.pokes)
      if (poke.when == when) ring_.apply(poke);
  }

  /// Lines up the pokes that are due at a certain load.
  void arm() {
    for (const auto& poke : program_.pokes)
      if (poke.when == Poke::When::within_round) due_.push_back(&poke);
    current_ = this;
    fuzz::schedule.act = [] {
      auto& self = *current_;
      self.ring_.apply(*self.due_[self.next_due_++]);
      self.wait_for_next();
    };
    fuzz::schedule.loads = 0;
    wait_for_next();
  }
  void wait_for_next() {
    fuzz::schedule.due = next_due_ < due_.size() ? fuzz::schedule.loads + 1 + due_[next_due_]->delay * 8u : never;
  }

  /// Runs `look` within a bounded number of loads.
  static void bounded(auto&& look) {
    constexpr std::uint64_t loads_max = 100'000;  // of 3 lanes of 64 records, each looked at several times
    const auto before = fuzz::schedule.loads;
    look();
    require(fuzz::schedule.loads - before <= loads_max, "a look's loads are bounded");
  }

  inspect::CheckReport examine(bool is_live) const {
    inspect::CheckReport report;
    bounded([&] { report = inspect::check(ring_.bytes(), is_live); });
    for (const auto& fault : report.faults) {
      require(fault.offset <= ring_.bytes().size(), "a fault lies within the object");
      require(!fault.where.empty() && !fault.found.empty() && !fault.expected.empty(), "a fault is told whole");
    }
    return report;
  }

  void look(const ring::Segment& segment) const {
    std::vector<inspect::LaneReport> lanes;
    bounded([&] { lanes = inspect::report_lanes(segment); });
    bounded([&] { inspect::last_records(segment, lanes, 20); });
    bounded([&] {
      const auto copy = inspect::take_snapshot(segment);
      require(copy.geometry() == segment.geometry(), "a snapshot is like its ring");
    });
  }

  void drain() const {
    const auto file = file_of(ring_.bytes());
    const auto opened = ring::Segment::open_copy(file.path, "hostile");
    for (std::uint32_t i = 0; i < opened.geometry().lanes;
         ++i)  // no producer comes that far, and no database believes it
      if (ring::find_head(opened.lane(i)) > losses_believable) return;
    Catalog catalog({}, 0);
    Drain drain(ring::Consumer(ring::Segment::open_copy(file.path, "hostile")), world_.store, catalog);
    Batch batch;
    while (!drain.drain(batch, 1'000'000)) {
    }
    require(drain.counts().lost[static_cast<std::size_t>(ring::abi::Loss::corrupt)] == 0,
            "every record of an object without a fault is believed");
    for (const auto& lane : drain.lanes_)
      require(!lane.quarantined, "every lane of an object without a fault is believed");
  }

  World& world_;
  const Program& program_;
  HostileRing& ring_;
  std::vector<const Poke*> due_;
  std::size_t next_due_ = 0;
  static inline Execution* current_ = nullptr;
};

World& world() {
  static World* const never_destroyed = [] {
    spdlog::set_level(spdlog::level::off);
    auto* made = new World;
    for (const auto mode : {Mode::drop_newest, Mode::overwrite_oldest}) {
      Program nothing({});
      nothing.mode = mode;
      require(Execution(*made, nothing).run() == 0, "an object that nobody damaged has no fault");
    }
    return made;
  }();
  return *never_destroyed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Program program({data, size});
  Execution execution(world(), program);
  try {
    execution.run();
  } catch (const ring::Error&) {
  }
  return 0;
}
