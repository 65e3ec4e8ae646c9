// feed_fixture.hpp: a ring that a tool fills, and the database that ring-persister makes of it.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>

#include "query_plant.hpp"

namespace plant {

struct Feed : Folder {
  std::string ring = support::unique_ring();
  std::string database = (path / "m.db").string();

  /// A file of that name with this text; its path.
  std::string file(const std::string& name, const std::string& text) const {
    const auto file = (path / name).string();
    std::ofstream(file) << text;
    return file;
  }
  void store() const {
    const auto run = support::run({RING_PERSISTER_PATH, "--ring", ring, "--db", database, "--until-idle"});
    INFO(run.output);
    REQUIRE(run.status == 0);
  }
  std::int64_t count(const std::string& sql) const { return support::query(database, sql); }
  std::string csv() const { return query(*this, {"--db", database, "--from", "0", "--format", "csv"}).out; }
};

}  // namespace plant
