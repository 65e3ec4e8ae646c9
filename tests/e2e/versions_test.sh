#!/bin/bash
# versions_test.sh: producers and persisters of two versions with the same ABI major work on one ring.
#
#   versions_test.sh BUILD_DIR REVISION    the other version: a tag or commit before this one; it is built (some minutes)
#
# Of each version a daemon and a persister: both daemons push into one ring, and first one persister drains it, then the
# other, into databases of their own. Nothing may be lost, and each daemon's samples are all there.
set -euo pipefail

if [[ $# -ne 2 || ! -x $1/bin/ring-persister ]]; then
  echo "usage: versions_test.sh BUILD_DIR REVISION   (BUILD_DIR/bin has the programs of this tree)" >&2
  exit 2
fi
build=$(realpath "$1") revision=$2
source=$(realpath "$(dirname "$(realpath "$0")")/../..")
tmp=$(mktemp -d)
ring=versions-test-$$
trap clean_up EXIT

clean_up() {
  git -C "$source" worktree remove --force "$tmp/source" 2>/dev/null || true
  rm -rf "$tmp" "/dev/shm/ringdown-$ring"*
}
fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
build_other() {
  git -C "$source" worktree add --quiet --detach "$tmp/source" "$revision"
  cmake -S "$tmp/source" -B "$tmp/build" -G Ninja -DCMAKE_CXX_FLAGS=-O2 -DRINGDOWN_BUILD_BENCH=OFF >"$tmp/log" 2>&1 &&
    cmake --build "$tmp/build" --target ring-persister example_cpp >>"$tmp/log" 2>&1 ||
    { cat "$tmp/log"; fail "build of $revision"; }
}
sql() { sqlite3 -readonly "$1" "$2"; }
# drained PERSISTER DATABASE: what both daemons pushed in two seconds
drained() {
  local persister=$1 database=$2 daemon pids=()
  for daemon in "$build/bin/example_cpp" "$tmp/build/bin/example_cpp"; do
    "$daemon" "$ring" --seconds 2 &
    pids+=($!)
  done
  "$persister" --ring "$ring" --db "$database" 2>"$tmp/persister.log" &
  local pid=$!
  wait "${pids[@]}" || fail "a daemon was disturbed"
  kill "$pid"
  wait "$pid" || { cat "$tmp/persister.log"; fail "$persister"; }
  local stored lost
  stored=$(sql "$database" "SELECT sum(stored) FROM cursors")
  lost=$(sql "$database" "SELECT sum(lost) FROM cursors")
  # 2 daemons, 40 cycles, 3 values; a persister's own metrics may come on top
  local of_daemons
  of_daemons=$(sql "$database" "SELECT sum(count) FROM tier_1m JOIN series ON series.id = series WHERE name LIKE 'daemon_%'")
  ((of_daemons == 240 && lost == 0)) || fail "$persister: stored $stored, of the daemons $of_daemons of 240, lost $lost"
  echo "ok: $3: 240 samples of both daemons, none lost"
}

build_other
drained "$build/bin/ring-persister" "$tmp/new.db" "this version's persister"
rm -f "/dev/shm/ringdown-$ring"
drained "$tmp/build/bin/ring-persister" "$tmp/old.db" "the persister of $revision"
