// retention.hpp: deletes what is older than its tier's age or beyond the database's size, and gives the space back.
// Nothing goes before the next tier has it: a batch not before every fold is done with it, a row of 1m not before its
// 5m bucket is made, and then with all of that bucket. Each slice is one transaction of a few rows; what was deleted moves `progress.expired`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "budget.hpp"
#include "hold.hpp"
#include "rules.hpp"
#include "sqlite.hpp"

namespace ringdown {

class Retention {
 public:
  Retention(Database& database, const Rules& rules);

  /// One slice. @param is_swept     what was deleted before has become free pages
  ///            @param spare_pages  free ones that are left to what comes next
  /// @return whether there is more to do now
  bool run(std::int64_t now_ns, bool is_swept, std::int64_t spare_pages, Budget& budget);
  /// What stays, whatever its age.
  void hold(const Hold& hold) noexcept { hold_ = hold; }
  /// Whether a window was deleted since this was asked last: its chunks are to be swept up.
  bool left_chunks() noexcept { return std::exchange(left_chunks_, false); }

 private:
  /// Rows of a tier: what is needed to delete the oldest ones.
  struct Table {
    Table(Database& database, Tier tier, const std::string& next);
    Tier tier;
    std::string name, next;    // `next`: the tier that is made from it, or empty
    std::int64_t width_s, next_width_s;
    Statement first, rows, erase, erase_one;
    std::int64_t swept_s;      // series with ages of their own have no rows before it
  };
  void read_series();
  bool expire_window(std::int64_t until_ns);
  bool expire_batches(std::int64_t until_ns, Budget& budget);
  bool expire_rows(Table& table, std::int64_t until_s, Budget& budget);
  bool sweep(Table& table, std::int64_t now_s, Budget& budget);
  std::int64_t made_s(const Table& table);
  bool shrink_to_size(Budget& budget);
  bool vacuum(std::int64_t spare_pages, Budget& budget);
  void note_expired(const Table& table, std::int64_t bucket_s, std::int64_t rows);
  void note_expired(const std::string& job, std::int64_t until_s);
  std::int64_t pages(const char* pragma);

  Database& database_;
  Rules rules_;
  std::vector<Table> tables_;
  Statement oldest_batch_, erase_batch_, dirty_, expired_;
  Hold hold_;
  std::int64_t now_ns_ = 0;  // of the last run
  bool left_chunks_ = false;
  std::int64_t series_ = 0;                                             // known of, the highest id
  std::map<std::pair<Tier, std::int64_t>, std::vector<std::int64_t>> shorter_;  // by tier and age: series that go earlier
  std::array<std::int64_t, tier_count> longest_s_{};
};

}  // namespace ringdown
