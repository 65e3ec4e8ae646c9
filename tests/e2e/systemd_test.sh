#!/bin/bash
# systemd_test.sh: ring-persister as a unit of a real systemd: what goes wrong in a machine's life, each time with every
# sample of a producer of another user accounted for, and with what the journal tells of it.
#
#   systemd_test.sh BUILD_DIR     as root, with systemd as PID 1 and nothing of ringdown installed
#
# Exit 77: not such a machine. It puts the unit, its user and the program where a package does, and removes them again.
set -euo pipefail

build=$(realpath "${1:?usage: systemd_test.sh BUILD_DIR}")
here=$(dirname "$(realpath "$0")")
packaging=$(realpath "$here/../../persister/packaging")
if [[ $(cat /proc/1/comm) != systemd || $EUID -ne 0 ]]; then
  echo "skipped: needs root, and systemd as PID 1"
  exit 77
fi
if [[ -e /usr/bin/ring-persister || -e /etc/ringdown ]]; then
  echo "skipped: ringdown is installed here; remove it first"
  exit 77
fi

bin=$build/bin run=/run/ringdown-test drop_in=/run/systemd/system/ring-persister.service.d
# shellcheck source=tests/e2e/service.sh
source "$here/service.sh"
producer_environment=("RING_LIBRARY=$run/libring_c.so.1")
trap clean_up EXIT

clean_up() {
  kill_producer
  systemctl stop $unit 2>/dev/null || true
  if mountpoint -q $state; then umount $state; fi
  rm -rf /usr/bin/ring-persister /etc/ringdown /run/systemd/system/$unit.service $drop_in /run/sysusers.d/ringdown.conf \
    $state $run $ring
  systemctl daemon-reload
  remove_users
}
status_tells() { systemctl show -p StatusText --value $unit | grep -qE -- "$1"; }

install_unit() {
  install -m 755 "$build/bin/ring-persister" /usr/bin/ring-persister
  install -D -m 644 "$packaging/persister.toml" /etc/ringdown/persister.toml
  install -m 644 "$packaging/ring-persister.service" /run/systemd/system/$unit.service
  install -D -m 644 "$packaging/ringdown.sysusers" /run/sysusers.d/ringdown.conf
  install -D -m 644 /dev/stdin $drop_in/test.conf <<<$'[Service]\nRestartSec=50ms\nWatchdogSec=3\nTimeoutStopSec=5'
  systemd-sysusers
  make_producer_user
  cp "$here/../../libring/python/ringdown.py" "$build/lib/libring_c.so.1" $run/
  systemctl daemon-reload
}
# part TITLE: another part, with an empty database and no ring.
part() {
  printf '\n%s\n' "$*"
  systemctl stop $unit
  since=$(date +%s.%N)
  rm -rf ${state:?}/* $ring
  install -m 644 "$packaging/persister.toml" /etc/ringdown/persister.toml
}
start_and_ready() {
  part "READY when it drains, as its own user, with a producer of another user of the group"
  systemctl start $unit
  status_tells "drains 1 ring" || fail "status"
  [[ $(ps -o user= -p "$(pid)") == ringdown ]] || fail "user"
  start_producer
  until_true 15 status_tells "[0-9]{4} samples/s"
  as_producer /usr/bin/python3 -c "import sqlite3; print(' ', sqlite3.connect('file:$database?mode=ro', uri=True).execute('SELECT count(*) FROM series').fetchone()[0], 'series, read by a member of the group')" ||
    fail "a member of the group reads the database"
  journalctl -u $unit --since "@$since" -o json --no-pager | grep -q '"RINGDOWN_DATABASE":"/var/lib/ringdown/ringdown.db"' ||
    fail "fields in the journal"
  account
}
reloads() {
  part "reload with a good and a bad configuration"
  systemctl start $unit
  start_producer
  local before
  before=$(pid)
  sed -i 's/^round_ms = .*/round_ms = 20/' /etc/ringdown/persister.toml
  systemctl reload $unit
  until_true 10 journal_tells "configuration is reloaded"
  sed -i 's/^round_ms = .*/round_ms = "soon"/' /etc/ringdown/persister.toml
  systemctl reload $unit
  until_true 10 journal_tells "not reloaded, all goes on as before"
  journal_tells "round_ms: found 'soon', expected a whole number" || fail "the error with its key"
  [[ $(pid) == "$before" ]] || fail "it was restarted"
  push_a_while
  account
}
kills() {
  part "killed fifty times under load"
  systemctl start $unit
  start_producer
  local i before
  for ((i = 0; i < 50; ++i)); do
    before=$(pid)
    sleep 0.$((RANDOM % 5))
    systemctl kill -s KILL $unit
    until_true 20 has_started_since "$before"
  done
  push_a_while
  account
}
hangs() {
  part "the watchdog ends one that hangs"
  systemctl start $unit
  start_producer
  local before
  before=$(pid)
  kill -STOP "$before"
  until_true 30 has_started_since "$before"
  journal_tells "Watchdog timeout" || fail "the journal tells of the watchdog"
  push_a_while
  account
}
stops_under_load() {
  part "stopped and started under load"
  systemctl start $unit
  start_producer
  push_a_while
  systemctl stop $unit
  [[ $(systemctl show -p Result --value $unit) == success ]] || fail "a stop under load"
  push_a_while
  systemctl start $unit
  push_a_while
  account
}
disk_full() {
  part "the disk is full for a while"
  mount -t tmpfs -o size=3m,uid="$(id -u ringdown)",gid="$(id -g ringdown)",mode=0750 tmpfs $state
  systemctl start $unit
  start_producer
  push_a_while
  head -c 10M /dev/zero >$state/filler 2>/dev/null || true
  until_true 30 status_tells "no commits: .*full"
  journal_tells "samples are kept" || fail "the journal tells of the full disk"
  push_a_while
  rm $state/filler
  until_true 30 journal_tells "takes commits again"
  account
  umount $state
}
damaged_at_boot() {
  part "boots with a damaged database"
  systemctl start $unit
  start_producer
  push_a_while
  stop_producer
  systemctl stop $unit
  dd if=/dev/urandom of=$database bs=4096 count=1 conv=notrunc status=none
  rm -f $ring
  systemctl start $unit
  journal_tells "was damaged and is now" || fail "the journal tells of the damage"
  compgen -G "$database.damaged-*" >/dev/null || fail "the damaged database is kept"
  start_producer
  push_a_while
  account
}
foreign_segment() {
  part "something else has the ring's name"
  head -c 65536 /dev/urandom >$ring
  chgrp ringdown $ring && chmod 660 $ring
  systemctl start $unit && fail "started on a foreign segment"
  journal_tells "plant" || fail "the journal names the ring"
  journalctl -u $unit --since "@$since" -o cat --no-pager | grep -m1 plant | sed 's/^/  /'
  rm $ring
  until_true 20 systemctl is-active -q $unit
  start_producer
  push_a_while
  account
}

install_unit
start_and_ready
reloads
kills
hangs
stops_under_load
disk_full
damaged_at_boot
foreign_segment
printf '\nall parts passed\n'
