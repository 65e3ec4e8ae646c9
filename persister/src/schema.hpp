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

inline constexpr const char* version_2 = R"sql(
-- What the rules say of a series, as of the last start of the persister.
ALTER TABLE series ADD COLUMN aggregation TEXT NOT NULL DEFAULT 'gauge';  -- as what it is rolled up
ALTER TABLE series ADD COLUMN on_change INTEGER NOT NULL DEFAULT 0;       -- 1: its last value holds until the next one
ALTER TABLE series ADD COLUMN interval_ns INTEGER NOT NULL DEFAULT 0;     -- expected from sample to sample, 0: not known
ALTER TABLE series ADD COLUMN tier_1s INTEGER NOT NULL DEFAULT 1;         -- 0: not in that tier
UPDATE series SET aggregation = kind;

-- From 1m on a row also has what its kind of series needs. A row with count 0 is carried: nothing was pushed in
-- the bucket, and min, max, first and last are the value that held on.
ALTER TABLE tier_1m ADD COLUMN expected INTEGER;  -- count that the series' interval_ns lets expect
ALTER TABLE tier_1m ADD COLUMN increase REAL;     -- counter: growth since the sample before the bucket, resets seen
ALTER TABLE tier_1m ADD COLUMN states TEXT;       -- state: JSON, nanoseconds by state
ALTER TABLE tier_1m ADD COLUMN sketch BLOB;       -- gauge: quantiles (sketch.hpp); NULL when min = max
CREATE TABLE tier_5m (
  bucket INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series,
  count INTEGER NOT NULL, sum REAL, min REAL NOT NULL, max REAL NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  expected INTEGER, increase REAL, states TEXT, sketch BLOB,
  PRIMARY KEY (bucket, series)
) STRICT, WITHOUT ROWID;
CREATE TABLE tier_1h (
  bucket INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series,
  count INTEGER NOT NULL, sum REAL, min REAL NOT NULL, max REAL NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  expected INTEGER, increase REAL, states TEXT, sketch BLOB,
  PRIMARY KEY (bucket, series)
) STRICT, WITHOUT ROWID;

-- How far each tier is made. tier_1s and tier_1m have every sample before `frontier` (s) of the batches up to `done`,
-- and those from the future. While `target` is ahead of `done` this is moved to `target` and `next_frontier`, and is
-- so for series up to `series` already. tier_5m and tier_1h have every bucket that starts before `frontier`.
ALTER TABLE progress RENAME COLUMN batch TO done;
ALTER TABLE progress ADD COLUMN replay INTEGER NOT NULL DEFAULT 1;  -- batches before it have nothing that is not folded
ALTER TABLE progress ADD COLUMN target INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN series INTEGER NOT NULL DEFAULT 0;
ALTER TABLE progress ADD COLUMN frontier INTEGER NOT NULL DEFAULT -9223372036;
ALTER TABLE progress ADD COLUMN next_frontier INTEGER NOT NULL DEFAULT -9223372036;
ALTER TABLE progress ADD COLUMN expired INTEGER NOT NULL DEFAULT -9223372036;  -- older rows may be deleted, s
UPDATE progress SET target = done, replay = done + 1;
UPDATE progress SET frontier = coalesce((SELECT max(bucket) + 1 FROM tier_1s), frontier) WHERE job = 'tier_1s';
UPDATE progress SET frontier = coalesce((SELECT max(bucket) + 60 FROM tier_1m), frontier) WHERE job = 'tier_1m';
UPDATE progress SET next_frontier = frontier;
INSERT INTO progress (job, done) VALUES ('batches', 0), ('tier_5m', 0), ('tier_1h', 0);

-- The newest sample of each counter, state and on-change series that tier_1m has.
CREATE TABLE latest (
  series INTEGER PRIMARY KEY,
  time_ns INTEGER NOT NULL,
  value REAL NOT NULL
) STRICT;

-- Buckets to be made again, since samples came late. `and_next` (1m): so is what the next bucket with samples starts
-- from.
CREATE TABLE dirty (
  tier TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  series INTEGER NOT NULL,
  and_next INTEGER NOT NULL,
  PRIMARY KEY (tier, bucket, series)
) STRICT, WITHOUT ROWID;

-- Batches with samples that came more than 2 minutes late or a minute early: others have those of their time.
CREATE INDEX batches_odd ON batches (min_ns, max_ns)
  WHERE min_ns < committed_ns - 120000000000 OR max_ns >= committed_ns + 60000000000;

-- What should not happen to a well-kept clock.
CREATE TABLE anomalies (
  kind TEXT PRIMARY KEY,       -- late, future, too_late (in no tier): samples; redone, not_redone: buckets
  count INTEGER NOT NULL,
  last_ns INTEGER NOT NULL     -- when it was noticed last
) STRICT, WITHOUT ROWID;

DROP VIEW metrics;
CREATE VIEW metrics AS
  WITH rows AS (
    SELECT bucket, series, count, sum, last, NULL AS states, 'raw' AS granularity FROM tier_1s UNION ALL
    SELECT bucket, series, count, sum, last, states, '1m' FROM tier_1m UNION ALL
    SELECT bucket, series, count, sum, last, states, '5m' FROM tier_5m UNION ALL
    SELECT bucket, series, count, sum, last, states, '1h' FROM tier_1h)
  SELECT t.bucket AS timestamp,
         coalesce(json_extract(s.labels, '$.wan'), '') AS wan_name,
         s.name AS metric_name,
         CASE WHEN s.aggregation = 'gauge' AND t.count > 0 THEN t.sum / t.count
              WHEN s.aggregation = 'state' THEN coalesce(
                (SELECT CAST(key AS REAL) FROM json_each(t.states) WHERE key <> 'other'
                 ORDER BY value DESC, CAST(key AS REAL) DESC LIMIT 1), t.last)
              ELSE t.last END AS value,
         json_remove(s.labels, '$.wan') AS labels,
         t.granularity
  FROM rows AS t JOIN series AS s ON s.id = t.series;
)sql";

inline constexpr const char* version_3 = R"sql(
-- The wall clock was set while a persister ran; by so much, forwards if positive. The last 1,000 times.
CREATE TABLE clock_steps (
  id INTEGER PRIMARY KEY,
  noticed_ns INTEGER NOT NULL, -- by the new time
  step_ns INTEGER NOT NULL
) STRICT;

-- Raw samples before it may have been dropped once the tiers had them: 0: none, 2^63 - 1: all (keep = false).
ALTER TABLE series ADD COLUMN raw_from_ns INTEGER NOT NULL DEFAULT 0;
INSERT INTO progress (job, done) VALUES ('trim', 0);  -- batches up to `done` are without samples that are not kept
)sql";

inline constexpr const char* version_4 = R"sql(
-- Raw samples that were taken out of the batches and packed by series. A window has those of some minutes' commits, and
-- comes into sight as a whole: what is in chunks and columns without a row here is being made, or left over.
CREATE TABLE windows (
  id INTEGER PRIMARY KEY,
  first_batch INTEGER NOT NULL,  -- that it was made of
  last_batch INTEGER NOT NULL,
  committed_ns INTEGER NOT NULL, -- of the last batch
  min_ns INTEGER NOT NULL,
  max_ns INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  strays INTEGER NOT NULL,       -- 1: samples that came 2 minutes late or more, -1: a minute early or more, 0: the others
  merged INTEGER NOT NULL        -- how often windows became one until this was made
) STRICT;

CREATE INDEX windows_committed ON windows (committed_ns);

-- A window's samples of one series, in time order.
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY,        -- window << 26 | series
  min_ns INTEGER NOT NULL,
  max_ns INTEGER NOT NULL,
  count INTEGER NOT NULL,
  min REAL NOT NULL,
  max REAL NOT NULL,
  sum REAL,                      -- NULL when it is beyond what a double can hold
  first REAL NOT NULL,
  last REAL NOT NULL,
  times INTEGER NOT NULL,        -- their columns' numbers in the window; series may share them
  vals INTEGER NOT NULL
) STRICT;

-- Packed time stamps or values, as DESIGN.md and chunk.hpp describe them.
CREATE TABLE columns (
  id INTEGER PRIMARY KEY,        -- window << 26 | number
  blob BLOB NOT NULL
) STRICT;

-- One row.
CREATE TABLE sealed (
  through_batch INTEGER NOT NULL, -- the samples of the batches up to it are in windows
  next_window INTEGER NOT NULL,
  changes INTEGER NOT NULL        -- how often samples came into sight at another place
) STRICT;
INSERT INTO sealed VALUES (0, 1, 0);

ALTER TABLE series ADD COLUMN resolution REAL NOT NULL DEFAULT 0;  -- sealed values are multiples of it; 0: as pushed
DELETE FROM progress WHERE job = 'trim';  -- sealing leaves out what is not kept
)sql";

inline constexpr const char* version_5 = R"sql(
-- One row a destination of remote write, by the name that the configuration gives it: how far it is, and what happened
-- since the row was made. Batches are sent in their order, so a cursor is a batch.
CREATE TABLE remote_write (
  destination TEXT PRIMARY KEY,
  sends TEXT NOT NULL,           -- raw, 1m, 5m or 1h. Of a tier, a cursor is a time (s): the buckets that start before it
  accepted INTEGER NOT NULL,     -- the receiver has accepted everything up to this batch
  settled INTEGER NOT NULL,      -- likewise, long enough ago not to forget it in a crash: a restart goes on behind it
  samples INTEGER NOT NULL,      -- accepted, those that were sent again included
  requests INTEGER NOT NULL,     -- accepted
  bytes INTEGER NOT NULL,        -- of them, compressed
  failures INTEGER NOT NULL,     -- requests that were to be sent again
  rewinds INTEGER NOT NULL,      -- how often it went back to `settled`
  folded INTEGER NOT NULL,       -- samples of a millisecond of which their series had one already
  refused INTEGER NOT NULL,      -- samples, set aside
  lost INTEGER NOT NULL,         -- samples, or rows of a tier; the sum of its losses
  state TEXT NOT NULL,           -- sending, waiting or stopped
  trouble TEXT NOT NULL,         -- why it waits or has stopped
  written_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Samples that were not sent with the others: refused by the receiver (held 0, and what it said), or from the future
-- (held 1: sent when their time has come; beyond 10,000 refused as well). The last 10,000 a destination.
CREATE TABLE remote_write_aside (
  id INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  series INTEGER NOT NULL,
  metric TEXT NOT NULL,          -- the name under which it was sent
  time_ms INTEGER NOT NULL,
  value REAL NOT NULL,
  held INTEGER NOT NULL,
  why TEXT NOT NULL,
  noticed_ns INTEGER NOT NULL,
  UNIQUE (destination, series, metric, time_ms, held)
) STRICT;

-- Rows of a tier that were made again, for samples that came late: to be sent once more.
CREATE TABLE remote_write_redone (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  destination TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  series INTEGER NOT NULL,
  UNIQUE (destination, bucket, series)
) STRICT;

-- Batches that a destination had not accepted when they had waited for lag_max, and all their samples. Of a tier, buckets (s)
-- whose rows were deleted then, and how many.
CREATE TABLE remote_write_losses (
  id INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  first_batch INTEGER NOT NULL,
  last_batch INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  noticed_ns INTEGER NOT NULL
) STRICT;
)sql";

inline constexpr const char* version_6 = R"sql(
-- Accepted in the last whole minute, a second; 0 in the first one of a persister.
ALTER TABLE remote_write ADD COLUMN samples_per_s REAL NOT NULL DEFAULT 0;
ALTER TABLE remote_write ADD COLUMN bytes_per_s REAL NOT NULL DEFAULT 0;
)sql";

/// Step i makes schema version i + 1 of version i. A released step never changes.
inline constexpr const char* migrations[] = {version_1, version_2, version_3, version_4, version_5, version_6};
inline constexpr int version = static_cast<int>(std::size(migrations));

}  // namespace ringdown::schema
