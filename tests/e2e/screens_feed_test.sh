#!/bin/bash
# screens_feed_test.sh: what ring-write and ring-replay show in a terminal.
#
#   screens_feed_test.sh BIN_DIR
source "$(dirname "$0")/screen.sh"

# How long it took, and with it the rates and how late pushes were; how many seconds it went on, and with it the counts.
mask() {
  sed -E 's/(seconds|per_second|late_us_[a-z0-9]+) [0-9]+\.[0-9]+/\1 N/g; s/late [0-9.]+ us/late N us/; s|[0-9]+/s|N/s|
    s/^[0-9]+ s  pushed [0-9]+/N s  pushed N/; s/^pushed [0-9]+ accepted [0-9]+/pushed N accepted N/'
}

cat >"$folder/samples" <<'SAMPLES'
# TYPE backup_bytes_total counter
backup_bytes_total{disk="sda"} 1.5e9
backup_seconds{disk="sda" 12
backup_seconds 12 1764000000000
backup seconds 13
backup_age_days NaN
SAMPLES
run "ring-write --ring $ring --lanes 4 <samples"
is write_bad_line
has_no_colour
run "ring-write --ring $ring --verbose <samples"
is write_report
run "ring-write --ring $ring --strict samples"
is write_strict
run "echo 'backup_seconds 12' | ring-write --ring $ring"
is write_quiet

# Typed in, up to ^D.
open 80 24 "stty echo; echo typed:; ring-write --ring $ring --verbose"
shows 'typed:'
press 'backup_seconds 12' Enter 'backup_seconds' Enter
shows 'line 2'
press C-d
shows 'exit status'
is write_typed

open 80 24 "ring-replay --ring $ring --profile control-loop"
shows ' pushed '
fits
is replay_progress
press C-c
shows 'exit status'
is replay_report
has_no_colour
# The progress line is for terminals.
open 80 24 "ring-replay --ring $ring --profile control-loop --seconds 2 2>&1 | cat -v"
shows 'exit status'
is replay_piped
printf 'time_s,name,value\n1764000000,load1,0.5\n1764000001,load1,high\n' >"$folder/bad.csv"
run "ring-replay --ring $ring --csv bad.csv"
is replay_bad_line
fits
exit $((failures > 0))
