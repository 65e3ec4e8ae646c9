// watch_screen.hpp: what --watch shows: lines of text made from figures, and what each key changes about them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "watch_model.hpp"

namespace inspect {

/// Keys that are no characters.
enum Key : int { key_up = 0x110000, key_down, key_page_up, key_page_down, key_home, key_end, key_backspace };

struct Line {
  enum class Style { plain, bold, reverse };
  std::string text;
  Style style = Style::plain;
};

/// What the first lines say.
struct WatchHeading {
  std::string ring, mode, drained;
  std::uint32_t lanes = 0;
  std::int64_t every_ms = 0;
  double cpu_share = 0;  // of one core, ours
  std::string note;      // what is wrong, if anything
};

/// The minute as one character a column, in proportion to its own greatest; blank where nothing is known.
std::string sparkline(const Minute& minute, std::size_t columns, std::int64_t second, bool is_utf8);

class WatchScreen {
 public:
  explicit WatchScreen(bool is_utf8) : is_utf8_(is_utf8) {}

  /// @return false when it is to end
  bool press(int key, const WatchFigures& now);
  /// At most `height` lines of at most `width` columns.
  std::vector<Line> render(const WatchHeading& heading, const WatchFigures& now, std::size_t width,
                           std::size_t height);

 private:
  enum Pane : std::size_t { lanes, series };

  void press_filter(int key);
  void scroll(std::ptrdiff_t rows) noexcept;
  std::string status(const WatchHeading& heading, const WatchFigures& figures) const;
  std::string keys() const;
  void add_lanes(std::vector<Line>& out, const WatchFigures& figures, std::size_t width, std::size_t rows);
  void add_series(std::vector<Line>& out, const WatchFigures& figures, std::size_t width, std::size_t rows);
  std::size_t first_row(Pane pane, std::size_t all, std::size_t rows);

  bool is_utf8_;
  Pane pane_ = lanes;
  std::size_t sort_[2] = {0, 0}, top_[2] = {0, 0}, page_ = 10;
  std::string filter_;
  bool is_typing_ = false, shows_help_ = false;
  std::optional<WatchFigures> paused_;
};

}  // namespace inspect
