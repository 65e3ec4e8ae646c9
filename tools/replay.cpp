// replay.cpp: ring-replay pushes recorded or made-up samples into a ring, at the rate they came at or another.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli.hpp"
#include "feeder.hpp"
#include "pacer.hpp"
#include "profiles.hpp"
#include "recording.hpp"
#include "ring_options.hpp"

namespace {

using ringdown::Feeder;

constexpr const char* examples = R"(
Examples:
  ring-replay --ring plant --profile control-loop                    until SIGINT or SIGTERM
  ring-replay --ring plant --profile fleet --seconds 60 --seed 7
  ring-query --db plant.db --last 1h --format csv > hour.csv
  ring-replay --ring test --csv hour.csv --speed 20                  with the times of the file
  ring-replay --ring test --csv hour.csv --now --json                with the time of each push
  ring-replay --ring test --csv log.csv --columns time_s=when,name=metric,value=v

Profiles: control-loop is two link controllers at 20 Hz, 26 values a cycle; fleet is 20,000 series at 1 Hz. The same
seed gives the same values. Their times begin now; with --speed and --seconds N, N seconds ago, so that none is ahead
of the clock. With --speed and without --seconds they run ahead of it: --now gives the time of each push.
A CSV file has a header with columns time_s, name, value and, if it likes, labels and state, in any order; times are
unix seconds or 2026-11-24T10:00:00Z, labels {name="value",...}. A series with states is a state, one whose name ends
in _total a counter, any other a gauge. Every line is checked before the first sample is pushed. --now needs no times;
if they are there it keeps their pace.
Series that do not fit into one lane are spread over several. When the ring is gone it goes on, says why on stderr
and tries again every second. At its end it prints one line of names and values;
pushed = accepted + lost; how late its pushes were, in us, unless it ran flat out:
  pushed N accepted N lost N seconds X per_second X late_us_p50 X late_us_p99 X late_us_max X [lost_REASON N]...
and left_behind N if the ring was deleted or replaced while it held N records that were not stored yet.

Exit status: 0 done, or stopped as asked; 1 the ring or the file cannot be used, or a line is bad; 2 wrong usage.)";

volatile std::sig_atomic_t stop_asked = 0;

/// Takes away the line that tells how far it is.
std::string clear_line() { return ::isatty(STDERR_FILENO) ? "\r\033[K" : ""; }

void complain(const std::string& text) { std::cerr << clear_line() + "ring-replay: " + text + '\n'; }

struct Settings {
  ringdown::RingOptions ring;
  std::string profile, csv, columns;
  double speed = 1;          // 0: flat out
  std::int64_t seconds = 0;  // of the samples' own time; 0: no end
  std::uint64_t seed = 1;
  bool now = false, json = false;
};

class Replay {
 public:
  explicit Replay(const Settings& settings) : settings_(settings) {}

  void run() {
    if (recording_)
      run_recording(*recording_);
    else
      run_profile();
    std::cerr << clear_line();
    report();
  }

 private:
  void run_profile() {
    std::unique_ptr<ringdown::Profile> profile;
    if (settings_.profile == "fleet")
      profile = std::make_unique<ringdown::FleetProfile>(settings_.seed);
    else
      profile = std::make_unique<ringdown::ControlLoop>(settings_.seed);
    define(profile->series());
    auto start_ns = clock_now_ns();
    if (settings_.speed != 1) start_ns -= settings_.seconds * second_ns;
    const auto push = [&](std::size_t series, double value, std::int64_t time_ns) { sample(series, value, time_ns); };
    for (std::int64_t second = 0; goes_on_ && (settings_.seconds == 0 || second < settings_.seconds); ++second)
      profile->second(start_ns + second * second_ns, push);
  }

  static std::optional<ringdown::Recording> open_recording(const Settings& settings) {
    if (settings.csv.empty()) return {};
    const auto columns =
        settings.columns.empty() ? ringdown::ColumnNames() : ringdown::ColumnNames::parse(settings.columns);
    return std::optional<ringdown::Recording>(std::in_place, settings.csv, columns, !settings.now);
  }
  void run_recording(ringdown::Recording& recording) {
    define(recording.series());
    std::optional<std::int64_t> first_ns;
    for (ringdown::Recording::Sample next; goes_on_ && recording.next(next);) {
      if (!first_ns) first_ns = next.time_ns;
      if (settings_.seconds > 0 && ringdown::difference_ns(next.time_ns, *first_ns) >= settings_.seconds * second_ns)
        continue;
      sample(next.series, next.value, next.time_ns);
    }
  }

  void define(const std::vector<ring::Definition>& series) {
    for (const auto& definition : series) handles_.push_back(feeder_.define(definition));
  }

  void sample(std::size_t series, double value, std::int64_t time_ns) {
    if (!goes_on_) return;
    if (time_ns != time_ns_) {  // else it comes with the one before, under one time stamp
      if (!(goes_on_ = pacer_.wait(time_ns))) return;
      time_ns_ = time_ns;
      stamp_ns_ = settings_.now ? clock_now_ns() : time_ns;
    }
    feeder_.push(handles_[series], value, stamp_ns_);
  }

  void every_second() {
    feeder_.maintain();
    if (!is_terminal_) return;
    const auto& tally = feeder_.tally();
    auto line = fmt::format("{:.0f} s  pushed {}  lost {}  {:.0f}/s", pacer_.elapsed_s(), tally.pushed, tally.lost(),
                            per_second(tally));
    if (const auto& late = pacer_.lateness(); late.total() > 0) line += fmt::format("  late {:.1f} us at most", late.max_us());
    std::cerr << clear_line() + line;
  }

  double per_second(const Feeder::Tally& tally) const {
    const auto elapsed_s = pacer_.elapsed_s();
    return elapsed_s > 0 ? static_cast<double>(tally.pushed) / elapsed_s : 0;
  }

  void report() {
    const auto& tally = feeder_.tally();
    const auto& late = pacer_.lateness();
    if (settings_.json) {
      nlohmann::ordered_json out{{"pushed", tally.pushed}, {"accepted", tally.accepted}, {"lost", tally.lost()}};
      out["lost_by_reason"] = nlohmann::ordered_json::object();
      for (std::size_t r = 0; r < tally.by_reason.size(); ++r)
        if (tally.by_reason[r]) out["lost_by_reason"][ringdown::loss_names[r]] = tally.by_reason[r];
      out["seconds"] = pacer_.elapsed_s();
      out["per_second"] = per_second(tally);
      if (late.total() > 0)
        out["late_us"] = {{"p50", late.quantile_us(0.5)}, {"p99", late.quantile_us(0.99)}, {"max", late.max_us()}};
      out["left_behind"] = tally.left_behind;
      std::cout << out.dump() << std::endl;
      return;
    }
    std::cout << fmt::format("pushed {} accepted {} lost {} seconds {:.3f} per_second {:.1f}", tally.pushed,
                             tally.accepted, tally.lost(), pacer_.elapsed_s(), per_second(tally));
    if (late.total() > 0)
      std::cout << fmt::format(" late_us_p50 {:.1f} late_us_p99 {:.1f} late_us_max {:.1f}", late.quantile_us(0.5),
                               late.quantile_us(0.99), late.max_us());
    for (std::size_t r = 0; r < tally.by_reason.size(); ++r)
      if (tally.by_reason[r]) std::cout << fmt::format(" lost_{} {}", ringdown::loss_names[r], tally.by_reason[r]);
    if (tally.left_behind) std::cout << " left_behind " << tally.left_behind;
    std::cout << std::endl;
  }

  static constexpr std::int64_t second_ns = ringdown::Pacer::second_ns;
  static std::int64_t clock_now_ns() noexcept { return ring::clock_ns(CLOCK_REALTIME); }

  const Settings settings_;
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::optional<ringdown::Recording> recording_ = open_recording(settings_);  // before a ring is made for a bad one
  Feeder feeder_{settings_.ring.ring, settings_.ring.producer(), complain};
  ringdown::Pacer pacer_{settings_.speed, stop_asked, [this] { every_second(); }};
  std::vector<Feeder::Handle> handles_;
  bool goes_on_ = true;
  std::optional<std::int64_t> time_ns_;
  std::int64_t stamp_ns_ = 0;
};

double parse_speed(const std::string& text) {
  if (text == "max") return 0;
  double speed = 0;
  const auto* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, speed);
  if (error != std::errc() || read != end || !(speed >= 0.001 && speed <= 1e6))
    throw CLI::ValidationError("--speed", "found \"" + text + "\", expected a number from 0.001 to 1000000, or max");
  return speed;
}

void add_options(CLI::App& app, Settings& settings) {
  app.footer(examples);
  settings.ring.add_to(app);
  auto* profile = app.add_option("--profile", settings.profile, "Push a made-up workload")
                      ->check(CLI::IsMember({"control-loop", "fleet"}));
  auto* csv = app.add_option("--csv", settings.csv, "Push samples as ring-query --format csv writes them")
                  ->type_name("FILE")
                  ->excludes(profile);
  app.add_option("--columns", settings.columns,
                 "COLUMN=NAME,...: what the header calls time_s, name, labels, value, state")
      ->type_name("LIST")
      ->needs(csv);
  app.add_option_function<std::string>(
         "--speed", [&](const std::string& text) { settings.speed = parse_speed(text); },
         "So many times faster, or max: flat out (default: 1)")
      ->type_name("X");
  app.add_option("--seconds", settings.seconds,
                 "End after N seconds of the samples' time (default: at SIGTERM or SIGINT)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--seed", settings.seed, "Of a profile's values")->capture_default_str()->needs(profile);
  app.add_flag("--now", settings.now, "Stamp each sample with the time it is pushed at");
  app.add_flag("--json", settings.json, "Report as a JSON object");
}

void set_up_process() noexcept {
  std::signal(SIGTERM, [](int) { stop_asked = 1; });
  std::signal(SIGINT, [](int) { stop_asked = 1; });
  std::signal(SIGPIPE, SIG_IGN);    // whoever reads our output may go away
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // ns; by default any wake-up may be 50 us late
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"Pushes samples of a made-up workload or of a CSV file into a ring."};
  app.set_version_flag("--version", "ring-replay " RINGDOWN_VERSION, "Print the version and exit");
  add_options(app, settings);
  try {
    app.parse(argc, argv);
    if (settings.profile.empty() && settings.csv.empty()) throw CLI::RequiredError("--profile NAME or --csv FILE");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  set_up_process();
  return ringdown::exit_status(complain, [&] {
    Replay(settings).run();
    return 0;
  });
}
