#include <catch2/catch.hpp>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <thread>

#include "ring/lane.hpp"
#include "ring/writer.hpp"
#include "support.hpp"

using namespace ring;

namespace {

struct WriterDelete {
  void operator()(Writer* writer) const { Writer::destroy(writer); }
};

/// A lane in ordinary memory with a writer attached.
struct LaneFixture {
  explicit LaneFixture(std::uint64_t capacity = 64, abi::Mode mode = abi::Mode::drop_newest) : records(capacity) {
    lane = {&header, nullptr, records.data(), 0, capacity, mode};
    attach(1);
  }
  void attach(std::uint64_t from) {
    Epoch epoch;
    writer.reset(Writer::create());
    writer->attach(lane, from, epoch);
    writer->map(Series{0}, 7);
  }
  /// Takes all there is, checks the order, frees the slots.
  std::vector<RecordCopy> drain() {
    std::vector<RecordCopy> out;
    RecordCopy record;
    for (;;) {
      const auto result = read(lane, next, record);
      if (result == Read::nothing_yet) break;
      if (result == Read::overwritten) {
        overwritten += record.seq - next;
        next = record.seq;
        continue;
      }
      ++next;
      if (!record.is_control()) out.push_back(record);
    }
    words::store(header.tail, next - 1, std::memory_order_release);
    return out;
  }

  abi::LaneHeader header{};
  std::vector<abi::Record> records;
  LaneView lane;
  std::unique_ptr<Writer, WriterDelete> writer;
  std::uint64_t next = 1;
  std::uint64_t overwritten = 0;
};

std::uint64_t total(const abi::LaneHeader& header) {
  std::uint64_t sum = 0;
  for (const auto n : header.losses) sum += n;
  return sum;
}

}  // namespace

TEST_CASE("a record comes out as it went in, in order", "[lane]") {
  LaneFixture f;
  REQUIRE(f.writer->push(Series{0}, 1.5, 100));
  REQUIRE(f.writer->push(Series{0}, -0.0, 101));
  const auto out = f.drain();
  REQUIRE(out.size() == 2);
  CHECK(out[0].series == 7);
  CHECK(out[0].value == 1.5);
  CHECK(out[0].time_ns == 100);
  CHECK(std::signbit(out[1].value));
  CHECK(out[1].seq == out[0].seq + 1);
}

TEST_CASE("a full lane refuses the sample and counts one loss and moves nothing", "[lane]") {
  LaneFixture f;
  while (f.writer->push(Series{0}, 1, 1)) {
  }
  const auto records = f.records;
  const auto next = f.writer->next();
  CHECK_FALSE(f.writer->push(Series{0}, 2, 2));
  CHECK(f.writer->next() == next);
  CHECK(std::memcmp(records.data(), f.records.data(), records.size() * sizeof(abi::Record)) == 0);
  CHECK(f.header.losses[0] == 2);  // this one and the one that ended the loop
  CHECK(f.drain().size() == 64 - abi::epoch_records);
  REQUIRE(f.writer->push(Series{0}, 3, 3));
  const auto after = f.drain();
  REQUIRE(after.size() == 1);
  CHECK(after[0].lost_count() == 2);
  CHECK(after[0].lost_reason() == abi::Loss::lane_full);
}

TEST_CASE("each reason for a loss is counted by itself and told by the records that follow", "[lane]") {
  LaneFixture f;
  CHECK_FALSE(f.writer->push(Series{0}, std::numeric_limits<double>::quiet_NaN(), 1));
  CHECK_FALSE(f.writer->push(Series{0}, std::numeric_limits<double>::infinity(), 1));
  CHECK_FALSE(f.writer->push(Series{0}, -std::numeric_limits<double>::infinity(), 1));
  CHECK_FALSE(f.writer->push(Series{1}, 1, 1));
  CHECK_FALSE(f.writer->push(Series{}, 1, 1));
  REQUIRE(f.writer->push(Series{0}, 1, 2));
  REQUIRE(f.writer->push(Series{0}, 2, 3));
  REQUIRE(f.writer->push(Series{0}, 3, 4));
  CHECK(f.header.losses[1] == 3);
  CHECK(f.header.losses[2] == 2);
  const auto out = f.drain();
  REQUIRE(out.size() == 3);
  CHECK(out[0].lost_reason() == abi::Loss::non_finite);
  CHECK(out[0].lost_count() == 3);
  CHECK(out[1].lost_reason() == abi::Loss::unknown_series);
  CHECK(out[1].lost_count() == 2);
  CHECK(out[2].lost_before == 0);
}

TEST_CASE("push_many publishes a cycle under one time stamp and each bad value costs itself alone", "[lane]") {
  LaneFixture f;
  f.writer->map(Series{1}, 8);
  const Series series[] = {Series{0}, Series{1}, Series{0}, Series{9}};
  const double values[] = {1, std::nan(""), 3, 4};
  CHECK(f.writer->push_many(55, series, values) == 2);
  const auto out = f.drain();
  REQUIRE(out.size() == 2);
  CHECK(out[0].time_ns == 55);
  CHECK(out[1].time_ns == 55);
  CHECK(out[1].value == 3);
  CHECK(total(f.header) == 2);
}

TEST_CASE("push_many into a lane with too little room stores what fits and counts the rest", "[lane]") {
  LaneFixture f;
  const std::vector<Series> series(100, Series{0});
  const std::vector<double> values(100, 1);
  CHECK(f.writer->push_many(1, series, values) == 64 - abi::epoch_records);
  CHECK(f.header.losses[0] == 100 - (64 - abi::epoch_records));
  CHECK(f.writer->push_many(1, series, values) == 0);
  CHECK(f.header.losses[0] == 200 - (64 - abi::epoch_records));
}

TEST_CASE("losses beyond what one record can tell go on in the next", "[lane]") {
  LaneFixture f;
  f.drain();
  words::store(f.header.losses[0], std::uint64_t{abi::lost_count_max} + 5);
  CHECK_FALSE(f.writer->push(Series{9}, 1, 1));  // sets the pending flag
  for (int i = 0; i < 4; ++i) REQUIRE(f.writer->push(Series{0}, i, 1));
  const auto out = f.drain();
  CHECK(out[0].lost_count() == abi::lost_count_max);
  CHECK(out[1].lost_count() == 5);
  CHECK(out[2].lost_reason() == abi::Loss::unknown_series);
  CHECK(out[3].lost_before == 0);
}

TEST_CASE("a writer without a lane refuses and counts", "[lane]") {
  std::unique_ptr<Writer, WriterDelete> writer(Writer::create());
  const Series series[] = {Series{0}, Series{0}};
  const double values[] = {1, 2};
  CHECK_FALSE(writer->push(Series{0}, 1, 1));
  CHECK(writer->push_many(1, series, values) == 0);
  CHECK(writer->detached() == 3);
}

TEST_CASE("a new owner of a full lane announces itself as soon as there is room", "[lane]") {
  LaneFixture f;
  while (f.writer->push(Series{0}, 1, 1)) {
  }
  const auto next = find_head(f.lane);
  CHECK(next == f.writer->next());
  f.attach(next);
  CHECK_FALSE(f.writer->push(Series{0}, 2, 2));
  f.drain();
  REQUIRE(f.writer->push(Series{0}, 3, 3));
  RecordCopy record;
  for (std::uint32_t part = 0; part < abi::epoch_records; ++part) {
    REQUIRE(read(f.lane, next + part, record) == Read::record);
    CHECK(record.series == abi::control_epoch + part);
  }
  REQUIRE(f.drain().size() == 1);
}

TEST_CASE("random pushes and drains equal a queue that counts its refusals", "[lane][property]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < support::rounds(200); ++round) {
    LaneFixture f;
    f.drain();
    std::deque<double> model;
    std::uint64_t lost = 0, told = 0;
    double value = 0;
    const auto take_all = [&] {
      for (const auto& record : f.drain()) {
        REQUIRE_FALSE(model.empty());
        CHECK(record.value == model.front());
        told += record.lost_count();
        model.pop_front();
      }
      CHECK(model.empty());
    };
    for (int step = 0; step < 2000; ++step) {
      const auto choice = random() % 64;
      if (choice < 8) {
        take_all();
      } else if (choice < 12) {
        lost += !f.writer->push(Series{0}, std::nan(""), step);
      } else if (choice == 12) {  // the owner dies and the next one goes on where the slots say
        const auto head = find_head(f.lane);
        CHECK(head == f.writer->next());
        if (random() % 2) take_all();
        f.attach(head);
      } else if (f.writer->push(Series{0}, ++value, step)) {
        model.push_back(value);
        CHECK(model.size() <= 64);
      } else {
        ++lost;
      }
    }
    take_all();
    CHECK(total(f.header) == lost);
    CHECK(told <= lost);
  }
}

TEST_CASE("overwrite-oldest keeps the newest and the reader knows exactly how many it missed", "[lane]") {
  LaneFixture f(64, abi::Mode::overwrite_oldest);
  for (int i = 0; i < 1000; ++i) REQUIRE(f.writer->push(Series{0}, i, i));
  const auto out = f.drain();
  REQUIRE(out.size() == 64);
  CHECK(out.back().value == 999);
  CHECK(out.front().value == 936);
  CHECK(f.overwritten + out.size() == 1000 + abi::epoch_records);
  CHECK(find_head(f.lane) == f.writer->next());
}

TEST_CASE("a reader beside a flat-out writer sees every accepted record once and whole", "[lane][threads]") {
  const auto mode = GENERATE(abi::Mode::drop_newest, abi::Mode::overwrite_oldest);
  LaneFixture f(256, mode);
  constexpr std::uint64_t pushes = 200'000;
  std::atomic<bool> done{false};
  std::thread producer([&] {
    for (std::uint64_t i = 1; i <= pushes; ++i)
      f.writer->push(Series{0}, static_cast<double>(i), static_cast<std::int64_t>(i * 3));
    done.store(true, std::memory_order_release);
  });
  std::uint64_t seen = 0;
  double last = 0;
  bool ok = true;
  for (bool last_round = false;;) {
    for (const auto& record : f.drain()) {
      ok &= record.value > last && record.time_ns == static_cast<std::int64_t>(record.value) * 3;
      last = record.value;
      ++seen;
    }
    if (last_round) break;
    last_round = done.load(std::memory_order_acquire);
  }
  producer.join();
  CHECK(ok);
  if (mode == abi::Mode::drop_newest)
    CHECK(seen + f.header.losses[0] == pushes);
  else
    CHECK(seen + f.overwritten >= pushes);
  CHECK(seen + f.overwritten + f.header.losses[0] <= pushes + abi::epoch_records);
}
