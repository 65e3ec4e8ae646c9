#!/bin/bash
# watch_test.sh: ring-inspect --watch in a real terminal (tmux): what it shows, and what each key does. The screens are
# kept in screens/, numbers and sparklines masked; UPDATE_SCREENS=1 writes them anew.
#
#   watch_test.sh BIN_DIR
set -euo pipefail

command -v tmux >/dev/null || { echo "skipped: no tmux" && exit 77; }
bin=$(realpath "${1:?usage: watch_test.sh BIN_DIR}")
screens=$(realpath "$(dirname "$0")/screens")
folder=$(mktemp -d)
ring=test-$$-watch
failures=0
export LC_ALL=C.UTF-8
terminal() { tmux -L "$ring" -f /dev/null "$@"; }
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$folder" "/dev/shm/ringdown-$ring"' EXIT

screen() { terminal capture-pane -p; }
# shows TEXT [LINE]: waits until the screen, or this line of it, has it, a minute at most.
shows() {
  local tries
  for ((tries = 0; tries < 1200; ++tries)); do
    if [[ $(screen | sed -n "${2:-1,\$}p") == *"$1"* ]]; then return; fi
    sleep 0.05
  done
  printf 'FAILED: never shown: %s\n' "$1"
  screen
  exit 1
}
# Numbers are N, whatever their width, and a series' age is AGE; a sparkline is blank; spaces in a row are one.
masked() {
  screen | sed -E "s/$ring/RING/g; s/[▁▂▃▄▅▆▇█]+/ /g; s/[0-9]{2}:[0-9]{2}:[0-9]{2}/TIME/g
    s/[0-9]+(\.[0-9]+)?k?/N/g; s/ +/ /g; s/ N (s|min) N$/ AGE N/; s/ $//"
}
# is NAME: the screen is the one that is kept under this name.
is() {
  masked >"$folder/$1"
  if [[ ${UPDATE_SCREENS:-} ]]; then cp "$folder/$1" "$screens/$1"; fi
  if diff -u "$screens/$1" "$folder/$1"; then
    echo "ok: $1"
  else
    echo "FAILED: $1"
    failures=$((failures + 1))
  fi
}
press() { terminal send-keys "$@"; }

# A producer that lives until its input ends.
mkfifo "$folder/samples"
"$bin/ring-write" --ring "$ring" --lanes 4 <"$folder/samples" &
writer=$!
exec 3>"$folder/samples"
cat >&3 <<'SAMPLES'
# TYPE jobs_total counter
rtt_ms{wan="spectrum"} 20.5
rtt_ms{wan="att"} 31.5
jobs_total 7
SAMPLES

# Without the producer's input, which would stay open in it.
terminal new-session -d -x 120 -y 20 3>&- \
  "for ((i = 0; i < 1200; ++i)); do [[ -e /dev/shm/ringdown-$ring ]] && break; sleep 0.05; done
   $bin/ring-inspect $ring --watch --every 100ms; echo \"exit status \$?\"; cat"
shows 'SERIES (3)'
shows 'jobs_total'
shows ' 31.5 '
is watch_start
press '?'
shows 'LANES   a line'
is watch_help
press '?'
shows 'SERIES (3)'
press Tab s
shows 'sort: name'
is watch_sorted
press / att
shows 'filter: att_'
is watch_filter
press Enter
shows 'SERIES (1 of 3)'
press / Enter
shows 'SERIES (3)'
press p
shows 'PAUSED'
echo 'jobs_total 8' >&3
echo 'late_total 1' >&3
is watch_paused
press p
shows 'SERIES (4)'
terminal resize-window -x 80 -y 12
shows 'q quit' 12
press End
shows 'rtt_ms{wan="spectrum"}' 9
is watch_small
terminal resize-window -x 120 -y 20
shows 'q quit' 20
exec 3>&-
wait "$writer"
shows ' dead '
rm "/dev/shm/ringdown-$ring"
shows 'THE RING WAS DELETED'
is watch_deleted
press q
shows 'exit status 0'
exit $((failures > 0))
