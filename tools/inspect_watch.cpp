#include "inspect_watch.hpp"

#include <langinfo.h>
#define NCURSES_NOMACROS  // functions, with names that leave others alone
#include <ncurses.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "bus_guard.hpp"
#include "inspect_open.hpp"
#include "watch_screen.hpp"

namespace inspect {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t steady_ns() { return ring::clock_ns(CLOCK_MONOTONIC); }

/// The terminal, taken over for as long as this lives.
class Terminal {
 public:
  Terminal() {
    if (!::isatty(STDIN_FILENO) || !::isatty(STDOUT_FILENO))
      throw ring::Error(ring::Failure::bad_argument,
                        "--watch: standard input or output is no terminal, expected one; "
                        "use --json or --follow where a program reads");
    std::setlocale(LC_ALL, "");
    screen_ = ::newterm(nullptr, stdout, stdin);
    if (!screen_) {
      const char* const term = std::getenv("TERM");
      throw ring::Error(ring::Failure::system,
                        "--watch: TERM is \"" + std::string(term ? term : "") +
                            "\", expected a terminal that ncurses knows, such as xterm-256color");
    }
    ::cbreak();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, true);
    ::curs_set(0);
    ::set_escdelay(25);
  }
  ~Terminal() {
    ::endwin();
    ::delscreen(screen_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static bool is_utf8() { return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0; }

  void draw(const std::vector<Line>& lines) {
    ::erase();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto attribute = lines[i].style == Line::Style::reverse ? A_REVERSE
                             : lines[i].style == Line::Style::bold  ? A_BOLD
                                                                    : A_NORMAL;
      ::attrset(static_cast<int>(attribute));
      ::mvaddstr(static_cast<int>(i), 0, lines[i].text.c_str());
    }
    ::refresh();
  }
  static std::size_t width() { return static_cast<std::size_t>(std::max(COLS, 1)); }
  static std::size_t height() { return static_cast<std::size_t>(std::max(LINES, 1)); }

  /// Waits until then for a key; nothing when none came, or only the size changed.
  static std::optional<int> key(Clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    ::timeout(static_cast<int>(std::max<std::int64_t>(left + 1, 0)));
    switch (const int key = ::getch()) {
      case ERR:
      case KEY_RESIZE: return {};
      case KEY_UP: return key_up;
      case KEY_DOWN: return key_down;
      case KEY_PPAGE: return key_page_up;
      case KEY_NPAGE: return key_page_down;
      case KEY_HOME: return key_home;
      case KEY_END: return key_end;
      case KEY_BACKSPACE: return key_backspace;
      case KEY_ENTER: return '\n';
      default: return key;
    }
  }

 private:
  SCREEN* screen_ = nullptr;
};

/// One ring's object, and what is known of it.
struct Watched {
  explicit Watched(const std::string& name)
      : segment(open_ring(name)),
        guard(&segment.header(), segment.geometry().segment_bytes()),
        model(segment, steady_ns(), ring::clock_ns(CLOCK_REALTIME)) {}
  ring::Segment segment;
  ringdown::BusGuard guard;
  WatchModel model;
};

class Watch {
 public:
  Watch(const std::string& ring, std::chrono::milliseconds every) : every_(every) {
    watched_.emplace(ring);
    if (watched_->segment.is_copy())
      throw ring::Error(ring::Failure::bad_argument,
                        "--watch: found a copy, which does not change; expected a ring's name");
    heading_.ring = watched_->segment.ring();
    heading_.every_ms = every.count();
    take_heading();
  }

  void run() {
    Terminal terminal;
    WatchScreen screen(Terminal::is_utf8());
    auto due = Clock::now() + every_;
    for (;;) {
      const auto& figures = watched_->model.figures();
      terminal.draw(screen.render(heading_, figures, Terminal::width(), Terminal::height()));
      if (const auto key = Terminal::key(due); key && !screen.press(*key, figures)) return;
      const auto now = Clock::now();
      if (now < due) continue;
      due = std::max(due + every_, now);
      look();
    }
  }

 private:
  void look() {
    follow_ring();
    watched_->model.look(steady_ns(), ring::clock_ns(CLOCK_REALTIME));
    if (watched_->guard.hit())
      throw ring::Error(ring::Failure::foreign, "ring \"" + heading_.ring + "\": truncated while it was read");
    take_cost();
    take_heading();
  }

  void follow_ring() {
    if (watched_->segment.is_current()) {
      heading_.note.clear();
      return;
    }
    try {
      ring::Segment::inspect(heading_.ring);  // throws when it is not there yet, and nothing is lost
      watched_.reset();
      watched_.emplace(heading_.ring);
    } catch (const ring::Error&) {
      if (!watched_) throw;
      heading_.note = "THE RING WAS DELETED";
    }
  }

  void take_heading() {
    const auto& segment = watched_->segment;
    heading_.lanes = segment.geometry().lanes;
    heading_.mode = segment.geometry().mode == ring::abi::Mode::drop_newest ? "drop-newest" : "overwrite-oldest";
    heading_.drained = ring::lock::is_held(segment.descriptor(), ring::abi::lock_reader)
                           ? "drained by " + ring::read_identity(segment.header().reader).text()
                           : "nobody drains it";
  }

  /// Of the last seconds.
  void take_cost() {
    constexpr double weight = 0.1;
    const auto cpu_ns = ring::clock_ns(CLOCK_PROCESS_CPUTIME_ID), now_ns = steady_ns();
    if (cost_at_ns_ != 0) {
      const auto share = static_cast<double>(cpu_ns - cost_ns_) /
                         static_cast<double>(std::max<std::int64_t>(now_ns - cost_at_ns_, 1));
      heading_.cpu_share += (heading_.cpu_share == 0 ? 1 : weight) * (share - heading_.cpu_share);
    }
    cost_ns_ = cpu_ns;
    cost_at_ns_ = now_ns;
  }

  std::chrono::milliseconds every_;
  std::optional<Watched> watched_;
  WatchHeading heading_;
  std::int64_t cost_ns_ = 0, cost_at_ns_ = 0;
};

}  // namespace

void watch(const std::string& ring, std::chrono::milliseconds every) { Watch(ring, every).run(); }

}  // namespace inspect
