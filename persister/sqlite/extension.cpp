// extension.cpp: libringdown_sqlite, a loadable extension that lets any program with SQLite read raw samples and
// rollups of a Ringdown database as tables. It only reads, also beside a persister that writes.
//
//   sqlite3 shell   .load /usr/local/lib/ringdown/libringdown_sqlite
//   Python          db.enable_load_extension(True); db.load_extension("/usr/local/lib/ringdown/libringdown_sqlite")
//
// TABLES, of samples in batches as well as in chunks
//   ring_samples   time_ns, timestamp (s), series, name, labels (JSON), kind, unit, value, state (the name of a
//                  state's value, else NULL)
//   ring_metrics   timestamp (s), wan_name, metric_name, value, labels (the others), granularity ('raw'): the
//                  shape of the view metrics, with every sample
//   ring_totals    start_ns, series, name, labels, kind, unit, count, min, max, sum, first, last, first_ns, last_ns:
//                  what the samples of each series come to, from what is known of each chunk as a whole
//
// Rows of the first two come in the order of time: ORDER BY time_ns, or time_ns, series, costs nothing; descending,
// SQLite sorts.
// Found without reading the rest: a range of time_ns or timestamp; series by =, IN, <, <=, > and >=; name, labels,
// kind and unit (or wan_name, metric_name, labels and granularity) by =, IN, LIKE and GLOB. Other conditions, of
// single labels for instance, are cheap as
//   series IN (SELECT id FROM series WHERE json_extract(labels, '$.wan') = 'spectrum')
//
// Two hidden columns are parameters, to be written ring_samples(skip_damaged, schema) or with = in WHERE:
//   skip_damaged   0: a batch or a chunk that cannot be read ends the query with an error that names it.
//                  1: it is left out. `ring-persister verify` names them all
//   schema         where the samples are: main, or the name of an attached database
//
// ring_totals has three more before these: ring_totals(from_ns, to_ns, step_ns, skip_damaged, schema). Any may be
// left out, or NULL. A row is of a series' samples from from_ns on and before to_ns or, with a step_ns, of each of its
// steps that has any: these begin at its multiples (start_ns; the first at from_ns). Chunks that an edge of the range
// or of a step cuts, and batches, are unpacked, no others; all rows are made at once, 2^20 at most. A mean is
// sum / count; sum is NULL when it, or that of a chunk, is beyond a double. Zeros are positive, whatever the samples'
// were. The last day of one series by the hour:
//   SELECT start_ns / 1000000000 AS hour, sum / count AS mean, max
//     FROM ring_totals((unixepoch() - 86400) * 1000000000, NULL, 3600000000000) WHERE name = 'rtt_ms'
//
// A query sees one state of the database, as any SELECT does, and like any keeps the WAL from being emptied until it
// is at its end, or reset. It holds some 2^18 samples at a time, of ring_totals also the rows.
//
// FUNCTIONS of a tier's rows, from tier_1m on
//   sketch_quantile(sketch, count, min, max, q)         of one row: 1 % relative error. q: 0 to 1
//   sketch_merge_quantile(sketch, count, min, max, q)   aggregate: of all samples in the rows
//   state_share(states, state)                          of one row: share of its time, 0 to 1; state: a number, or
//                                                       'other'
//   state_merge_share(states, state)                    aggregate: of the rows' time
// A counter's growth is sum(increase), its rate sum(increase) / (count(*) * 60.0) of tier_1m.
//
// FUNCTIONS of samples, aggregates
//   quantile(value, q)                                  1 % relative error, in bounded memory
//   counter_increase(time_ns, value)                    growth; a counter that falls has grown from zero
//   counter_rate(time_ns, value)                        the same a second, from the first sample to the last
//   state_share(time_ns, value, state)                  share of the time up to the last sample; value and state are
//                                                       both numbers, or both names
// The last three need one series in the order of time: GROUP BY series, of rows ordered by time_ns. Disorder is an
// error. NULL values are left out, as by SQLite's own aggregates, but that state_share takes one for the name of
// another state. Without samples, or without time, the answer is NULL.
//
// It calls the host's SQLite by the pointers that the host hands over and is linked with none: a host may have its
// own built in, and two in one process would not know of each other's locks. The host needs 3.38 or later.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include "host.hpp"

namespace {

constexpr int version_min = 3'038'000;  // sqlite3_vtab_in. Our tables are STRICT, which needs 3.37

int add_all(sqlite3* host, char** error, const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api)
  if (sqlite3_libversion_number() < version_min) {
    *error = sqlite3_mprintf("ringdown: this program has SQLite %s; 3.38 or later is needed", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  using namespace ringdown::extension;
  int code = add_sample_tables(host);
  if (code == SQLITE_OK) code = add_totals_table(host);
  if (code == SQLITE_OK) code = add_tier_functions(host);
  if (code == SQLITE_OK) code = add_sample_functions(host);
  return code;
}

}  // namespace

// By either of the names that SQLite looks for.
extern "C" int sqlite3_ringdownsqlite_init(sqlite3* host, char** error, const sqlite3_api_routines* api);
extern "C" int sqlite3_extension_init(sqlite3* host, char** error, const sqlite3_api_routines* api);
extern "C" __attribute__((visibility("default"))) int sqlite3_ringdownsqlite_init(sqlite3* host, char** error,
                                                                                  const sqlite3_api_routines* api) {
  return add_all(host, error, api);
}
extern "C" __attribute__((visibility("default"))) int sqlite3_extension_init(sqlite3* host, char** error,
                                                                             const sqlite3_api_routines* api) {
  return add_all(host, error, api);
}
