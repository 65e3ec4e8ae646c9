// remote_write_bench.cpp: what a sample costs that is sent by remote write, beside Prometheus' agent with the same samples;
// how fast a day's outage is caught up, and whether the drain notices. Needs Debian's prometheus and victoria-metrics.
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "engine.hpp"
#include "figures.hpp"
#include "folder.hpp"
#include "life.hpp"
#include "sink.hpp"
#include "write_request.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using bench::Process;
constexpr std::int64_t second_ns = 1'000'000'000;

struct Counted {
  std::atomic<std::int64_t> samples{0}, bytes{0}, requests{0};
};

/// Samples of a request. Prometheus leaves out what is 0, and sends metadata as well.
std::int64_t count_samples(const std::string& body) {
  std::string bytes;
  if (!snappy::Uncompress(body.data(), body.size(), &bytes)) return 0;
  std::int64_t out = 0;
  for (support::ProtoReader request(bytes); !request.at_end();) {
    const bool is_series = request.varint() >> 3 == 1;
    support::ProtoReader series(request.bytes());
    while (is_series && !series.at_end()) {
      out += series.varint() >> 3 == 2;
      series.bytes();
    }
  }
  return out;
}

/// Takes all requests and counts what is in them.
class Counter {
 public:
  Counter() : counted_(shared()), port_(support::free_port()), process_(0, [this] {
    httplib::Server server;
    server.set_keep_alive_max_count(1'000'000'000);
    server.set_tcp_nodelay(true);
    server.Post("/api/v1/write", [this](const auto& request, auto& response) {
      counted_.samples += count_samples(request.body);
      counted_.bytes += static_cast<std::int64_t>(request.body.size());
      ++counted_.requests;
      response.status = 204;
    });
    return server.listen("127.0.0.1", port_) ? 0 : 1;
  }) {
    httplib::Client client("127.0.0.1", port_);
    while (!client.Post("/api/v1/write", std::string("\0", 1), "application/x-protobuf")) ::usleep(1000);
    counted_.requests = 0;
    counted_.bytes = 0;
  }
  const Counted& counted() const noexcept { return counted_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/write"; }

 private:
  static Counted& shared() {
    void* const memory = ::mmap(nullptr, sizeof(Counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *new (memory) Counted;
  }
  Counted& counted_;
  int port_;
  Process process_;
};

std::int64_t wall_ns = 0;

/// A database with a batch a second, rolled up but not sealed, as behind an outage of a receiver.
std::int64_t record(const std::string& database, ringdown::Profile& profile, std::int64_t seconds) {
  spdlog::set_level(spdlog::level::err);
  wall_ns = ring::clock_ns(CLOCK_REALTIME) - seconds * second_ns;
  ringdown::Store store(database, {.wall_ns = [] { return wall_ns; }});
  ringdown::Maintenance maintenance(store.database(), ringdown::Rules{}, 1);
  maintenance.hold({.batch = 0});
  ringdown::Batch batch;
  std::uint32_t id = 0;
  for (const auto& definition : profile.series()) batch.series.push_back({++id, definition});
  std::int64_t samples = 0;
  for (; seconds > 0; --seconds, wall_ns += second_ns) {
    profile.second(wall_ns - second_ns, [&](std::size_t i, double value, std::int64_t time_ns) {
      batch.samples.push_back({time_ns, value, static_cast<std::uint32_t>(i + 1)});
    });
    samples += static_cast<std::int64_t>(batch.samples.size());
    store.commit(batch);
    batch.clear();
    if (seconds % 60 != 1) continue;
    for (bool more = true; more;) {
      ringdown::Budget budget;
      more = maintenance.run(wall_ns, wall_ns, Clock::now(), budget);
    }
    store.database().checkpoint_passive();
  }
  store.stop();
  return samples;
}

/// The sink's own work, in this thread.
template <class Profile>
void ours(benchmark::State& state, std::int64_t seconds, std::int64_t batch_samples) {
  for (auto _ : state) {
    const bench::Folder folder;
    Profile profile;
    const auto samples = record(folder.database(), profile, seconds);
    const Counter counter;
    ringdown::RemoteWriteSettings settings;
    settings.name = "bench";
    settings.url = counter.url();
    settings.batch_samples = batch_samples;
    ringdown::Database database(folder.database(), ringdown::Database::Access::read_only);
    std::atomic<bool> stop{false};
    ringdown::Sender sender(settings, stop);
    ringdown::Sink sink(database, settings, {}, [&](const std::string& body) { return sender.post(body); }, 1);
    bench::pin_to(1);
    const auto from = Clock::now();
    const auto cpu_from = ring::clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (!sink.is_idle()) sink.step(Clock::now(), ring::clock_ns(CLOCK_REALTIME));
    const auto cpu_ns = static_cast<double>(ring::clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_from);
    const auto took = std::chrono::duration<double>(Clock::now() - from).count();
    bench::pin_to(0);
    if (counter.counted().samples != samples) state.SkipWithError("not all samples have arrived");
    state.SetIterationTime(took);
    state.counters["samples"] = static_cast<double>(samples);
    state.counters["cpu_ns"] = cpu_ns / static_cast<double>(samples);
    state.counters["wire_B"] = static_cast<double>(counter.counted().bytes) / static_cast<double>(samples);
    state.counters["per_s"] = static_cast<double>(samples) / took;
  }
}

/// Prometheus' agent, fed by remote write, since it takes samples at any rate this way only.
/// @return CPU ns a sample, also that of taking and logging them
template <class Profile>
double run_agent(benchmark::State& state, std::int64_t seconds, bool sends, const std::string& queue) {
  const bench::Folder folder;
  const auto config = (folder.path() / "agent.yml").string();
  const Counter counter;
  std::ofstream(config) << (sends ? "remote_write:\n  - url: " + counter.url() + "\n" + queue : std::string("global: {}\n"));
  const auto port = support::free_port();
  const Process agent(1, {"prometheus", "--enable-feature=agent", "--config.file=" + config, "--web.enable-remote-write-receiver",
                          "--storage.agent.path=" + (folder.path() / "data").string(),
                          "--web.listen-address=127.0.0.1:" + std::to_string(port)});
  httplib::Client client("127.0.0.1", port);
  for (int i = 0; i < 1000; ++i, ::usleep(10'000))
    if (const auto answer = client.Get("/-/ready"); answer && answer->status == 200) break;
  Profile profile;
  bench::Feed feed(profile.series(), [&](const std::string& sent, const httplib::Headers& headers) {
    const auto answer = client.Post("/api/v1/write", headers, sent, "application/x-protobuf");
    if (!answer || answer->status / 100 != 2) state.SkipWithError("the agent does not take samples");
  });
  const auto from = Clock::now();
  const auto cpu_from = agent.cpu_ns();
  const auto start_ns = ring::clock_ns(CLOCK_REALTIME) + 10 * second_ns;  // it sends nothing from before its start
  for (std::int64_t s = 0; s < seconds; ++s) {
    profile.second(start_ns + s * second_ns, [&](std::size_t i, double value, std::int64_t time_ns) { feed.add(i, value, time_ns); });
    feed.flush(false);
  }
  feed.flush(true);
  const auto samples = feed.samples();
  for (int i = 0; sends && i < 60'000 && counter.counted().samples < samples; ++i) ::usleep(1000);
  const auto cpu_ns = (agent.cpu_ns() - cpu_from) / static_cast<double>(samples);
  if (!sends) return cpu_ns;
  if (counter.counted().samples != samples) state.SkipWithError("not all samples have arrived");
  state.SetIterationTime(std::chrono::duration<double>(Clock::now() - from).count());
  state.counters["samples"] = static_cast<double>(samples);
  state.counters["wire_B"] = static_cast<double>(counter.counted().bytes) / static_cast<double>(samples);
  state.counters["all_cpu_ns"] = cpu_ns;
  return cpu_ns;
}

template <class Profile>
void agent(benchmark::State& state, std::int64_t seconds, const std::string& queue) {
  for (auto _ : state) {
    const auto sending = run_agent<Profile>(state, seconds, true, queue);
    state.counters["cpu_ns"] = sending - run_agent<Profile>(state, seconds, false, queue);  // of sending alone
  }
}

/// Pushes so many samples a second for some time. @return the most and the 99th percentile of what waited in the lane
std::pair<double, double> push_live(const std::string& ring, std::int64_t per_second, const std::function<bool()>& is_over) {
  ring::Producer producer(ring, {.create = false, .name = "live"});
  std::vector<ring::Series> series;
  for (int i = 0; i < 100; ++i) series.push_back(producer.gauge("live" + std::to_string(i)));
  const auto segment = ring::Segment::inspect(ring);
  std::vector<double> waiting;
  auto due = Clock::now();
  const auto cycle = std::chrono::nanoseconds(second_ns * 100 / per_second);
  while (!is_over()) {
    for (int i = 0; i < 10; ++i, due += cycle) {
      std::this_thread::sleep_until(due);
      const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
      for (const auto one : series) producer.push(one, static_cast<double>(i), now_ns);
      waiting.push_back(static_cast<double>(producer.sequence() - ring::words::load(segment.lane(0).header->tail)));
    }
  }
  std::sort(waiting.begin(), waiting.end());
  return {bench::percentile(waiting, 1), bench::percentile(waiting, 0.99)};
}

/// Ten pairs of link controllers: 520 series, 10,400 samples a second.
class TenLoops : public ringdown::Profile {
 public:
  TenLoops() {
    for (std::uint64_t i = 0; i < 10; ++i) {
      loops_.emplace_back(i + 1);
      for (auto series : loops_.back().series()) {
        series.labels.emplace_back("plant", std::to_string(i));
        add(series.kind, series.name, series.labels);
      }
    }
  }
  void second(std::int64_t start_ns, const Push& push) override {
    for (std::size_t i = 0; i < loops_.size(); ++i)
      loops_[i].second(start_ns, [&, base = i * loops_[i].series().size()](std::size_t series, double value, std::int64_t time_ns) {
        push(base + series, value, time_ns);
      });
  }

 private:
  std::vector<ringdown::ControlLoop> loops_;
};

/// A whole persister with a backlog, and 10,000 samples a second that arrive; VictoriaMetrics on the other CPU.
template <class Profile>
void catch_up(benchmark::State& state, std::int64_t hours, bool sends) {
  constexpr std::int64_t live = 10'000;
  const auto seconds = hours * 3600;
  for (auto _ : state) {
    const bench::Folder folder;
    Profile profile;
    const auto backlog = record(folder.database(), profile, seconds);
    const bench::Engine victoria(bench::Which::victoria, folder.path());
    const std::string ring = "bench-remote-" + std::to_string(::getpid());
    const auto config = (folder.path() / "p.toml").string();
    // Without a destination there is nothing to send; with one that cannot be reached all is kept likewise.
    std::ofstream(config) << "database = \"" << folder.database() << "\"\nrings = [\"" << ring
                          << "\"]\nown_metrics_s = 0\nlog_level = \"error\"\n[[remote_write]]\nname = \"vm\"\nurl = \""
                          << (sends ? victoria.url() : "http://127.0.0.1:1") << "/api/v1/write\"\nlag_max = \"2d\"\n";
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ring-persister";
    const auto from = Clock::now();
    const Process persister(1, {program.string(), "--config", config});
    const auto is_drained = [&] {
      try {
        return ring::lock::is_held(ring::Segment::inspect(ring).descriptor(), ring::abi::lock_reader);
      } catch (const ring::Error&) {
        return false;
      }
    };
    while (!is_drained()) ::usleep(1000);
    ringdown::Database database(folder.database(), ringdown::Database::Access::read_only);
    const double patience_s = sends ? 60 + static_cast<double>(backlog) / 200'000 : 60;
    double took = 0, sent_cpu_ns = 0;
    const auto [most, p99] = push_live(ring, live, [&] {
      const auto now = std::chrono::duration<double>(Clock::now() - from).count();
      if (took == 0 && sends && database.query_integer("SELECT accepted FROM remote_write") >= seconds) {
        took = now;
        sent_cpu_ns = persister.cpu_ns("remote-write");
      }
      return now > patience_s || (took > 0 && now > 30);
    });
    if (sends && took == 0) state.SkipWithError("slower than 200,000 samples a second");
    state.SetIterationTime(sends ? took : patience_s);
    state.counters["waiting_max"] = most;
    state.counters["waiting_p99"] = p99;
    // Some of the first are sealed by now; the newest are always there.
    const std::string last = " FROM batches WHERE id > max(" + std::to_string(seconds) + ", (SELECT max(id) FROM batches) - 600)";
    state.counters["samples_a_commit"] = static_cast<double>(database.query_integer("SELECT total(samples)" + last)) /
                                         static_cast<double>(database.query_integer("SELECT count(*)" + last));
    if (sends) {
      state.counters["backlog"] = static_cast<double>(backlog);
      state.counters["per_s"] = static_cast<double>(backlog) / took;
      state.counters["cpu_ns"] = sent_cpu_ns / static_cast<double>(backlog);
    }
    ring::Segment::remove(ring);
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
const std::string by_default = "";
const std::string as_ours = "    queue_config: {max_samples_per_send: 10000, capacity: 50000, max_shards: 1}\n";
using ringdown::ControlLoop;
using ringdown::FleetProfile;
constexpr std::int64_t loop_s = 3600, fleet_s = 180;
void control_loop_ours(benchmark::State& state, std::int64_t batch_samples) { ours<ControlLoop>(state, loop_s, batch_samples); }
void fleet_ours(benchmark::State& state, std::int64_t batch_samples) { ours<FleetProfile>(state, fleet_s, batch_samples); }
// Its queue grows to its speed by and by: a quarter of the time, with its defaults, is enough to wait for.
void control_loop_agent(benchmark::State& state, const std::string& queue) {
  agent<ControlLoop>(state, queue.empty() ? loop_s / 4 : loop_s, queue);
}
void fleet_agent(benchmark::State& state, const std::string& queue) {
  agent<FleetProfile>(state, queue.empty() ? fleet_s / 4 : fleet_s, queue);
}
BENCHMARK_CAPTURE(control_loop_ours, 500, 500)->Apply(once);
BENCHMARK_CAPTURE(control_loop_ours, 10000, 10'000)->Apply(once);
BENCHMARK_CAPTURE(control_loop_agent, by_default, by_default)->Apply(once);
BENCHMARK_CAPTURE(control_loop_agent, 10000, as_ours)->Apply(once);
BENCHMARK_CAPTURE(fleet_ours, 500, 500)->Apply(once);
BENCHMARK_CAPTURE(fleet_ours, 10000, 10'000)->Apply(once);
BENCHMARK_CAPTURE(fleet_agent, by_default, by_default)->Apply(once);
BENCHMARK_CAPTURE(fleet_agent, 10000, as_ours)->Apply(once);
void catch_up_loop(benchmark::State& state, std::int64_t hours, bool sends) { catch_up<ControlLoop>(state, hours, sends); }
void catch_up_ten_loops(benchmark::State& state) { catch_up<TenLoops>(state, 24, true); }
BENCHMARK_CAPTURE(catch_up_loop, nothing_sent, 6, false)->Apply(once);
BENCHMARK_CAPTURE(catch_up_loop, 6h, 6, true)->Apply(once);
BENCHMARK_CAPTURE(catch_up_loop, day, 24, true)->Apply(once);
BENCHMARK(catch_up_ten_loops)->Apply(once);  // half an hour and 5 GB

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
