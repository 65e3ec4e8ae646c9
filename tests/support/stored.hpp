// stored.hpp: reads a persister's database back, for tests that compare it with what was pushed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "batch.hpp"
#include "fold.hpp"
#include "raw_reader.hpp"
#include "sqlite.hpp"
#include "store.hpp"

namespace support {

/// Every stored value by series name: what is sealed by time, then the rest in the order stored.
inline std::map<std::string, std::vector<double>> stored_values(const std::string& path) {
  ringdown::Database db(path, ringdown::Database::Access::read_only);
  std::map<std::uint32_t, std::string> names;
  for (const auto& row : ringdown::read_series(db)) names[row.id] = row.definition.name;
  std::map<std::string, std::vector<double>> out;
  ringdown::RawReader sealed(db, {.sealed_only = true},
                             [](const auto& what, auto, auto) { throw std::runtime_error(what); });
  for (auto samples = sealed.next(); !samples.empty(); samples = sealed.next())
    for (const auto& sample : samples) out[names.at(sample.series)].push_back(sample.value);
  ringdown::Statement batches(db, "SELECT blob FROM batches WHERE id > (SELECT through_batch FROM sealed) ORDER BY id");
  while (batches.step()) {
    const ringdown::BatchView view(batches.blob(0));
    for (std::uint32_t c = 0; c < view.series(); ++c) {
      const auto& column = view.column(c);
      auto& values = out[names.at(column.series)];
      for (std::uint32_t i = 0; i < column.count; ++i) values.push_back(column.value(i));
    }
  }
  return out;
}

/// Raw samples, sealed or not.
inline constexpr const char* raw_samples = "SELECT total(samples) FROM (SELECT samples FROM windows UNION ALL SELECT samples "
                                           "FROM batches WHERE id > (SELECT through_batch FROM sealed))";

/// Rolls everything up into one of the tiers that are made from batches.
inline void fold_all(ringdown::Database& database, const std::string& tier) {
  ringdown::SeriesRules rules(database);
  ringdown::Fold fold(database, rules, tier, 1);
  for (bool more = true; more;) {
    ringdown::Budget budget;
    more = fold.run(ringdown::Fold::everything, budget);
  }
}

inline std::int64_t query(const std::string& path, const std::string& sql) {
  return ringdown::Database(path, ringdown::Database::Access::read_only).query_integer(sql);
}

}  // namespace support
