#!/bin/bash
# demo.sh: builds Ringdown, records this host for ten seconds and accounts for every sample.
# Writes to build/ and ringdown-demo/, whose database a rerun replaces. As root it installs missing packages.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

bin=build/bin
ring=demo-$$
db=ringdown-demo/metrics.db
log=ringdown-demo/hostmon.log
persister="" producer=""  # process ids while they run

trap clean_up EXIT

clean_up() {
  local pid
  for pid in $producer $persister; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  rm -f "/dev/shm/ringdown-$ring"
}

title() { printf '\n== %s\n' "$1"; }

# Shows a command and what it prints.
show() {
  printf '\n$ %s\n' "$1"
  eval "$1"
}

build() {
  cmake --preset release
  cmake --build --preset release --target ring-persister ring-hostmon ring-inspect ring-query
}

# Returns when the persister has made its ring, so that nothing is recorded for nobody.
start_persister() {
  mkdir -p ringdown-demo
  rm -f "$db" "$db-wal" "$db-shm" "/dev/shm/ringdown-$ring"
  # Without its own metrics, whose first row would come as the ten seconds end: the account is of what the host pushed.
  $bin/ring-persister --ring "$ring" --db "$db" --own-metrics-s 0 &
  persister=$!
  for ((tenths = 0; tenths < 100; ++tenths)); do
    [[ ! -e /dev/shm/ringdown-$ring ]] || return 0
    kill -0 "$persister" 2>/dev/null || break
    sleep 0.1
  done
  echo "demo: ring-persister has made no ring /dev/shm/ringdown-$ring; its messages above say why" >&2
  return 1
}

record() {
  $bin/ring-hostmon --ring "$ring" --seconds 10 --progress >"$log" &
  producer=$!
  wait "$producer"
  producer=""
  cat "$log"
}

stop_persister() {
  local stopped=$persister
  persister=""
  kill -TERM "$stopped"
  wait "$stopped"
}

# Every sample that was pushed is stored, or lost and told of by a row of losses. Fails if one is not.
reconcile() {
  local pushed stored lost told verdict=OK
  pushed=$(sed -n 's/^pushed \([0-9]*\) .*/\1/p' "$log")
  IFS='|' read -r stored lost told < <(sqlite3 "$db" \
    'SELECT sum(stored), sum(lost), (SELECT coalesce(sum(count), 0) FROM losses) FROM cursors')
  ((pushed == stored + lost && lost == told)) || verdict=MISMATCH
  printf 'pushed %d = stored %d + lost %d (%d in table losses)   %s\n' "$pushed" "$stored" "$lost" "$told" $verdict
  [[ $verdict == OK ]]
}

title "Build"
install_packages
build

title "Record this host for 10 s: ring-hostmon -> ring $ring -> ring-persister -> $db"
start_persister
record
stop_persister

title "What the ring held"
show "$bin/ring-inspect $ring"

title "What the database holds"
show "$bin/ring-query --db $db hostmon_loopback_rtt_us --last 5m --step raw --limit 10"
show "sqlite3 -header -column $db 'SELECT * FROM metrics LIMIT 5'"

title "Is every sample accounted for?"
reconcile
show "$bin/ring-persister verify --db $db"

title "What to try next"
cat <<NEXT
  $bin/ring-query --db $db hostmon_loopback_rtt_us --last 1h --step 1s
  $bin/ring-query --db $db '{direction="receive"}' --last 1h --format csv
  $bin/ring-persister --ring plant --db ringdown-demo/plant.db &   # a recorder,
  $bin/ring-hostmon --ring plant --progress                        # its producer,
  $bin/ring-inspect plant --records 20                             # and, in another shell, what is between them
  tools/test.sh                                                          # builds and runs every test
NEXT
