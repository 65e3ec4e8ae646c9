// query_follow.hpp: samples as they are committed.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>

#include "query_read.hpp"
#include "sqlite.hpp"

namespace ringdown {

/// Writes the samples of each commit behind `seen`, in the query's range, until `stop` or the query's limit. What a
/// persister does not commit is not there: see ring-inspect --follow.
/// @param select  chooses the query's series anew, when there are others
void follow(Database& database, Query& query, Writer& writer, std::int64_t seen, const std::function<void()>& select,
            const volatile std::sig_atomic_t& stop);

}  // namespace ringdown
