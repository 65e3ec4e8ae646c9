// schema.hpp: the database's tables, as SQL that reads like its documentation.
// Times end in _ns: nanoseconds since the epoch, CLOCK_REALTIME. Buckets are in whole seconds.
#pragma once

#include <iterator>

namespace ringdown::schema {

inline constexpr int application_id = 0x52444f57;  // "RDOW"

// Until the file is in WAL mode, EXTRA syncs the folder behind each removal of a rollback journal: one that came back
// after a power cut would undo everything since.

/// Before anything else: page size and auto_vacuum are silently ignored once the file is in WAL mode.
inline constexpr const char* creation = R"sql(
PRAGMA synchronous = EXTRA;
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;
)sql";

/// A copy made by VACUUM INTO, for example, is not in WAL mode. The WAL's file keeps 4 MiB when it is reset.
inline constexpr const char* every_open = R"sql(
PRAGMA synchronous = EXTRA;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 4194304;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
)sql";

inline constexpr const char* version_1 = R"sql(
-- One row a series, told apart by everything a producer says of it.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  labels TEXT NOT NULL,        -- JSON object, keys sorted
  kind TEXT NOT NULL,          -- gauge, counter or state
  unit TEXT NOT NULL,
  states TEXT NOT NULL,        -- JSON array: the names of the values 0, 1, ... of a state
  UNIQUE (name, labels, kind, unit, states)
) STRICT;

-- One row a ring ever drained. A ring created again has another generation.
CREATE TABLE rings (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  generation TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  UNIQUE (name, generation)
) STRICT;

-- One row a claim of a lane: who wrote the records from first_seq on.
CREATE TABLE producers (
  id INTEGER PRIMARY KEY,
  ring INTEGER NOT NULL REFERENCES rings,
  lane INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_namespace INTEGER NOT NULL,
  process_start_ns INTEGER NOT NULL,
  claimed_ns INTEGER NOT NULL
) STRICT;

-- How far each lane is stored. Moves in the transaction that stores.
CREATE TABLE cursors (
  ring INTEGER NOT NULL REFERENCES rings,
  lane INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  producer INTEGER,            -- whose records come next
  stored INTEGER NOT NULL,     -- samples
  lost INTEGER NOT NULL,       -- samples; the sum of this lane's losses
  duplicates INTEGER NOT NULL, -- stored samples with the time stamp of the sample before them in their series
  ledger TEXT NOT NULL,        -- JSON: by reason, [counted here, told by records]
  PRIMARY KEY (ring, lane)
) STRICT, WITHOUT ROWID;

-- Every sample that could not be stored, and where in its lane's stream it is missing:
-- after record first_seq - 1 and before record last_seq (the same place unless rows had to be merged).
CREATE TABLE losses (
  id INTEGER PRIMARY KEY,
  ring INTEGER NOT NULL REFERENCES rings,
  lane INTEGER NOT NULL,
  producer INTEGER,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  time_ns INTEGER NOT NULL     -- of the next stored sample, or of the finding
) STRICT;

-- What one commit took from all lanes. The blob is described in DESIGN.md and batch.hpp.
CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  committed_ns INTEGER NOT NULL,
  min_ns INTEGER NOT NULL,
  max_ns INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;

-- Rollups: one row a series and bucket. first_at and last_at are ns after the bucket's start.
-- A sum is NULL when it went beyond what a double can hold.
CREATE TABLE tier_1s (
  bucket INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series,
  count INTEGER NOT NULL, sum REAL, min REAL NOT NULL, max REAL NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (bucket, series)
) STRICT, WITHOUT ROWID;
CREATE TABLE tier_1m (
  bucket INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series,
  count INTEGER NOT NULL, sum REAL, min REAL NOT NULL, max REAL NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (bucket, series)
) STRICT, WITHOUT ROWID;

-- The last batch that each job has done. Moves in the transaction that writes the job's rows.
CREATE TABLE progress (
  job TEXT PRIMARY KEY,
  batch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO progress VALUES ('tier_1s', 0), ('tier_1m', 0);

-- One row: every batch with a committed_ns up to through_ns survives a power cut.
CREATE TABLE durability (
  through_ns INTEGER NOT NULL,
  clean INTEGER NOT NULL       -- 1: the persister ended as it was asked to; 0: it runs, or was killed
) STRICT;
INSERT INTO durability VALUES (0, 1);

-- Batches that could not be read any more: their samples are in no rollup made after found_ns.
CREATE TABLE damaged_batches (
  batch INTEGER PRIMARY KEY,
  samples INTEGER NOT NULL,
  why TEXT NOT NULL,
  found_ns INTEGER NOT NULL
) STRICT;

-- The shape that scripts of control daemons query.
CREATE VIEW metrics AS
  SELECT t.bucket AS timestamp,
         coalesce(json_extract(s.labels, '$.wan'), '') AS wan_name,
         s.name AS metric_name,
         CASE s.kind WHEN 'gauge' THEN t.sum / t.count ELSE t.last END AS value,
         json_remove(s.labels, '$.wan') AS labels,
         'raw' AS granularity
  FROM tier_1s AS t JOIN series AS s ON s.id = t.series;

CREATE VIEW loss_totals AS
  SELECT r.name AS ring, p.name AS producer, p.pid, l.reason, sum(l.count) AS count,
         min(l.time_ns) AS first_ns, max(l.time_ns) AS last_ns
  FROM losses AS l JOIN rings AS r ON r.id = l.ring LEFT JOIN producers AS p ON p.id = l.producer
  GROUP BY l.ring, l.producer, l.reason;
)sql";

/// Step i makes schema version i + 1 of version i. A released step never changes.
inline constexpr const char* migrations[] = {version_1};
inline constexpr int version = static_cast<int>(std::size(migrations));

}  // namespace ringdown::schema
