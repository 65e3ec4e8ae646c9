# shellcheck shell=bash
# service.sh: what the tests of the service share: a producer of another user, and the account of its samples. To be
# sourced, with: here (this folder), bin (where ring-query and ring-persister are), run (a folder to make).
: "${here:?}" "${bin:?}" "${run:?}"

# shellcheck disable=SC2034  # some are for who sources this
unit=ring-persister state=/var/lib/ringdown database=/var/lib/ringdown/ringdown.db ring=/dev/shm/ringdown-plant
producer="" since=$(date +%s.%N)
producer_environment=()

fail() {
  printf 'FAILED: %s\n' "$*"
  journalctl -b -u $unit -n 30 --no-pager || true
  exit 1
}
# until_true SECONDS COMMAND...: fails when it does not come true.
until_true() {
  local seconds=$1 end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "not within $seconds s: $*"
    sleep 0.02
  done
}
journal_tells() { journalctl -u $unit --no-pager -o cat --since "@$since" | grep -qE -- "$1"; }
pid() { systemctl show -p MainPID --value $unit; }
has_started_since() { [[ $(pid) != "$1" && $(pid) != 0 ]] && systemctl is-active -q $unit; }

make_producer_user() {
  useradd --system --no-create-home --groups ringdown ringdown-producer
  install -d -o ringdown-producer "$run"
  cp "$here/systemd_producer.py" "$run/"
}
remove_users() {
  userdel ringdown-producer 2>/dev/null || true
  userdel ringdown 2>/dev/null || true
  groupdel ringdown 2>/dev/null || true
}
as_producer() { setpriv --reuid ringdown-producer --regid ringdown --clear-groups "$@"; }
# A producer of another user, of the group; `umask` as an administrator would set it for its unit.
start_producer() {
  rm -f "$run/accepted"
  (
    umask 0007
    exec setpriv --reuid ringdown-producer --regid ringdown --clear-groups env "${producer_environment[@]}" \
      PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$run/systemd_producer.py" plant "$run/accepted"
  ) &
  producer=$!
  until_true 10 test -s "$run/accepted"
}
pushed_more() { (($(cat "$run/accepted") > $1 + 4000)); }
push_a_while() { until_true 20 pushed_more "$(cat "$run/accepted")"; }
kill_producer() { [[ -z $producer ]] || kill "$producer" 2>/dev/null || true; }
stop_producer() {
  kill -TERM "$producer"
  wait "$producer" || fail "the producer was disturbed: exit $?"
  producer=""
}
# Every sample that the ring took is stored once, in its order.
account() {
  stop_producer
  systemctl is-active -q $unit || fail "the persister does not run"
  systemctl stop $unit
  "$bin/ring-query" --db $database seq --from 0 --format csv >"$run/stored.csv"
  awk -F, 'NR > 1 && $4 != NR - 2 { print "row " NR - 2 ": " $0; exit 1 }' "$run/stored.csv" ||
    fail "a sample is missing or double"
  local stored
  stored=$(($(wc -l <"$run/stored.csv") - 1))
  ((stored == $(cat "$run/accepted"))) || fail "stored $stored of $(cat "$run/accepted")"
  "$bin/ring-persister" verify --db $database --quiet || fail "verify"
  echo "  stored all of $stored samples"
}
