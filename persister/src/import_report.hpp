// import_report.hpp: what an import says: the ambiguous rows, and the account of all rows.
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "import_raw.hpp"

namespace ringdown {

/// The account of one file's rows in this run.
struct ImportAccount {
  std::string file;
  std::array<std::int64_t, granularity_count> rows{};  // that SQL counts
  Tallies run{};                                       // what has become of them
  Tallies before{};                                    // of those of earlier runs
  static constexpr std::size_t shown_max = 20;
  std::array<std::vector<std::int64_t>, doubt_count> shown{};  // ids of the first ambiguous ones

  bool holds() const noexcept;
  std::int64_t read() const noexcept;
};

/// Adds ambiguous rows to a CSV file. One that is killed between this and its commit adds them again.
class DoubtList {
 public:
  /// Throws ring::Error. An empty name: nothing is written.
  explicit DoubtList(const std::string& file);
  void add(const std::string& old_file, const std::vector<DoubtfulRow>& rows);

 private:
  void check() const;
  std::string name_;
  std::ofstream out_;
};

std::string import_text(const std::vector<ImportAccount>& accounts);
std::string import_json(const std::string& database, const std::vector<ImportAccount>& accounts, double seconds);

}  // namespace ringdown
