// write.cpp: ring-write pushes what a script or an exporter says in Prometheus' text format into a ring.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <optional>

#include "cli.hpp"
#include "feeder.hpp"
#include "line_reader.hpp"
#include "pacer.hpp"
#include "query_time.hpp"
#include "ring_options.hpp"
#include "scrape.hpp"
#include "text_feed.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  echo 'backup_seconds 12' | ring-write --ring plant                 the last line of a cron job
  ring-write --ring plant /var/lib/node_exporter/*.prom
  ring-write --ring plant --scrape http://localhost:9100/metrics --every 1s
  tail -f plant.prom | ring-write --ring plant --strict

Text is Prometheus' exposition format 0.0.4, or OpenMetrics with --openmetrics (an exporter says itself which it
sends):
  # TYPE backup_bytes_total counter
  backup_bytes_total{disk="sda",path="C:\\new \"x\""} 1.5e9 1764000000000
Counters, and the buckets, sums and counts of histograms and summaries, become counters; all else gauges. A sample has
its line's time stamp (ms; of OpenMetrics seconds), or the time when its line, file or page was read. Values that are
NaN or infinite are refused by the ring, counted and told.
A bad line is told with its number and left out. --scrape goes on until SIGINT or SIGTERM, also while the exporter is
away, which it tells once; up{instance="HOST:PORT"} is 1 for each page that came and 0 for each that did not. Of pages
in a row that have bad lines it tells those of the first.
When all is well it prints nothing; --verbose: one line at the end, pushed = accepted + lost:
  lines_bad N pushed N accepted N lost N [lost_REASON N]...

Exit status: 0 done, or stopped as asked; 1 the ring or a file cannot be used, a line was bad, or a sample was lost
that was neither NaN nor infinite; 2 wrong usage.)";

volatile std::sig_atomic_t stop_asked = 0;

void complain(const std::string& text) { std::cerr << "ring-write: " + text + '\n'; }

struct Settings {
  ringdown::RingOptions ring;
  std::vector<std::string> files;
  std::string scrape, every = "1s";
  std::int64_t scrapes = 0;  // 0: no end
  bool strict = false, openmetrics = false, verbose = false;
};

/// A file's descriptor, closed at the end of its scope.
class File {
 public:
  explicit File(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0)
      throw std::runtime_error(path + ": " + std::strerror(errno) +
                               "; check the name, or run as a user who may read it");
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

class Writer {
 public:
  explicit Writer(const Settings& settings)
      : settings_(settings), feeder_(settings.ring.ring, settings.ring.producer(), complain) {}

  /// Standard input, whose lines have the time they came at.
  void write_input() {
    auto feed = make_feed("standard input");
    write_lines(feed, STDIN_FILENO, {});
  }
  /// All of a file has the time it was opened at.
  void write_file(const std::string& path) {
    if (path == "-") return write_input();
    const File file(path);
    auto feed = make_feed(path);
    write_lines(feed, file.descriptor(), ring::clock_ns(CLOCK_REALTIME));
  }
  void write_pages(ringdown::Scraper& scraper, std::int64_t every_ns) {
    auto feed = make_feed(settings_.scrape);
    const auto up = feeder_.define({ring::Kind::gauge, "up", "", {{"instance", scraper.instance()}}, {}});
    ringdown::Pacer pacer(1, stop_asked, [this] { feeder_.maintain(); });
    bool was_up = true;
    std::int64_t done = 0;
    for (std::int64_t turn = 0; pacer.wait(turn * every_ns);) {
      const auto time_ns = ring::clock_ns(CLOCK_REALTIME);
      const auto page = scraper.get();
      if (stop_asked) break;
      const bool is_up = page.error.empty();
      if (is_up != was_up)
        complain(settings_.scrape +
                 (is_up ? ": answers again" : ": " + page.error + "; goes on asking every " + settings_.every));
      was_up = is_up;
      if (is_up) write_page(feed, page, time_ns);
      feeder_.push(up, is_up, time_ns);
      if (++done == settings_.scrapes) break;
      turn = static_cast<std::int64_t>(pacer.elapsed_s() * 1e9) / every_ns + 1;  // those that are over are left out
    }
    add(feed);
  }

  /// @return the exit status
  int report() {
    const auto& tally = feeder_.tally();
    const auto non_finite = tally.by_reason[static_cast<std::size_t>(ring::abi::Loss::non_finite)];
    if (bad_lines_) complain(fmt::format("bad lines left out: {}", bad_lines_));
    if (non_finite)
      complain(fmt::format("values that are NaN or infinite, which a ring does not take: {}", non_finite));
    std::string reasons;
    for (std::size_t r = 0; r < tally.by_reason.size(); ++r)
      if (tally.by_reason[r]) reasons += fmt::format(" lost_{} {}", ringdown::loss_names[r], tally.by_reason[r]);
    if (without_room_) reasons += fmt::format(" lost_no_room {}", without_room_);
    const auto lost = tally.lost() + without_room_;
    if (lost > non_finite)
      complain(fmt::format("samples lost: {}:{}; ring-inspect {} shows whether a ring-persister drains the ring",
                           lost, reasons, settings_.ring.ring));
    if (settings_.verbose)
      std::cout << fmt::format("lines_bad {} pushed {} accepted {} lost {}", bad_lines_, tally.pushed + without_room_,
                               tally.accepted, lost)
                << reasons << std::endl;
    return bad_lines_ || lost > non_finite ? 1 : 0;
  }

 private:
  ringdown::TextFeed make_feed(const std::string& where) { return {feeder_, where, settings_.strict, complain}; }

  void write_lines(ringdown::TextFeed& feed, int descriptor, std::optional<std::int64_t> time_ns) {
    ringdown::LineReader lines(descriptor, ringdown::PrometheusText::line_bytes_max, stop_asked,
                               [this] { maintain(); });
    feed.begin(settings_.openmetrics);
    for (std::string line; lines.next(line);) feed.line(line, time_ns.value_or(lines.time_ns()));
    add(feed);
  }

  void write_page(ringdown::TextFeed& feed, const ringdown::Scraper::Page& page, std::int64_t time_ns) {
    const auto bad_before = feed.bad_lines();
    feed.begin(page.openmetrics || settings_.openmetrics);
    std::string_view rest = page.text;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      feed.line(rest.substr(0, end), time_ns);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    feed.tell_bad_lines(feed.bad_lines() == bad_before);
  }

  void maintain() {
    const auto now_ns = ring::clock_ns(CLOCK_MONOTONIC);
    if (now_ns - maintained_ns_ < ringdown::Pacer::second_ns) return;
    maintained_ns_ = now_ns;
    feeder_.maintain();
  }
  void add(const ringdown::TextFeed& feed) {
    bad_lines_ += feed.bad_lines();
    without_room_ += feed.without_room();
  }

  const Settings settings_;
  ringdown::Feeder feeder_;
  std::int64_t maintained_ns_ = ring::clock_ns(CLOCK_MONOTONIC);
  std::uint64_t bad_lines_ = 0, without_room_ = 0;
};

int run(const Settings& settings) {
  std::optional<ringdown::Scraper> scraper;
  const auto every_ns = ringdown::duration_ns(settings.every);
  if (!settings.scrape.empty()) {
    constexpr std::int64_t least_ns = 100'000'000, timeout_ms_min = 2'000, timeout_ms_max = 10'000;
    if (every_ns < least_ns)
      throw ring::Error(ring::Failure::bad_argument, "--every " + settings.every + ": expected at least 100ms");
    scraper.emplace(settings.scrape, std::clamp(every_ns / 1'000'000, timeout_ms_min, timeout_ms_max), stop_asked);
  }
  Writer writer(settings);
  if (scraper)
    writer.write_pages(*scraper, every_ns);
  else if (settings.files.empty())
    writer.write_input();
  for (const auto& file : settings.files) writer.write_file(file);
  return writer.report();
}

void add_options(CLI::App& app, Settings& settings) {
  app.footer(examples);
  settings.ring.add_to(app);
  auto* files = app.add_option("file", settings.files, "What to push; - or none: standard input")->type_name("FILE");
  auto* scrape = app.add_option("--scrape", settings.scrape, "An exporter's page, again and again")
                     ->type_name("URL")
                     ->excludes(files);
  app.add_option("--every", settings.every, "How often, from 100ms on; a page may take as long, within 2 to 10 s")
      ->type_name("DURATION")
      ->capture_default_str()
      ->needs(scrape);
  app.add_option("--scrapes", settings.scrapes,
                 "End after N pages, also those that did not come (default: at SIGTERM or SIGINT)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000'000))
      ->needs(scrape);
  app.add_flag("--strict", settings.strict, "End at the first bad line; what came before it stays pushed");
  app.add_flag("--openmetrics", settings.openmetrics, "Whole time stamps are seconds, not milliseconds");
  app.add_flag("--verbose", settings.verbose, "Print at the end what was pushed");
}

void set_up_process() noexcept {
  ::signal(SIGTERM, [](int) { stop_asked = 1; });
  ::signal(SIGINT, [](int) { stop_asked = 1; });
  ::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may go away
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"Pushes samples in Prometheus' text format into a ring."};
  app.set_version_flag("--version", "ring-write " RINGDOWN_VERSION, "Print the version and exit");
  add_options(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  set_up_process();
  return ringdown::exit_status(complain, [&] {
    return run(settings);
  });
}
