// test_sink.cpp: what a sink sends, and what it makes of a receiver's answers. Its clock goes on only when told.
#include <catch2/catch.hpp>

#include <cmath>
#include <map>
#include <set>

#include "maintenance.hpp"
#include "sink_fixture.hpp"
#include "sinks.hpp"

using namespace sink_test;
using Catch::Contains;

namespace {

using Times = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("batches are sent in their order, several in a request or one in several", "[sink]") {
  Fixture f;
  f.settings.batch_samples = 10;
  for (int b = 0; b < 5; ++b) f.commit({4 * b, 4 * b + 1}, {4 * b, 4 * b + 2});
  Times many;
  for (int i = 100; i < 125; ++i) many.push_back(i);
  f.commit(many);
  f.start();
  f.run();
  CHECK(f.receiver.sizes == std::vector<std::size_t>{8, 8, 4, 8, 8, 9});
  CHECK(f.times("b{}") == Times{0, 2, 4, 6, 8, 10, 12, 14, 16, 18});
  CHECK(f.times("a{}").size() == 35);
  const auto row = f.take().row;
  CHECK(row.cursor.accepted == 6);
  CHECK(row.cursor.settled == 0);
  CHECK(row.counts.samples == 45);
  CHECK(row.counts.requests == 6);
  CHECK(row.state == "sending");
}

TEST_CASE("only series that a selector matches are sent, with the destination's labels", "[sink]") {
  Fixture f;
  f.settings.select = {"b", "nothing"};
  f.settings.labels = {{"instance", "x"}};
  f.commit({1, 2}, {3});
  f.start();
  f.run();
  CHECK(f.receiver.total() == 1);
  CHECK(f.times("b{instance=\"x\"}") == Times{3});
  f.commit({4});
  f.run();
  CHECK(f.take().row.cursor.accepted == 2);  // of which there was nothing to send
}

TEST_CASE("late samples come in order, and of a millisecond the first one whatever is sent again", "[sink]") {
  Fixture f;
  const auto at_ns = [&](std::int64_t ms, std::int64_t ns, double value) {
    f.batch.samples.push_back({(base_ms + ms) * 1'000'000 + ns, value, 1});
  };
  at_ns(5, 0, 1), at_ns(3, 0, 2), at_ns(5, 999'999, 3);
  f.commit({});
  at_ns(5, 999'999, 4), at_ns(6, 0, 5);
  f.commit({});
  f.start();
  f.run();
  CHECK(f.take().row.counts.folded == 2);
  Fixture g;  // the second batch alone, as after a restart
  std::swap(g.batch, f.batch);
  g.start();
  f.start({.accepted = 1, .settled = 1});
  f.run();
  CHECK(f.receiver.has.at("a{}") == std::multimap<std::int64_t, double>{{base_ms + 3, 2}, {base_ms + 5, 1}, {base_ms + 6, 5}});
}

TEST_CASE("what was accepted is settled once an answer has come over the same connection for long enough", "[sink]") {
  Fixture f;
  f.start();
  f.commit({1});
  f.run_for(10s);
  CHECK(f.take().row.cursor.settled == 0);
  f.commit({2});
  f.run_for(19s);
  CHECK(f.take().row.cursor.settled == 0);
  f.run_for(40s);  // with nothing to send, an empty request asks
  CHECK(f.take().row.cursor.settled == 2);
  const auto posts = f.receiver.posts;
  f.run_for(300s);
  CHECK(f.receiver.posts == posts);
}

TEST_CASE("after a lost connection all that was accepted of late is sent again, with jitter and ever longer pauses", "[sink]") {
  Fixture f;
  f.start();
  for (int i = 0; i < 100; ++i) {
    f.commit({i});
    f.run_for(1s);
  }
  CHECK(f.take().row.cursor.settled == 70);
  f.receiver.has.clear();  // killed; of what came before, 30 s are not on its disk
  f.receiver.answers.assign(8, {.status = 0, .text = "Connection refused"});
  f.commit({100});
  std::vector<Sink::Clock::duration> pauses;
  for (int i = 0; i < 8; ++i) {
    const auto due = f.run();
    CHECK(f.take().row.trouble == "Connection refused");
    pauses.push_back(due - f.now);
    f.now = due;
  }
  for (std::size_t i = 0; i < pauses.size(); ++i) {
    const auto most = std::min<std::chrono::milliseconds>(500ms * (1 << i), 60s);
    CHECK(pauses[i] <= most);
    CHECK(pauses[i] >= most / 2);
  }
  CHECK(std::set(pauses.begin(), pauses.end()).size() == pauses.size());
  f.run();
  CHECK(f.receiver.total() == 31);
  const auto row = f.take().row;
  CHECK(row.state == "sending");
  CHECK(row.trouble.empty());
  CHECK(row.counts.rewinds == 1);
  CHECK(row.counts.failures == 8);
}

TEST_CASE("a receiver that was killed between two requests is noticed by its new connection", "[sink]") {
  Fixture f;
  f.start();
  f.commit({1});
  f.run();
  f.receiver.has.clear();
  f.receiver.answers = {{.status = 204, .reconnected = true}};
  f.commit({2});
  f.run();
  CHECK(f.times("a{}") == Times{1, 2});
  CHECK(f.take().row.counts.rewinds == 1);
}

TEST_CASE("a receiver that ends every connection without a word gets everything all the same", "[sink]") {
  Fixture f;
  f.start();
  f.receiver.answers.assign(1000, {.status = 204, .reconnected = true});
  for (int i = 0; i < 50; ++i) {
    f.commit({i});
    f.run_for(1s);
  }
  CHECK(f.receiver.total() == 50);
  CHECK(f.receiver.posts < 100);
}

TEST_CASE("a single 5xx is tried again, a second one sends again what may be forgotten", "[sink]") {
  const Sender::Answer failure{.status = 503, .text = "busy"};
  Fixture f;
  f.start();
  f.commit({1});
  f.run();
  f.commit({2});
  f.receiver.answers = {failure};
  f.run_for(1s);
  CHECK(f.receiver.sizes == std::vector<std::size_t>{1, 1});
  f.commit({3});
  f.receiver.answers = {failure, failure};
  f.run_for(2s);
  CHECK(f.receiver.sizes == std::vector<std::size_t>{1, 1, 3});
  CHECK(f.take().row.counts.failures == 3);
}

TEST_CASE("Retry-After is respected, up to an hour", "[sink]") {
  Fixture f;
  f.start();
  f.commit({1});
  f.receiver.answers = {{.status = 429, .retry_after = 20s}, {.status = 503, .retry_after = 100h}};
  CHECK(f.run() == f.now + 20s);
  f.now += 20s;
  CHECK(f.run() == f.now + 1h);
  CHECK(f.receiver.posts == 2);
  f.now += 1h;
  f.run();
  CHECK(f.receiver.total() == 1);
}

TEST_CASE("of a refused request the bad samples are set aside with the receiver's words, the others arrive", "[sink]") {
  Fixture f;
  f.receiver.refusal = GENERATE(400, 409, 413, 422);
  f.settings.batch_samples = 1000;
  Times a;
  for (int i = 0; i < 500; ++i) a.push_back(i);
  f.receiver.refuses = [](const auto& series, std::int64_t time_ms, double) {
    return series.text() == "a{}" && (time_ms - base_ms == 7 || time_ms - base_ms == 300);
  };
  f.commit(a, {1, 2});
  f.start();
  f.run();
  CHECK(f.receiver.total() == 500);
  CHECK(f.receiver.posts < 50);
  const auto news = f.take();
  REQUIRE(news.aside.size() == 2);
  CHECK(news.aside[0].time_ms == base_ms + 7);
  CHECK(news.aside[1].time_ms == base_ms + 300);
  CHECK(news.aside[0].metric == "a");
  CHECK(news.aside[0].why == "HTTP " + std::to_string(f.receiver.refusal) + ": bad a{}");
  CHECK(news.row.cursor.accepted == 1);
  f.start();
  f.run();
  f.take();  // sent again, and refused again: it has a row already
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_aside") == 2);
}

TEST_CASE("any other answer stops the destination and says what to do", "[sink]") {
  for (const auto status : {301L, 401L, 403L, 404L}) {
    Fixture f;
    f.start();
    f.commit({1});
    f.receiver.answers = {{.status = status, .text = "no"}};
    CHECK(f.run() == Sink::Clock::time_point::max());
    CHECK(f.run() == Sink::Clock::time_point::max());
    const auto row = f.take().row;
    CHECK(row.state == "stopped");
    CHECK(row.trouble == "HTTP " + std::to_string(status) + ": no; mend it, then reload ring-persister");
    CHECK(f.receiver.posts == 1);
  }
}

TEST_CASE("samples from the future wait for their time, over a restart as well, and until a crash cannot lose them", "[sink]") {
  Fixture f;
  f.start();
  f.commit({1, 59'000, 200'000}, {2});
  f.run();
  CHECK(f.times("a{}") == Times{1, 59'000});
  CHECK(f.take().aside.size() == 1);
  f.start({.accepted = 1, .settled = 1});
  f.run_for(120s);
  CHECK(f.times("a{}") == Times{1, 59'000});
  f.run_for(31s);
  CHECK(f.times("a{}") == Times{1, 59'000, 200'000});
  f.take();
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_aside WHERE held = 1") == 1);
  f.run_for(29s);
  CHECK(f.take().released.size() == 1);
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_aside") == 0);
}

TEST_CASE("a series whose producer has left ends behind its last sample, unless it goes on", "[sink]") {
  Fixture f;
  f.start();
  f.commit({1}, {2});
  f.sink->end_series({{1, 2, 77}, 1, base_ms + 500});
  f.receiver.answers = {{.status = 500}};
  f.run_for(2s);
  const auto& a = f.receiver.has.at("a{}");
  REQUIRE(a.size() == 2);
  CHECK(a.rbegin()->first == base_ms + 2);
  CHECK(std::isnan(a.rbegin()->second));
  CHECK(f.times("b{}") == Times{2, 3});
  f.commit({1000});
  f.sink->end_series({{1}, 2, base_ms + 900});  // noticed before, told after
  f.run_for(2s);
  CHECK(f.times("a{}") == Times{1, 2, 1000});
  f.sink->end_series({{1}, 3, base_ms + 2000});  // of batch 3 there is something yet
  f.run_for(2s);
  CHECK(f.times("a{}") == Times{1, 2, 1000});
  f.commit({1500});
  f.receiver.refuses = [](const auto&, std::int64_t, double value) { return std::isnan(value); };
  f.run_for(2s);
  CHECK(f.times("a{}") == Times{1, 2, 1000, 1500});
  CHECK(f.take().aside.empty());
}

TEST_CASE("no more samples a second are sent than allowed", "[sink]") {
  Fixture f;
  f.settings.batch_samples = 10;
  f.settings.samples_per_second = 20;
  for (int i = 0; i < 10; ++i) f.commit({10 * i, 10 * i + 1, 10 * i + 2, 10 * i + 3, 10 * i + 4, 10 * i + 5, 10 * i + 6, 10 * i + 7, 10 * i + 8, 10 * i + 9});
  f.start();
  f.run_for(2400ms);
  CHECK(f.receiver.total() == 50);
  f.run_for(10s);
  CHECK(f.receiver.total() == 100);
}

TEST_CASE("what was given up is not waited for", "[sink]") {
  Fixture f;
  f.start();
  f.receiver.answers = {{.status = 0}};
  f.commit({1});
  f.commit({2});
  f.run();
  f.store->database().execute("DELETE FROM batches WHERE id = 1");
  f.sink->skip_to(1);
  f.run_for(1s);
  CHECK(f.times("a{}") == Times{2});
  CHECK(f.take().row.cursor.settled == 1);
}

TEST_CASE("of a tier every row that is made is sent, and once more when it is made again for late samples", "[sink]") {
  Fixture f;
  f.settings.send = tier_1m;
  f.settings.labels = {{"state", "mine"}};
  f.batch.series.push_back({3, {ring::Kind::counter, "n_total", "", {}, {}}});
  f.batch.series.push_back({4, {ring::Kind::state, "zone", "", {}, {"GREEN", "RED"}}});
  Sinks sinks(f.store->database(), {f.settings}, false, &test_wall_ns);  // its trigger notes what is made again
  Maintenance maintenance(f.store->database(), Rules{}, 1);
  auto now = f.now;
  const auto roll_up = [&] {
    for (bool more = true; more; now += 20s) {
      Budget budget;
      more = maintenance.run(wall_ns, wall_ns, now, budget);
    }
  };
  const auto start_ms = base_ms / 60'000 * 60'000;
  const auto at = [&](std::int64_t s, std::uint32_t series, double value) {
    f.batch.samples.push_back({(start_ms + s * 1000) * 1'000'000, value, series});
  };
  for (int s = 0; s < 120; ++s) at(s, 1, s), at(s, 3, 10 * s), at(s, 4, s < 90 ? 0 : 1);
  wall_ns = (start_ms + 125'000) * 1'000'000;
  f.commit({});
  roll_up();
  f.start({.accepted = start_ms / 1000, .settled = start_ms / 1000});
  f.run();
  const auto has = [&](const std::string& key) { return f.receiver.has[key]; };
  using Samples = std::multimap<std::int64_t, double>;
  CHECK(has("a_count{state=\"mine\"}") == Samples{{start_ms, 60}, {start_ms + 60'000, 60}});
  CHECK(has("a_sum{state=\"mine\"}") == Samples{{start_ms, 1770}, {start_ms + 60'000, 5370}});
  CHECK(has("a_min{state=\"mine\"}") == Samples{{start_ms, 0}, {start_ms + 60'000, 60}});
  CHECK(has("a_max{state=\"mine\"}") == Samples{{start_ms, 59}, {start_ms + 60'000, 119}});
  CHECK(has("a_last{state=\"mine\"}") == Samples{{start_ms, 59}, {start_ms + 60'000, 119}});
  CHECK(f.receiver.has.count("a_increase{state=\"mine\"}") == 0);
  CHECK(has("n_total_increase{state=\"mine\"}") == Samples{{start_ms, 590}, {start_ms + 60'000, 600}});
  CHECK(has("zone_seconds{state=\"mine\",state_=\"GREEN\"}") == Samples{{start_ms, 60}, {start_ms + 60'000, 30}});
  CHECK(has("zone_seconds{state=\"mine\",state_=\"RED\"}") == Samples{{start_ms + 60'000, 30}});
  CHECK(f.take().row.cursor.accepted == start_ms / 1000 + 120);
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_redone") == 0);

  f.receiver.has.clear();
  f.receiver.sizes.clear();
  at(30, 1, 1000), at(31, 3, 305);  // late
  wall_ns += 70'000'000'000;
  f.commit({});
  roll_up();
  f.run_for(11s);
  CHECK(has("a_sum{state=\"mine\"}") == Samples{{start_ms, 2770}});
  CHECK(has("n_total_count{state=\"mine\"}").begin()->second == 61);
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_redone") > 0);
  f.run_for(40s);
  f.take();
  CHECK(f.store->database().query_integer("SELECT count(*) FROM remote_write_redone") == 0);
}

TEST_CASE("whatever a receiver answers and forgets, in the end it has every sample once", "[sink]") {
  const auto seed = support::test_seed();
  INFO("RINGDOWN_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = support::rounds(10); round-- > 0;) {
    Fixture f;
    f.settings.batch_samples = 1 + static_cast<std::int64_t>(random() % 40);
    f.start();
    Receiver saved;  // on its disk
    auto saved_at = f.now;
    std::int64_t ms = 0;
    for (int i = 0; i < 300; ++i) {
      Times a, b;
      for (auto n = random() % 5; n-- > 0;) a.push_back(++ms);
      for (auto n = random() % 5; n-- > 0;) b.push_back(++ms);
      f.commit(a, b);
      switch (random() % 20) {
        case 0:  // killed: what it has not saved is gone
          f.receiver.has = saved.has;
          f.receiver.was_killed = true;
          f.receiver.answers.assign(random() % 4, {.status = 0, .text = "refused"});
          break;
        case 1: f.receiver.answers.assign(random() % 4, {.status = 500}); break;
        case 2: f.receiver.answers = {{.status = 0, .text = "timeout"}}; break;
        case 3: f.receiver.answers = {{.status = 429, .retry_after = 2s}}; break;
        case 4:  // the persister was killed
          f.start(f.take().row.cursor);
          f.receiver.was_killed = false;
          break;
        default: break;
      }
      f.run_for(std::chrono::milliseconds(random() % 2000));
      if (f.now - saved_at > 8s) {
        saved.has = f.receiver.has;
        saved_at = f.now;
      }
    }
    f.receiver.answers.clear();
    f.run_for(200s);
    CHECK(f.receiver.total() == static_cast<std::size_t>(ms));
    CHECK(f.take().row.cursor.settled == f.store->database().query_integer("SELECT max(id) FROM batches"));
  }
}
