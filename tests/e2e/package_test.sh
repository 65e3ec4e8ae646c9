#!/bin/bash
# package_test.sh: the Debian packages installed, upgraded under a producer, removed and purged.
#
#   package_test.sh BUILD_DIR     as root, with systemd as PID 1, what the packages depend on, and nothing of ringdown
#
# BUILD_DIR is that of the preset "deb". Exit 77: not such a machine. Whatever happens, nothing stays installed.
# Images of containers forbid packages to start services, by a policy-rc.d: it is covered by a mount meanwhile.
set -euo pipefail

build=$(realpath "${1:?usage: package_test.sh BUILD_DIR}")
here=$(dirname "$(realpath "$0")")
packages=(libring-c1 libring-dev python3-ringdown ringdown ringdown-sqlite)
config=/etc/ringdown/persister.toml
if [[ ! -f $build/CPackConfig.cmake ]]; then
  echo "$build: no CPackConfig.cmake; first: cmake --workflow --preset deb" >&2
  exit 2
fi
if [[ $(cat /proc/1/comm) != systemd || $EUID -ne 0 ]]; then
  echo "skipped: needs root, and systemd as PID 1"
  exit 77
fi
known=$(dpkg-query -W -f '${db:Status-Status}' "${packages[@]}" 2>/dev/null || true)
if [[ -n ${known//not-installed/} || -e /usr/bin/ring-persister || -e /etc/ringdown || -e /var/lib/ringdown ]] ||
  getent passwd ringdown >/dev/null; then
  echo "skipped: ringdown is installed here, or was; remove it first (packages, /var/lib/ringdown, user)"
  exit 77
fi

bin=/usr/bin run=/run/ringdown-test folder=$(mktemp -d)
# shellcheck source=tests/e2e/service.sh
source "$here/service.sh"
policy=/usr/sbin/policy-rc.d
trap clean_up EXIT
export DEBIAN_FRONTEND=noninteractive

clean_up() {
  kill_producer
  systemctl stop $unit 2>/dev/null || true  # also when a maintainer script did not
  dpkg --purge "${packages[@]}" >/dev/null 2>&1 || true
  remove_users
  if mountpoint -q $policy; then umount $policy; fi
  rm -rf "$folder" $state $run $ring
  systemctl daemon-reload
}
part() { printf '\n%s\n' "$*"; }
quietly() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log" && fail "$*"; }; }
version() { dpkg-query -W -f '${Version}' ringdown 2>/dev/null; }
rows() { as_producer /usr/bin/ring-query --db $database seq --from 0 --limit 5 --format csv | wc -l; }
has_rows() { (($(rows) == 6)); }
# sql QUERY: its first row, read by a member of the group.
sql() {
  as_producer /usr/bin/python3 -c "import sqlite3; print(*sqlite3.connect('$database').execute('$1').fetchone())"
}
account_all() {
  account
  [[ $(sql 'SELECT sum(lost) FROM cursors') == 0 ]] || fail "samples were lost"
}

makes_packages() {
  part "one set of packages, and one of a higher version"
  local release
  for release in 1 2; do
    quietly cpack -G DEB --config "$build/CPackConfig.cmake" -D CPACK_DEBIAN_PACKAGE_RELEASE=$release \
      -B "$folder/$release"
    (($(compgen -G "$folder/$release/*.deb" | wc -l) == ${#packages[@]})) || fail "expected ${#packages[@]} packages"
  done
  # They are not for Debian's archive, and CPack's own scripts call ldconfig.
  if command -v lintian >/dev/null; then
    quietly lintian --allow-root --fail-on warning \
      --suppress-tags initial-upload-closes-no-bugs,maintscript-calls-ldconfig "$folder"/1/*.deb
    echo "  lintian is content"
  fi
}
installs() {
  part "installed: enabled, READY, open to the group and to nobody else"
  if [[ -e $policy ]]; then mount --bind /bin/true $policy; fi
  quietly dpkg -i "$folder"/1/*.deb
  [[ $(systemctl is-enabled $unit) == enabled ]] || fail "enabled"
  systemctl is-active -q $unit || fail "active"
  until_true 10 journal_tells "plant"
  make_producer_user
  start_producer
  until_true 15 has_rows
  [[ -n $(sql 'SELECT * FROM series') ]] || fail "a member of the group reads the database"
  setpriv --reuid nobody --regid nogroup --clear-groups /usr/bin/ring-query --db $database seq >/dev/null 2>&1 &&
    fail "a stranger reads the database"
  if command -v sqlite3 >/dev/null; then
    (($(as_producer sqlite3 -cmd '.load libringdown_sqlite' $database 'SELECT count(*) FROM ring_samples') > 0)) ||
      fail "the extension shows no samples"
  fi
}
serves_daemons() {
  part "a daemon in C++ and one in C are built with what is installed"
  local flags
  read -ra flags <<<"$(pkg-config --cflags --libs ring)"
  quietly g++ -std=c++20 "$here/install/daemon.cpp" "${flags[@]}" -o "$folder/daemon"
  read -ra flags <<<"$(pkg-config --cflags --libs ring_c)"
  quietly gcc /usr/share/doc/libring-dev/examples/daemon.c "${flags[@]}" -o "$folder/daemon_c"
  quietly cmake -S "$here/install" -B "$folder/stranger"
  [[ $(ldd "$folder/daemon_c") == *"libring_c.so.1 => /"* ]] || fail "libring_c.so.1 is not found"
}
upgrades() {
  part "upgraded under a producer: another version drains, and the producer notices nothing"
  local before
  before=$(pid)
  echo "# the administrator's" >>$config
  push_a_while
  quietly dpkg -i "$folder"/2/*.deb
  [[ $(version) == *-2 ]] || fail "version $(version)"
  has_started_since "$before" || fail "it was not restarted"
  grep -q "^# the administrator's" $config || fail "the edited configuration is gone"
  push_a_while
  account_all
}
keeps_what_was_chosen() {
  part "an upgrade does not start what was disabled"
  quietly systemctl disable $unit
  quietly dpkg -i "$folder"/2/ringdown_*.deb
  [[ $(systemctl is-enabled $unit) == disabled ]] || fail "enabled again"
  if systemctl is-active -q $unit; then fail "started"; fi
  quietly systemctl enable --now $unit
}
removes() {
  part "removed: stopped, what was pushed is stored, configuration and data stay; installed again: goes on"
  rm -rf ${state:?}/* $ring
  quietly systemctl restart $unit
  start_producer
  push_a_while
  quietly dpkg --remove ringdown
  if systemctl is-active -q $unit; then fail "still runs"; fi
  [[ ! -e /usr/lib/systemd/system/$unit.service && -s $config && -s $database ]] || fail "what stays"
  push_a_while
  quietly dpkg -i "$folder"/2/ringdown_*.deb
  systemctl is-active -q $unit || fail "does not run"
  push_a_while
  account_all
}
purges() {
  part "purged: nothing stays but the database"
  quietly dpkg --purge "${packages[@]}"
  grep -q "databases in $state are kept" "$folder/log" || fail "does not say what it keeps"
  [[ -s $database ]] || fail "the database is gone"
  local left
  left=$(find /etc /usr /var/lib/systemd -xdev -not -path '/usr/local/*' -not -path '/usr/src/*' \
    \( -name '*ringdown*' -o -name 'ring-persister*' -o -name 'libring[-_]c*' \))
  [[ -z $left ]] || fail "left: $left"
}
purges_without_data() {
  part "purged without a database: no folder stays"
  rm -rf ${state:?}/*
  quietly dpkg -i "$folder"/2/ringdown_*.deb
  quietly systemctl stop $unit
  rm -rf ${state:?}/*
  quietly dpkg --purge ringdown
  [[ ! -e $state ]] || fail "$state stays"
}

makes_packages
installs
serves_daemons
upgrades
keeps_what_was_chosen
removes
purges
purges_without_data
printf '\nall parts passed\n'
