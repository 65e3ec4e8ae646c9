#!/bin/bash
# screens_persister_test.sh: what ring-persister shows in a terminal.
#
#   screens_persister_test.sh BIN_DIR
source "$(dirname "$0")/screen.sh"

# When, how long and how fast it was, and how large the files became.
mask() {
  sed -E 's/^\[[0-9-]+ [0-9:.]+\]/[WHEN]/; s/[0-9]+ MiB copied in [0-9.]+ s \(WAL [0-9]+ MiB/N MiB copied in N s (WAL N MiB/
    s/verified in [0-9.]+ s/verified in N s/; s/commits up to [0-9TZ:-]+/commits up to WHEN/; s/generation [0-9a-f]+/generation N/'
}

cat >"$folder/good.toml" <<'TOML'
database = "/var/lib/ringdown/plant.db"
rings = ["plant", "test"]

[tiers]
raw = "3d"
1h = "forever"

[[rule]]
name = "wanctl_*"
labels = { wan = "spectrum", direction = "down*" }
interval = "50ms"
resolution = 0.001

[[remote_write]]
name = "site"
url = "http://localhost:8428/api/v1/write"
TOML
printf 'database = "plant.db"\nrings = "plant"\ncommitms = 250\n\n[tiers]\nraw = "5x"\n1m = "10m"\n' >"$folder/bad.toml"
run "ring-persister check-config good.toml"
is persister_check_config
has_no_colour
run "ring-persister check-config good.toml --series 'wanctl_rtt_ms{wan=\"spectrum\",direction=\"download\"}'"
is persister_check_series
run "ring-persister check-config bad.toml"
is persister_bad_config

ring-write --ring "$ring" --lanes 4 --lane-records 1024 <<'SAMPLES'
wanctl_rtt_ms{wan="spectrum"} 20.5 1764000000000
wanctl_rtt_ms{wan="spectrum"} 21.5 1764000000050
wanctl_rtt_ms{wan="att"} 31.25 1764000061000
SAMPLES
printf '[tiers]\n1s = "forever"\n1m = "forever"\n5m = "forever"\n' >"$folder/keep.toml"  # rows of so long ago
run "ring-persister --config keep.toml --ring $ring --db plant.db --own-metrics-s 0 --until-idle"
is persister_until_idle
[[ $(coloured_screen) == *$'\e['* ]] || failed "its log has no colours in a terminal"
run "ring-persister --config keep.toml --ring $ring --db plant.db --own-metrics-s 0 --until-idle 2>&1 | cat -v"  # ^[ would be what steers it
is persister_piped
run "ring-persister verify --db plant.db"
is persister_verify
fits
frame $']\e[K'
is persister_verify_bar
fits
run "ring-persister verify --db plant.db 2>&1 | cat -v"
is persister_verify_piped
run "ring-persister backup --db plant.db --to backup.db"
is persister_backup
frame $']\e[K'
is persister_backup_bar
run "ring-persister backup --db plant.db --to backup.db"
is persister_backup_again
run "ring-persister status --db plant.db"
is persister_status_none
run "ring-persister verify --db plan.db"
is persister_no_such_file

sqlite3 "$folder/old.db" <<'SQL'
CREATE TABLE metrics (
  id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, wan_name TEXT NOT NULL, metric_name TEXT NOT NULL,
  value REAL NOT NULL, labels TEXT, granularity TEXT DEFAULT 'raw');
CREATE INDEX idx_metrics_granularity_time ON metrics (granularity, timestamp);
WITH RECURSIVE t(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM t WHERE i < 599)
  INSERT INTO metrics (timestamp, wan_name, metric_name, value, granularity)
  SELECT 1700000000 + i, 'spectrum', 'rtt_ms', 20 + i % 7, 'raw' FROM t;
INSERT INTO metrics (timestamp, wan_name, metric_name, value, granularity) VALUES
  (1700000460, 'spectrum', 'rtt_ms', 22.5, '1m'), (1699999000, 'spectrum', 'rtt_ms', 23, '5m'),
  (1699990000, 'spectrum', 'rtt_ms', 24, '1h'), (1700000001, 'spectrum', 'rtt ms', 1, 'raw'),
  (1700000002, 'spectrum', 'rtt_ms', 25, '2h');
SQL
run "ring-persister import old.db --db new.db"
is persister_import
frame $']\e[K'
is persister_import_bar
run "ring-persister import old.db --db new.db 2>&1 | cat -v"
is persister_import_again
exit $((failures > 0))
