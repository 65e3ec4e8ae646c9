// question_bench.cpp: how long a question takes of a month of the control loop, and how much memory: ring-query, sqlite3 on
// the naive table (also on averages that somebody keeps beside it), VictoriaMetrics and Prometheus, over the same samples.
//
// A sample of each of 52 series a second, for 30 days. ring-query and sqlite3 are whole processes, from their start to the
// last byte in a pipe; the engines are asked over a connection that is open already, on a CPU of their own, and their caches
// of answers are off. Every answer is compared with ring-query's: as many points, and their sum within 1 % (a p99 of ours
// is within 1 %, by the sketches of its rollups).
#include <spawn.h>
#include <sys/ptrace.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine.hpp"
#include "query_plants.hpp"

namespace {

using bench::Engine, bench::Which;
using Clock = std::chrono::steady_clock;
constexpr std::int64_t days = 30, first_s = bench::life_first_ns / 1'000'000'000, end_s = first_s + days * bench::day_s;
constexpr std::int64_t monday_s = 1'702'252'800, hour_s = 3600;  // 2023-12-11, a week's end
enum Rival { ring_query, naive, averages, victoria, prometheus };

struct Answer {
  double ms = 0, mib = 0;
  std::int64_t points = 0;
  double sum = 0;
};

/// One series or all; its samples, or one function of each step.
struct Question {
  const char* name;
  std::int64_t from_s, to_s, step_s;                    // 0: samples
  std::string selector, function, of_engine, of_naive;  // engine: FUNCTION(SELECTOR[STEP]), @ is SELECTOR[STEP]
};

std::string in_naive(const Question& question, const std::string& table, const std::string& what) {
  const auto one = question.selector.substr(0, question.selector.find('{'));
  const auto name = one.empty() ? "" : " AND wan_name = 'plant' AND metric_name = '" + one + "'";
  return "SELECT " + what + " FROM " + table + " WHERE timestamp >= " + std::to_string(question.from_s) +
         " AND timestamp < " + std::to_string(question.to_s) + name;
}

const std::string rtt = "rtt_ms{wan=\"a\"}", average = "avg_over_time(@)";
const Question questions[] = {
    {"one_1h", end_s - hour_s, end_s, 0, rtt, "", "@", "timestamp, value"},
    {"one_24h_by_1m", end_s - bench::day_s, end_s, 60, rtt, "avg", average, "avg(value)"},
    {"one_7d_by_5m", end_s - bench::week_s, end_s, 300, rtt, "avg", average, "avg(value)"},
    {"one_30d_by_1h", first_s, end_s, 3600, rtt, "avg", average, "avg(value)"},
    {"p99_24h", end_s - bench::day_s, end_s, bench::day_s, rtt, "quantile(0.99)", "quantile_over_time(0.99, @)", ""},
    {"share_7d", monday_s - bench::week_s, monday_s, bench::week_s, "state_down{wan=\"a\"}", "share(low)", "", "avg(value = 1)"},
    {"all_1h", end_s - hour_s, end_s, 0, "{wan=~\".+\"}", "", "@", "timestamp, metric_name, value"},
};

/// A program with its arguments, run to its end.
Answer run(const std::vector<std::string>& command, std::string& output) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe(ends) != 0) throw ring::system_error("make a pipe", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t pid = -1;
  const auto from = Clock::now();
  const int failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) throw ring::system_error("start " + command[0], failed);
  output.clear();
  static char buffer[1 << 16];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) output.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  ::waitpid(pid, &status, 0);
  const auto ms = std::chrono::duration<double, std::milli>(Clock::now() - from).count();
  ::close(ends[0]);
  if (status != 0) throw std::runtime_error(command[0] + " failed: " + output.substr(0, 200));
  return {.ms = ms};
}

/// The same once more, for the peak of its memory, MiB: stopped before it is gone. (Its rusage would begin with ours.)
double peak_mib(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const auto pid = ::fork();
  if (pid == 0) {
    ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  double out = 0;
  ::waitpid(pid, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
  for (int signal = 0; WIFSTOPPED(status);) {
    ::ptrace(PTRACE_CONT, pid, nullptr, signal);
    ::waitpid(pid, &status, 0);
    signal = WIFSTOPPED(status) && status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8) ? WSTOPSIG(status) : 0;
    if (WIFSTOPPED(status) && signal == 0) out = bench::peak_mib(std::to_string(pid));
  }
  return out;
}

/// Adds up a column of a CSV file without quoted commas in columns before it. @param column  from the line's end, 0 the last
void read_csv(const std::string& csv, bool has_header, int column, Answer& answer) {
  for (std::size_t at = has_header ? csv.find('\n') + 1 : 0; at < csv.size();) {
    const auto end = std::min(csv.find('\n', at), csv.size());
    auto field = end;
    for (int commas = 0; field > at && (csv[field - 1] != ',' || commas++ < column); --field) {
    }
    answer.sum += std::strtod(csv.c_str() + field, nullptr);
    ++answer.points;
    at = end + 1;
  }
}

/// All stores of the same month, made at the first question.
class Month {
 public:
  static Month& get() {
    static Month month;
    return month;
  }

  /// The peak of its memory is told where it is asked for.
  Answer ask(const Question& question, Rival rival, bool with_peak = false) {
    with_peak_ = with_peak;
    switch (rival) {
      case ring_query: return ask_ring_query(question);
      case naive: return ask_sqlite3(question, in_naive(question, "metrics", question.of_naive));
      case averages:
        return ask_sqlite3(question, in_naive(question, "averages", "value") + " AND granularity = " + std::to_string(question.step_s));
      case victoria: return ask_engine(victoria_, question, Which::victoria);
      case prometheus: return ask_engine(prometheus_, question, Which::prometheus);
    }
    return {};
  }

 private:
  Month() {
    {
      bench::OnceASecond profile;
      bench::Life life(ours_.database(), profile, 1 << 14, false);
      life.run_open(days * bench::day_s);
    }
    fill_naive();
    fill(victoria_);
    fill(prometheus_);
    for (const auto* engine : {&victoria_, &prometheus_})
      for (double before = -1, now = 0; now - before > 2e8; ::sleep(5))  // until it uses no 4 % of its CPU any more
        before = std::exchange(now, engine->process().cpu_ns());
  }

  /// The series that are asked for, and the last hour of all: with all 52 it would be 18 GB. That favours it: fewer rows lie
  /// between those of a series.
  void fill_naive() {
    bench::NaiveTable table(naive_.database());
    bench::OnceASecond profile;
    const auto& known = profile.series();
    for (std::int64_t s = first_s; s < end_s; ++s) {
      if (s % hour_s == 0) table.database().execute(s == first_s ? "BEGIN" : "COMMIT; BEGIN");
      profile.second(s * bench::life_second_ns, [&](std::size_t i, double value, std::int64_t time_ns) {
        const auto& [kind, name, unit, labels, states] = known[i];
        const bool is_a = labels.front().second == "a";
        if (s >= end_s - hour_s || (is_a && (name == "rtt_ms" || name == "state_down")))
          table.insert(time_ns, is_a ? name : name + "_b", value);
      });
    }
    table.database().execute(R"sql(COMMIT; ANALYZE;
      CREATE TABLE averages (timestamp, wan_name, metric_name, value, granularity);)sql");
    for (const auto* step : {"60", "300", "3600"})
      table.database().execute("INSERT INTO averages SELECT CAST(timestamp / " + std::string(step) + " AS INTEGER) * " + step +
                               ", wan_name, metric_name, avg(value), " + step + " FROM metrics WHERE metric_name = 'rtt_ms' GROUP BY 1");
    table.database().execute("CREATE INDEX by_average ON averages (granularity, wan_name, metric_name, timestamp)");
    table.database().checkpoint_truncate();
  }

  void fill(Engine& engine) {
    bench::OnceASecond profile;
    bench::Feed feed(profile.series(), [&](const std::string& body, const httplib::Headers& headers) {
      engine.post("/api/v1/write", body, headers);
    });
    for (std::int64_t s = first_s; s < end_s; ++s) {
      profile.second(s * bench::life_second_ns,
                     [&](std::size_t i, double value, std::int64_t time_ns) { feed.add(i, value, time_ns); });
      feed.flush(false);
    }
    feed.flush(true);
  }

  Answer ask_ring_query(const Question& question) {
    std::vector<std::string> command{program_, "--db", ours_.database(), question.selector, "--from", std::to_string(question.from_s),
                                     "--to", std::to_string(question.to_s), "--format", "csv"};
    if (question.step_s != 0)
      for (const auto& word : {std::string("--step"), std::to_string(question.step_s) + "s", std::string("--show"), question.function})
        command.push_back(word);
    auto answer = run_program(command);
    read_csv(output_, true, question.step_s == 0 ? 1 : 0, answer);  // behind a sample's value is its state
    return answer;
  }

  Answer ask_sqlite3(const Question& question, std::string sql) {
    if (question.of_naive.empty()) {  // SQLite has no percentile
      sql = in_naive(question, "metrics", "value") + " ORDER BY value LIMIT 1 OFFSET (SELECT CAST(0.99 * (n - 1) AS INTEGER) FROM (" +
            in_naive(question, "metrics", "count(*) AS n") + "))";
    } else if (question.step_s != 0 && question.to_s - question.from_s > question.step_s && sql.find("averages") == sql.npos) {
      sql += " GROUP BY CAST(timestamp / " + std::to_string(question.step_s) + " AS INTEGER)";
    }
    auto answer = run_program({"sqlite3", "-readonly", "-csv", naive_.database(), sql});
    read_csv(output_, false, 0, answer);
    return answer;
  }

  Answer run_program(const std::vector<std::string>& command) {
    auto answer = run(command, output_);
    if (with_peak_) answer.mib = peak_mib(command);
    return answer;
  }

  /// A window of theirs is open at its begin and closed at its end: a millisecond earlier it has what ours has.
  Answer ask_engine(Engine& engine, const Question& question, Which which) {
    const auto instant = [](std::int64_t s) { return std::to_string(s - 1) + ".999"; };
    const auto width = question.step_s != 0 ? question.step_s : question.to_s - question.from_s;
    const auto range = question.selector + "[" + std::to_string(width) + "s]";
    auto query = question.of_engine;
    if (const auto at = query.find('@'); at != query.npos) query.replace(at, 1, range);
    if (query.empty())  // the share of a state
      query = which == Which::victoria ? "count_eq_over_time(" + range + ", 1) / count_over_time(" + range + ")"
                                       : "avg_over_time((" + question.selector + " == bool 1)[" + std::to_string(width) + "s:1s])";
    const bool is_one = width == question.to_s - question.from_s;
    httplib::Params parameters{{"query", query}, {"nocache", "1"}};
    if (is_one)
      parameters.emplace("time", instant(question.to_s));
    else
      parameters.insert({{"start", instant(question.from_s + width)}, {"end", instant(question.to_s)}, {"step", std::to_string(width)}});
    const auto proc = "/proc/" + engine.process().pid();
    std::ofstream(proc + "/clear_refs") << "5";  // the peak of its memory begins anew
    const auto from = Clock::now();
    const auto text = engine.get(is_one ? "/api/v1/query" : "/api/v1/query_range", parameters);
    Answer answer{.ms = std::chrono::duration<double, std::milli>(Clock::now() - from).count(),
                  .mib = bench::peak_mib(engine.process().pid())};
    const auto json = nlohmann::json::parse(text);
    for (const auto& series : json["data"]["result"]) {
      const auto add = [&](const nlohmann::json& point) {
        answer.sum += std::stod(point[1].get<std::string>());
        ++answer.points;
      };
      if (series.contains("value")) add(series["value"]);
      if (series.contains("values"))
        for (const auto& point : series["values"]) add(point);
    }
    return answer;
  }

  const bench::Folder ours_, naive_, of_victoria_, of_prometheus_;
  Engine victoria_{Which::victoria, of_victoria_.path()}, prometheus_{Which::prometheus, of_prometheus_.path()};
  const std::string program_ = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ring-query";
  std::string output_;
  bool with_peak_ = false;
};

void ask(benchmark::State& state, const Question& question, Rival rival) {
  bench::pin_to(1);
  auto& month = Month::get();
  const auto expected = month.ask(question, ring_query);
  const auto warm = month.ask(question, rival, true);
  for (auto _ : state) {
    const auto answer = month.ask(question, rival);
    state.SetIterationTime(answer.ms / 1e3);
    state.counters["peak_MiB"] = warm.mib;
    state.counters["points"] = static_cast<double>(answer.points);
    state.counters["sum"] = answer.sum;
    if (answer.points != expected.points || std::abs(answer.sum - expected.sum) > 0.01 * std::abs(expected.sum))
      state.SkipWithError(("answers " + std::to_string(answer.points) + " points, sum " + std::to_string(answer.sum) +
"; ring-query " + std::to_string(expected.points) + ", sum " + std::to_string(expected.sum)).c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::setenv("TZ", "UTC", 1);
  constexpr std::pair<Rival, const char*> rivals[] = {{ring_query, "ring_query"},
                                                      {naive, "sqlite3"},
                                                      {averages, "sqlite3_averages"},
                                                      {victoria, "victoria"},
                                                      {prometheus, "prometheus"}};
  for (const auto& question : questions)
    for (const auto& [rival, name] : rivals)
      if (rival != averages || question.function == "avg")
        benchmark::RegisterBenchmark((std::string(question.name) + "/" + name).c_str(), ask, question, rival)
            ->Iterations(1)
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
  return bench::run(argc, argv);
}
