// query_follow.hpp: samples as they are committed.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>

#include "query_live.hpp"
#include "query_read.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// What --follow needs beside the query.
struct Follow {
  std::int64_t seen;                                       // the newest batch that is written already
  std::function<void()> select;                            // chooses the query's series anew, when there are others
  std::function<bool(const ring::Definition&)> wants;      // whether a series is asked for
  Live* live = nullptr;                                    // also what rings hold; what that was until now is written already
};

/// Writes the samples of each commit behind `seen`, in the query's range, until `stop` or the query's limit. Without `live`,
/// what a persister does not commit is not there: see ring-inspect --follow.
void follow(Database& database, Query& query, Writer& writer, Follow from, const volatile std::sig_atomic_t& stop);

}  // namespace ringdown
