// old_table.hpp: a database in the old shape, one state of it: the table `metrics`, a row a value, with the
// granularity to which it was averaged. It is somebody else's: nothing in it is believed, and it is only read.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "import_tally.hpp"
#include "sqlite.hpp"

namespace ringdown {

class OldTable {
 public:
  /// Throws ring::Error unless the file has such a table.
  explicit OldTable(const std::string& file);

  /// Absolute, without links: what the file is known by.
  const std::string& path() const noexcept { return path_; }
  /// The highest id that there has ever been, as far as the table tells.
  std::int64_t last_id() const noexcept { return last_id_; }

  /// How many rows there are behind an id, by granularity, and how many of them are older. Unknown granularities
  /// count as raw.
  struct Counts {
    std::array<std::int64_t, granularity_count> rows{}, older{};
  };
  using Limits = std::array<std::int64_t, granularity_count>;
  Counts count(const Limits& after, const Limits& older_than_s);

  /// A row as it is read, checked as far as it can be for itself.
  struct Row {
    std::int64_t id = 0;
    std::int64_t time_ns = 0;
    bool is_whole_second = true;
    double value = 0;
    std::string_view wan = {}, metric = {};       // valid until the next row is read
    std::optional<std::string_view> labels = {};  // nothing when NULL
    std::optional<Doubt> doubt = {};
  };
  /// Begins behind an id. old_raw: with the rows of unknown granularity.
  void read(Granularity granularity, std::int64_t after, std::int64_t now_s);
  /// @return false at the end
  bool next(Row& row);

  /// A number that tells a row from others, and the row's id: of the last one up to `id`. Id 0: there is none.
  struct Anchor {
    std::int64_t id;
    std::uint64_t hash;
  };
  Anchor anchor(std::int64_t id);

 private:
  void check_shape();
  std::optional<std::int64_t> read_time_ns(Row& row) const;

  std::string path_;
  Database database_;
  std::optional<Snapshot> snapshot_;
  std::string columns_, granularity_, index_;  // as SQL
  std::int64_t last_id_ = 0, now_s_ = 0;
  std::optional<Statement> rows_;
  bool is_raw_ = true;
};

}  // namespace ringdown
