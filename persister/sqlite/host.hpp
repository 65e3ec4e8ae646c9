// host.hpp: the SQLite of the program that loaded the extension, through the pointers it gave.
#pragma once

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#include <memory>
#include <new>
#include <stdexcept>

#include "sqlite.hpp"

namespace ringdown::extension {

struct FreeValue {
  void operator()(sqlite3_value* value) const noexcept { sqlite3_value_free(value); }
};
using Value = std::unique_ptr<sqlite3_value, FreeValue>;

/// Does it; what it throws becomes SQLite's result code, and its text goes to `tell`. No exception reaches the host.
template <class Body, class Tell>
int guarded(const Body& body, const Tell& tell) noexcept try {
  body();
  return SQLITE_OK;
} catch (const std::bad_alloc&) {
  return SQLITE_NOMEM;
} catch (const SqliteError& error) {
  tell(error.what());
  return error.code();
} catch (const std::exception& error) {
  tell(error.what());
  return SQLITE_ERROR;
}

/// The tables ring_samples and ring_metrics.
int add_sample_tables(sqlite3* host);
/// The table ring_totals.
int add_totals_table(sqlite3* host);
/// Over rows of tiers: sketch_quantile and others.
int add_tier_functions(sqlite3* host);
/// Over samples: quantile and others.
int add_sample_functions(sqlite3* host);

}  // namespace ringdown::extension
