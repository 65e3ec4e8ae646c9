// engines_bench.cpp: the same samples through Ringdown's whole life (bench::Life) and into VictoriaMetrics and Prometheus,
// by remote write over loopback; what they cost in CPU, bytes on disk after merging, bytes written and memory, and how long
// the same questions take. Each engine is a process of its own on one core, its feeder on another. See engines.sh.
#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <snappy.h>
#include <sys/wait.h>

#include <cstring>
#include <set>
#include <thread>

#include "folder.hpp"
#include "life.hpp"
#include "machine.hpp"

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t post_samples = 10'000;  // about

double ms_since(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

double folder_bytes(const std::filesystem::path& folder) {
  double out = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, gone))
    if (entry.is_regular_file(gone)) out += static_cast<double>(entry.file_size(gone));
  return out;
}

/// A program with its output thrown away, on the first of the allowed CPUs.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    bench::cpus();
    pid_ = ::fork();
    if (pid_ != 0) return;
    bench::pin_to(0);
    ::setenv("GOMAXPROCS", "1", 1);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ~Process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string pid() const { return std::to_string(pid_); }
  /// User and system, ns.
  double cpu_ns() const {
    std::ifstream file("/proc/" + pid() + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::vector<double> numbers;
    for (std::string word; fields >> word;) numbers.push_back(std::atof(word.c_str()));
    return numbers.size() > 12 ? (numbers[11] + numbers[12]) / static_cast<double>(::sysconf(_SC_CLK_TCK)) * 1e9 : 0;
  }

 private:
  pid_t pid_;
};

/// One connection.
class Http {
 public:
  Http() : curl_(curl_easy_init()) {}
  ~Http() { curl_easy_cleanup(curl_); }
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// @return the status, 0 without an answer; the answer's text is in `text`
  long get(const std::string& url) { return send(url, nullptr, {}); }
  long post(const std::string& url, const std::string& body, const std::vector<std::string>& headers) {
    return send(url, &body, headers);
  }
  std::string text;

 private:
  long send(const std::string& url, const std::string* body, const std::vector<std::string>& lines) {
    text.clear();
    curl_slist* headers = nullptr;
    for (const auto& line : lines) headers = curl_slist_append(headers, line.c_str());
    curl_easy_reset(curl_);
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, +[](char* data, std::size_t size, std::size_t count, void* self) {
      static_cast<Http*>(self)->text.append(data, size * count);
      return size * count;
    });
    if (body) {
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, body->data());
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
      curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
    }
    long status = 0;
    if (curl_easy_perform(curl_) == CURLE_OK) curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    return status;
  }
  CURL* curl_;
};

std::string escaped(const std::string& text) {
  char* const out = curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size()));
  std::string copy = out;
  curl_free(out);
  return copy;
}

/// Prometheus' remote write 1.0: a WriteRequest of protocol buffers under Snappy.
class RemoteWrite {
 public:
  explicit RemoteWrite(const std::vector<ring::Definition>& series) : samples_(series.size()) {
    for (const auto& definition : series) {
      auto labels = definition.labels;
      labels.emplace_back("__name__", definition.name);
      std::sort(labels.begin(), labels.end());
      std::string out;
      for (const auto& [key, value] : labels) {
        std::string pair;
        put_bytes(pair, 1, key);
        put_bytes(pair, 2, value);
        put_bytes(out, 1, pair);
      }
      labels_.push_back(out);
    }
  }
  void add(std::size_t series, double value, std::int64_t time_ns) {
    std::string sample;
    sample += '\x09';  // field 1, 64 bits
    sample.append(reinterpret_cast<const char*>(&value), sizeof value);
    sample += '\x10';  // field 2, a varint
    put_varint(sample, static_cast<std::uint64_t>(time_ns / 1'000'000));
    put_bytes(samples_[series], 2, sample);
    ++count;
  }
  std::string take() {
    std::string request, packed;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (samples_[i].empty()) continue;
      put_bytes(request, 1, labels_[i] + samples_[i]);
      samples_[i].clear();
    }
    snappy::Compress(request.data(), request.size(), &packed);
    count = 0;
    return packed;
  }
  std::int64_t count = 0;

 private:
  static void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
  }
  static void put_bytes(std::string& out, unsigned field, const std::string& bytes) {
    out += static_cast<char>(field << 3 | 2);
    put_varint(out, bytes.size());
    out += bytes;
  }
  std::vector<std::string> labels_, samples_;
};

struct Engine {
  const char* name;
  int port;
  std::function<std::vector<std::string>(const std::string& folder, int port)> command;
  /// Waits until all is merged. @return the folder whose bytes count
  std::function<std::filesystem::path(Http&, const std::string& url, const std::string& folder)> settle;
};

std::filesystem::path settle_victoria(Http& http, const std::string& url, const std::string& folder) {
  http.get(url + "/internal/force_flush");
  http.get(url + "/internal/force_merge");
  for (int i = 0; i < 600; ++i) {  // until three looks in a row see nothing under way and the same bytes
    static double before;
    const auto now = folder_bytes(folder);
    http.get(url + "/metrics");
    const bool busy = http.text.find("vm_active_force_merges 0") == std::string::npos ||
                      http.text.find("vm_active_merges{type=\"storage/big\"} 0") == std::string::npos;
    if (!busy && now == before && i > 20) break;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return folder;
}
std::filesystem::path settle_prometheus(Http& http, const std::string& url, const std::string& folder) {
  http.post(url + "/api/v1/admin/tsdb/snapshot", "", {});
  return folder + "/snapshots";
}

const Engine victoria{"victoria-metrics", 18'428,
                      [](const auto& folder, int port) {
                        return std::vector<std::string>{"victoria-metrics", "-storageDataPath=" + folder,
                                                        "-httpListenAddr=127.0.0.1:" + std::to_string(port),
                                                        "-retentionPeriod=100y", "-search.maxSamplesPerQuery=1000000000"};
                      },
                      settle_victoria};
const Engine prometheus{"prometheus", 18'490,
                        [](const auto& folder, int port) {
                          const auto config = folder + "/prometheus.yml";
                          std::ofstream(config) << "global: {}\n";
                          return std::vector<std::string>{"prometheus", "--config.file=" + config,
                                                          "--storage.tsdb.path=" + folder, "--web.enable-remote-write-receiver",
                                                          "--web.enable-admin-api", "--storage.tsdb.retention.time=100y",
                                                          "--web.listen-address=127.0.0.1:" + std::to_string(port)};
                        },
                        settle_prometheus};

/// The questions, each asked five times; the median in ms. `ask` gives the bytes of the answer.
struct Question {
  const char* name;
  const char* selector;
  std::int64_t seconds, step_s;  // 0: raw samples
};
constexpr Question questions[] = {{"one_1h_raw", "rtt_ms{wan=\"a\"}", 3600, 0},
                                  {"one_4h_raw", "rtt_ms{wan=\"a\"}", 4 * 3600, 0},
                                  {"one_4h_1m", "rtt_ms{wan=\"a\"}", 4 * 3600, 60},
                                  {"all_5min_raw", "{wan=~\".+\"}", 300, 0},
                                  {"all_1h_raw", "{wan=~\".+\"}", 3600, 0}};
template <class Ask>
void ask_all(benchmark::State& state, Ask&& ask) {
  for (const auto& question : questions) {
    std::vector<double> took;
    double bytes = 0;
    for (int i = 0; i < 5; ++i) {
      const auto from = Clock::now();
      bytes = ask(question);
      took.push_back(ms_since(from));
    }
    std::sort(took.begin(), took.end());
    state.counters[std::string(question.name) + "_ms"] = took[2];
    state.counters[std::string(question.name) + "_B"] = bytes;
  }
}

template <class Profile>
void engine(benchmark::State& state, const Engine& which, std::int64_t seconds, bool asks) {
  for (auto _ : state) {
    const bench::Folder folder;
    const auto url = "http://127.0.0.1:" + std::to_string(which.port);
    const Process process(which.command(folder.path(), which.port));
    Http http;
    for (int i = 0; i < 300 && http.get(url + (which.port == victoria.port ? "/health" : "/-/ready")) != 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (http.get(url + "/metrics") != 200) {
      state.SkipWithError((std::string(which.name) + " does not answer: is the package installed?").c_str());
      return;
    }
    bench::pin_to(1);
    Profile profile;
    RemoteWrite write(profile.series());
    std::int64_t samples = 0;
    // Ends now: Prometheus refuses what is old once it has newer samples, and ours begins at the same second of an hour.
    const auto end_ns = ring::clock_ns(CLOCK_REALTIME) / (3600 * second_ns) * (3600 * second_ns);
    const auto post = [&] {
      samples += write.count;
      const auto status = http.post(url + "/api/v1/write", write.take(),
                                    {"Content-Encoding: snappy", "Content-Type: application/x-protobuf",
                                     "X-Prometheus-Remote-Write-Version: 0.1.0", "Expect:"});
      if (status / 100 != 2) state.SkipWithError((std::to_string(status) + ": " + http.text).c_str());
    };
    const auto from = Clock::now();
    const auto cpu_from = process.cpu_ns(), written_from = bench::written_bytes(process.pid());
    for (std::int64_t s = 0; s < seconds; ++s) {
      profile.second(end_ns - (seconds - s) * second_ns,
                     [&](std::size_t i, double value, std::int64_t at_ns) { write.add(i, value, at_ns); });
      if (write.count >= post_samples) post();
    }
    post();
    const auto data = which.settle(http, url, folder.path());
    state.SetIterationTime(ms_since(from) / 1e3);
    const auto a_sample = 1.0 / static_cast<double>(samples);
    state.counters["samples"] = static_cast<double>(samples);
    state.counters["cpu_ns"] = (process.cpu_ns() - cpu_from) * a_sample;
    state.counters["disk_B"] = folder_bytes(data) * a_sample;
    state.counters["written_B"] = (bench::written_bytes(process.pid()) - written_from) * a_sample;
    state.counters["peak_MiB"] = bench::peak_mib(process.pid());
    if (!asks) continue;
    const auto end_s = end_ns / second_ns;
    ask_all(state, [&](const Question& question) {
      const std::string selector = question.selector;
      if (question.step_s == 0)
        http.get(url + "/api/v1/query?query=" + escaped(selector + "[" + std::to_string(question.seconds) + "s]") +
                 "&time=" + std::to_string(end_s));
      else
        http.get(url + "/api/v1/query_range?query=" +
                 escaped("avg_over_time(" + selector + "[" + std::to_string(question.step_s) + "s])") +
                 "&start=" + std::to_string(end_s - question.seconds + question.step_s) + "&end=" + std::to_string(end_s) +
                 "&step=" + std::to_string(question.step_s));
      return static_cast<double>(http.text.size());
    });
  }
}

/// What `ring-query` answers, from its start to its end.
double query_bytes(const std::string& program, const std::string& database, const Question& question) {
  const auto end_s = bench::life_first_ns / second_ns + 4 * 3600;
  const auto command = program + " --db " + database + " '" + question.selector + "' --from " +
                       std::to_string(end_s - question.seconds) + " --to " + std::to_string(end_s) + " --step " +
                       (question.step_s ? "1m" : "raw") + " --format csv";
  FILE* const pipe = ::popen(command.c_str(), "r");
  double bytes = 0;
  static char buffer[1 << 16];
  while (const auto n = std::fread(buffer, 1, sizeof buffer, pipe)) bytes += static_cast<double>(n);
  ::pclose(pipe);
  return bytes;
}

template <class Profile>
void ringdown_life(benchmark::State& state, std::int64_t seconds, std::uint32_t lane_records, bool with_1s, bool asks) {
  bench::pin_to(0);
  for (auto _ : state) {
    const bench::Folder folder;
    Profile profile;
    bench::Life life(folder.database(), profile, lane_records, with_1s);
    const auto from = Clock::now();
    life.run(seconds);
    state.SetIterationTime(ms_since(from) / 1e3);
    bench::report(state, life, folder.database());
    if (!asks) continue;
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ring-query";
    ask_all(state, [&](const Question& question) { return query_bytes(program, folder.database(), question); });
  }
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}
constexpr std::int64_t loop_s = 4 * 3600, fleet_s = 1800;
void control_loop(benchmark::State& state, bool with_1s) {
  ringdown_life<ringdown::ControlLoop>(state, loop_s, 1 << 14, with_1s, !with_1s);
}
void control_loop_in(benchmark::State& state, const Engine& which) { engine<ringdown::ControlLoop>(state, which, loop_s, true); }
void fleet(benchmark::State& state) { ringdown_life<ringdown::FleetProfile>(state, fleet_s, 1 << 16, false, false); }
void fleet_in(benchmark::State& state, const Engine& which) { engine<ringdown::FleetProfile>(state, which, fleet_s, false); }
BENCHMARK_CAPTURE(control_loop, ringdown, false)->Apply(once);
BENCHMARK_CAPTURE(control_loop, ringdown_1s, true)->Apply(once);
BENCHMARK_CAPTURE(control_loop_in, victoria, victoria)->Apply(once);
BENCHMARK_CAPTURE(control_loop_in, prometheus, prometheus)->Apply(once);
BENCHMARK_CAPTURE(fleet_in, victoria, victoria)->Apply(once);
BENCHMARK_CAPTURE(fleet_in, prometheus, prometheus)->Apply(once);
BENCHMARK(fleet)->Apply(once);

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
