// sink_fixture.hpp: a sink between a database and a receiver in memory. Its clock goes on only when told.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sink.hpp"
#include "store.hpp"
#include "support.hpp"
#include "write_request.hpp"

namespace sink_test {

using namespace ringdown;
using namespace std::chrono_literals;

inline constexpr std::int64_t base_ms = 1'700'000'000'000;
inline std::int64_t wall_ns = base_ms * 1'000'000;
inline std::int64_t test_wall_ns() { return wall_ns; }

/// Takes what comes, and remembers only what it has not forgotten.
struct Receiver {
  std::map<std::string, std::multimap<std::int64_t, double>> has = {};
  std::vector<std::size_t> sizes = {};         // samples of each request that it took
  std::vector<Sender::Answer> answers = {};    // the next ones, in their order; then 204
  std::function<bool(const support::SentSeries&, std::int64_t time_ms, double value)> refuses = {};
  long refusal = 400;
  int posts = 0;
  bool was_killed = false;                     // since the last answer

  Sender::Answer take(const std::string& body) {
    ++posts;
    Sender::Answer answer{.status = 204};
    if (!answers.empty()) {
      answer = answers.front();
      answers.erase(answers.begin());
    }
    if (answer.status != 0) answer.reconnected |= std::exchange(was_killed, false);
    if (answer.status / 100 != 2) return answer;
    const auto all = support::read_write_request(body);
    for (const auto& series : all)
      for (const auto& [time_ms, value] : series.samples)
        if (refuses && refuses(series, time_ms, value)) return {.status = refusal, .text = "bad " + series.text()};
    std::size_t samples = 0;
    for (const auto& series : all)
      for (const auto& [time_ms, value] : series.samples) {
        ++samples;
        auto& there = has[series.text()];
        const auto [from, to] = there.equal_range(time_ms);
        const bool is_known = std::any_of(from, to, [&](const auto& one) { return one.second == value; });
        if (!is_known) there.emplace(time_ms, value);
      }
    sizes.push_back(samples);
    return answer;
  }
  std::size_t total() const {
    std::size_t out = 0;
    for (const auto& [name, samples] : has) out += samples.size();
    return out;
  }
};

struct Fixture {
  Fixture() {
    wall_ns = base_ms * 1'000'000;
    settings.name = "site";
    settings.url = "http://receiver";
    for (std::uint32_t id : {1, 2}) batch.series.push_back({id, {ring::Kind::gauge, std::string(1, static_cast<char>('`' + id)), "", {}, {}}});
  }
  ~Fixture() {
    sink.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
  /// A batch: the samples of series a and b at these milliseconds; a sample's value is its time.
  void commit(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b = {}) {
    for (const auto ms : a) batch.samples.push_back({(base_ms + ms) * 1'000'000, static_cast<double>(ms), 1});
    for (const auto ms : b) batch.samples.push_back({(base_ms + ms) * 1'000'000, static_cast<double>(ms), 2});
    store->commit(batch);
    batch.clear();
  }
  void start(SinkCursor cursor = {}) {
    sink.emplace(reader, settings, SinkRow{.destination = "site", .sends = tier_names[settings.send], .cursor = cursor}, [&](const auto& body) { return receiver.take(body); }, 1);
  }
  /// Steps until it waits for something. @return when it is due
  Sink::Clock::time_point run() {
    for (int i = 0; i < 100'000; ++i) {
      const auto due = sink->step(now, wall_ns);
      if (due > now || sink->is_idle()) return due;
    }
    throw std::runtime_error("it comes to no end");
  }
  /// Lets time go by, step by step, as a thread does.
  void run_for(std::chrono::milliseconds time) {
    const auto end = now + time;
    while (now < end) {
      const auto due = run();
      const auto next = std::min(end, std::max(due, now + 1ms));
      wall_ns += std::chrono::duration_cast<std::chrono::nanoseconds>(next - now).count();
      now = next;
    }
    run();
  }
  /// Writes what the loop would. @return it
  SinkNews take() {
    SinkNews news;
    sink->take_news(news);
    Transaction transaction(store->database());
    SinkTable table(store->database(), "site");
    table.set_aside(news.aside, wall_ns);
    table.release(news.row.sends, news.released);
    table.write(news.row, wall_ns);
    transaction.commit();
    return news;
  }
  std::vector<std::int64_t> times(const std::string& series) const {
    std::vector<std::int64_t> out;
    if (const auto at = receiver.has.find(series); at != receiver.has.end())
      for (const auto& [time_ms, value] : at->second) out.push_back(time_ms - base_ms);
    return out;
  }

  std::filesystem::path folder = support::unique_folder();
  std::optional<Store> store{std::in_place, (folder / "m.db").string(), StoreOptions{.wall_ns = &test_wall_ns}};
  Database reader{(folder / "m.db").string(), Database::Access::read_only};
  RemoteWriteSettings settings;
  Batch batch;
  Receiver receiver;
  Sink::Clock::time_point now{1000h};
  std::optional<Sink> sink;
};

}  // namespace sink_test
