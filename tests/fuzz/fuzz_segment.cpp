// fuzz_segment.cpp: reads a ring that somebody damages at every moment.
//
// Whatever is in the object, before it is opened, between two rounds, between two loads and from another thread:
//   1. no crash, no sanitizer's report, no exception but ring::Error;
//   2. a call of Drain::drain loads a bounded number of words, whatever they hold;
//   3. every sample in a batch has a series that the catalog knows and a finite value;
//   4. between two releases a drop-newest ring gives no more samples than its lanes hold;
//   5. stored and lost in the cursors are the sums of the samples and of the loss rows, neither they nor the
//      sequences are beyond any producer's, and no cursor goes back;
//   6. a lane that nobody damaged is stored to its end, whatever the others hold;
//   7. what was read can be packed into a blob and committed.
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "drain.hpp"
#include "fold.hpp"
#include "hostile_ring.hpp"
#include "ring/writer.hpp"
#include "store.hpp"
#include "support.hpp"

namespace {

using namespace ringdown;
using fuzz::After;
using fuzz::HostileRing;
using fuzz::Poke;
using fuzz::Program;
using ring::abi::Mode;

void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_segment: broken: %s\n", invariant);
  std::abort();
}

/// The thread that pokes while the main thread reads. What it writes is the program's, when is nobody's.
class Poker {
 public:
  Poker() : thread_([this] { run(); }) { thread_.detach(); }

  void start(HostileRing& ring, const Program& program) {
    ring_ = &ring;
    program_ = &program;
    state_ = working;
    state_.notify_one();
  }
  void stop() {
    while (pokes_done_ == 0) std::this_thread::yield();
    state_ = stopping;
    while (state_ != idle) std::this_thread::yield();
    pokes_done_ = 0;
  }

 private:
  enum State { idle, working, stopping };

  [[noreturn]] void run() {
    for (;;) {
      state_.wait(idle);
      while (state_ == working) {
        for (const auto& poke : program_->pokes)
          if (poke.when == Poke::When::by_thread) ring_->apply(poke);
        pokes_done_ = 1;
        std::this_thread::yield();
      }
      state_ = idle;
    }
  }

  HostileRing* ring_ = nullptr;
  const Program* program_ = nullptr;
  std::atomic<State> state_{idle};
  std::atomic<int> pokes_done_{0};
  std::thread thread_;
};

// Whether each execution opens the object anew, commits, folds and opens it again. That takes a millisecond, so
// fuzz_opening does it, and fuzz_segment sets a reader back that stays open and only plays the commits.
#ifdef FUZZ_OPENING
constexpr bool real = true;
#else
constexpr bool real = false;
#endif

/// A ring and who reads it.
struct Reader {
  explicit Reader(Mode mode) : ring(mode, support::unique_ring()) {}
  HostileRing ring;
  Catalog catalog{{}, 0};
  std::optional<Drain> drain;
};

/// What stays from one execution to the next.
struct World {
  World() {
    // One process, and nothing of it is to last.
    store.database().execute("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF");
  }
  Reader& reader(const Program& program) {
    return *readers[program.mode == Mode::drop_newest ? 0 : 1];
  }
  void forget() {
    store.database().execute("BEGIN; DELETE FROM batches; DELETE FROM cursors; DELETE FROM losses; "
                             "DELETE FROM producers; DELETE FROM tier_1s; DELETE FROM series; "
                             "UPDATE progress SET done = 0, replay = 1, target = 0, series = 0, "
                             "frontier = -9223372036, next_frontier = -9223372036; COMMIT");
    fold.forget();
  }

  std::array<std::unique_ptr<Reader>, 2> readers;
  Store store{support::unique_folder() / "fuzz.db"};
  SeriesRules rules{store.database()};
  Fold fold{store.database(), rules, "tier_1s", 5};
  ring::Writer* writer = ring::Writer::create();
  Poker poker;
};

struct Sums {
  std::uint64_t samples = 0, losses = 0;
  std::map<std::uint32_t, CursorRow> cursors;
};

class Execution {
 public:
  Execution(World& world, const Program& program)
      : world_(world), program_(program), reader_(world.reader(program)), ring_(reader_.ring) {}
  ~Execution() {
    fuzz::schedule.due = never;
    if (committed_) world_.forget();
  }

  void run() {
    ring_.restore();
    for (const auto& poke : program_.pokes)
      if (poke.when == Poke::When::before_opening) ring_.apply(poke);
    open();
    fuzz::schedule.act = &act;
    current_ = this;
    for (std::size_t r = 0; r < program_.after.size(); ++r) {
      round(r);
      check_others();
      if (r == 0 && program_.claims) claim();
      after(program_.after[r]);
    }
    look_around();
  }
  const Sums& sums() const noexcept { return live_; }

  /// The cursors of an execution without a poke.
  static inline std::map<Mode, Sums> expected;

 private:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  void open() {
    auto& drain = reader_.drain;
    if (committed_)
      reader_.catalog = Catalog(world_.store.series(), world_.store.last_producer());
    else
      reader_.catalog = Catalog({}, 0);
    if (real) drain.reset();
    if (drain)
      set_back(*drain);
    else
      drain.emplace(ring_.name(), HostileRing::geometry(program_.mode), world_.store, reader_.catalog);
    drain_ = &*drain;
    batch_.clear();
    rewound_ |= !durable_.empty() && !durable_.contains(generation());
    live_ = durable_[generation()];
    since_release_ = 0;
  }
  std::string generation() const { return drain_->consumer().segment().generation().hex(); }
  /// As Drain's constructor leaves it, with no cursor in the store. (This file is compiled without access control.)
  static void set_back(Drain& drain) {
    drain.lanes_ = std::vector<Drain::Lane>(drain.consumer_.lanes());
    for (std::uint32_t i = 0; i < drain.lanes_.size(); ++i) {
      drain.lanes_[i].cursor.ring = drain.ring_id_;
      drain.lanes_[i].cursor.lane = i;
      drain.resume(i);
    }
  }

  /// Lines up the pokes that are due at a certain load of this round.
  void arm(std::size_t round) {
    due_.clear();
    for (const auto& poke : program_.pokes)
      if (poke.when == Poke::When::within_round && poke.delay % 4 == round) due_.push_back(&poke);
    next_due_ = 0;
    fuzz::schedule.loads = 0;
    wait_for_next();
  }
  void wait_for_next() {
    fuzz::schedule.due =
        next_due_ < due_.size() ? fuzz::schedule.loads + 1 + (due_[next_due_]->delay >> 2) * 8u : never;
  }
  static void act() {
    auto& self = *current_;
    self.ring_.apply(*self.due_[self.next_due_++]);
    self.wait_for_next();
  }

  void round(std::size_t index) {
    for (const auto& poke : program_.pokes)
      if (poke.when == Poke::When::between_rounds && poke.delay % 4 == index) ring_.apply(poke);
    arm(index);
    if (program_.has_thread) world_.poker.start(ring_, program_);
    for (int i = 0; i < 3; ++i) {
      const auto before = batch_.samples.size();
      fuzz::schedule.due -= fuzz::schedule.due == never ? 0 : fuzz::schedule.loads;
      fuzz::schedule.loads = 0;
      const bool empty = drain_->drain(batch_, 1'000'000);
      const auto lanes = drain_->consumer().lanes();
      require(fuzz::schedule.loads <= lanes * (turn_records * 8 + 2048), "a drain's loads are bounded");
      since_release_ += batch_.samples.size() - before;
      if (empty) break;
    }
    if (program_.has_thread) world_.poker.stop();
    check_batch();
  }

  void check_batch() {
    for (const auto& sample : batch_.samples) {
      require(sample.series >= 1 && sample.series <= reader_.catalog.size(), "a sample's series is known");
      require(std::isfinite(sample.value), "a sample's value is finite");
    }
    const auto& geometry = drain_->consumer().segment().geometry();
    if (geometry.mode == Mode::drop_newest)
      require(since_release_ <= std::uint64_t{geometry.lanes} * geometry.lane_records, "no more samples than slots");
    batch_.cursors.clear();
    drain_->add_cursors(batch_);
    constexpr auto losses_max = losses_believable << 8;  // the pokes of a program can lie some hundred times
    for (const auto& row : batch_.cursors) {
      auto& cursor = live_.cursors[row.lane];
      require(row.next_seq >= cursor.next_seq, "a cursor does not go back");
      require(row.next_seq <= ring::sequence_max + 1, "a cursor is one that producers can reach");
      require(row.lost <= losses_max, "losses are as many as producers can have");
      cursor = row;
    }
    std::uint64_t stored = 0, lost = 0, loss_rows = 0;
    for (const auto& [lane, cursor] : live_.cursors) stored += cursor.stored, lost += cursor.lost;
    for (const auto& row : batch_.losses) loss_rows += row.count;
    require(stored == live_.samples + batch_.samples.size(), "stored is the sum of the samples");
    require(lost == live_.losses + loss_rows, "lost is the sum of the loss rows");
    encode_batch(batch_.samples, blob_);
    require(BatchView(blob_).samples() == batch_.samples.size(), "a batch's blob can be read");
  }

  /// Played commits and then an opening: the store is an older copy, and what was released is skipped.
  void after(After what) {
    if (what == After::nothing) return;
    if (what != After::die) {
      live_.samples += batch_.samples.size();
      for (const auto& row : batch_.losses) live_.losses += row.count;
      if (real) commit();
    }
    if (what == After::release) {
      drain_->release();
      batch_.clear();
      since_release_ = 0;
      rewinds_ = !real;
      return;
    }
    rewound_ |= rewinds_;
    open();
  }

  void commit() {
    committed_ = true;
    world_.store.commit(batch_);
    for (bool more = true; more;) {
      Budget budget;
      more = world_.fold.run(Fold::everything, budget);
    }
    durable_[generation()] = live_;
  }

  /// A producer takes a lane and pushes.
  void claim() try {
    const auto& segment = drain_->consumer().segment();
    ring::Holder me;
    std::memcpy(me.name_bytes.data(), program_.same_producer ? "alpha" : "omega", 5);
    const auto claim = ring::claim_lane(segment, me);
    claimed_ = claim.lane;
    const auto lane = segment.lane(claim.lane);
    auto& writer = *world_.writer;
    writer.attach(lane, claim.next, claim.epoch);
    if (!claim.ids.empty() || ring::append_definition(lane, {ring::Kind::gauge, "a", "", {}, {}})) {
      writer.map(ring::Series{0}, 0);
      for (int i = 0; i < 3; ++i) writer.push(ring::Series{0}, i, i);
    }
    writer.detach();
    ring::lock::release(segment.descriptor(), claim.lane);
  } catch (const ring::Error&) {
  }

  /// What ring-inspect and the claims of others read.
  void look_around() {
    struct Sink {
      ring::EpochReader epochs;
      std::uint64_t lost = 0;
      void record(const ring::RecordCopy& record) {
        if (record.is_control() && epochs.take(record)) lost += epochs.epoch().holder.name().size();
      }
      void overwritten(std::uint64_t, std::uint64_t count) { lost += count; }
    };
    const auto& consumer = drain_->consumer();
    ring::read_identity(consumer.segment().header().reader);
    for (std::uint32_t i = 0; i < consumer.lanes(); ++i) {
      const auto lane = consumer.lane(i);
      std::uint64_t next = 1;
      consumer.drain(i, next, 4 * lane.capacity, Sink{});
      ring::find_head(lane);
      ring::read_identity(lane.header->owner);
      try {
        ring::detail::read_arena(lane);
      } catch (const ring::Error&) {
      }
    }
  }

  void check_others() {
    const auto& geometry = drain_->consumer().segment().geometry();
    if (geometry != HostileRing::geometry(program_.mode)) return;
    if (const auto found = expected.find(program_.mode); found != expected.end())
      for (const auto& [lane, cursor] : found->second.cursors) {
        if (program_.touched[lane] || claimed_ == lane) continue;
        const auto& mine = live_.cursors[lane];
        require(mine.next_seq == cursor.next_seq, "an untouched lane is read to its end");
        require(mine.stored == cursor.stored || rewound_, "an untouched lane is stored");
        require(mine.lost == cursor.lost || rewound_, "an untouched lane's losses are counted");
      }
  }

  World& world_;
  const Program& program_;
  Reader& reader_;
  HostileRing& ring_;
  Drain* drain_ = nullptr;
  Batch batch_;
  std::vector<std::byte> blob_;
  Sums live_;
  std::map<std::string, Sums> durable_;  // by generation: a damaged header can make another ring of it
  std::uint64_t since_release_ = 0;
  std::uint32_t claimed_ = fuzz::lanes;
  bool committed_ = false, rewinds_ = false, rewound_ = false;
  std::vector<const Poke*> due_;
  std::size_t next_due_ = 0;
  static inline Execution* current_ = nullptr;
};

World& world() {
  static World* const never_destroyed = [] {
    spdlog::set_level(spdlog::level::off);
    auto* made = new World;
    made->readers = {std::make_unique<Reader>(Mode::drop_newest), std::make_unique<Reader>(Mode::overwrite_oldest)};
    for (const auto mode : {Mode::drop_newest, Mode::overwrite_oldest}) {
      Program nothing({});
      nothing.mode = mode;
      Execution execution(*made, nothing);
      execution.run();
      Execution::expected[mode] = execution.sums();
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
