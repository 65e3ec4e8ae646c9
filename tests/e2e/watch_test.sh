#!/bin/bash
# watch_test.sh: ring-inspect --watch in a real terminal: what it shows, and what each key does.
#
#   watch_test.sh BIN_DIR
source "$(dirname "$0")/screen.sh"

# Numbers are N, whatever their width, and a series' age is AGE; a sparkline is blank; spaces in a row are one.
mask() {
  sed -E "s/[▁▂▃▄▅▆▇█]+/ /g; s/[0-9]{2}:[0-9]{2}:[0-9]{2}/TIME/g
    s/[0-9]+(\.[0-9]+)?k?/N/g; s/ +/ /g; s/ N (s|min) N$/ AGE N/; s/ $//"
}

# A producer that lives until its input ends.
mkfifo "$folder/samples"
ring-write --ring "$ring" --lanes 4 <"$folder/samples" &
writer=$!
exec 3>"$folder/samples"
cat >&3 <<'SAMPLES'
# TYPE jobs_total counter
rtt_ms{wan="spectrum"} 20.5
rtt_ms{wan="att"} 31.5
jobs_total 7
SAMPLES

open 120 20 "for ((i = 0; i < 1200; ++i)); do [[ -e /dev/shm/ringdown-$ring ]] && break; sleep 0.05; done
  ring-inspect $ring --watch --every 100ms"
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
