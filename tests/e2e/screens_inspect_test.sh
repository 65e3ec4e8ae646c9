#!/bin/bash
# screens_inspect_test.sh: what ring-inspect shows in a terminal of a ring that a producer writes.
#
#   screens_inspect_test.sh BIN_DIR
source "$(dirname "$0")/screen.sh"

# What the machine and the moment decide: process ids, with the column's width, and when the ring was made and drained.
mask() {
  sed -E 's/(OWNER +)PID +/\1PID /; s/(ring-write +)[0-9]+ +(alive|dead)/\1PID \2/
    s/(PRODUCER +)PID +/\1PID /; s/(ring-write +)[0-9]+ +([a-z_]+)/\1PID \2/
    s/created [0-9-]+ [0-9:]+/created WHEN/; s/did you mean: .*RING.*/did you mean: RING/
    s/, -?[0-9]+ s behind/, N s behind/; s/commits up to [0-9-]+ [0-9:.]+ survive/commits up to WHEN survive/' |
    uniq  # a sample was pushed until it was seen
}

mkfifo "$folder/samples"
ring-write --ring "$ring" --lanes 4 --lane-records 1024 <"$folder/samples" 2>"$folder/written" &
writer=$!
exec 3>"$folder/samples"
cat >&3 <<'SAMPLES'
# TYPE wanctl_sent_bytes_total counter
wanctl_rtt_ms{wan="spectrum",direction="download"} 20.5 1764000000000
wanctl_rtt_ms{wan="att",direction="download"} 31.25 1764000000050
wanctl_sent_bytes_total{wan="spectrum",direction="upload"} 1234567 1764000000100
wanctl_rtt_ms{wan="spectrum",direction="download"} NaN 1764000001000
wanctl_rtt_ms{wan="spectrum",direction="download"} 19.75 1764000001050
load1 0.07 1764000001100
SAMPLES
run "for ((i = 0; i < 1200; ++i)); do ring-inspect $ring 2>&1 | grep -q load1 && break; sleep 0.05; done; clear
  ring-inspect $ring"
is inspect_plain
fits
has_no_colour
run "ring-inspect $ring --records 4"
is inspect_records
fits
run "ring-inspect ${ring}x"
is inspect_no_such_ring
ring-persister --ring "$ring" --db "$folder/plant.db" --own-metrics-s 0 --until-idle 2>"$folder/log"
run "ring-inspect $ring --db plant.db"
is inspect_database
fits
run "ring-inspect $ring --check"
is inspect_check
has_no_colour
open 80 24 "ring-inspect $ring --follow 'wanctl_rtt_ms{wan=~\"spec.*\"}'"
# Samples that come before it looks are not followed, so that they come until one is.
for ((i = 0; i < 1200; ++i)); do
  echo 'wanctl_rtt_ms{wan="spectrum",direction="download"} 21 1764000002000' >&3
  [[ $(screen) == *' 21'* ]] && break
  sleep 0.05
done
shows ' 21'
echo 'wanctl_rtt_ms{wan="att",direction="download"} 33 1764000003000' >&3
echo 'wanctl_rtt_ms{wan="spectrum",direction="download"} 22.5 1764000003000' >&3
shows ' 22.5'
press C-c
shows 'exit status'
is inspect_follow
exec 3>&-
wait "$writer" || true  # one sample was refused
exit $((failures > 0))
