#!/bin/bash
# screens_query_test.sh: what ring-query shows in a terminal of a database whose samples are always the same.
#
#   screens_query_test.sh BIN_DIR
source "$(dirname "$0")/screen.sh"

# Other tests' rings may be offered.
mask() { sed -E 's/; (there is no ring here at all|the rings here are: .*|did you mean: test-.*)$/; OTHERS/'; }

# Five minutes of a link: a round-trip time with one spike, a counter, and a state that changes twice.
awk 'BEGIN {
  print "time_s,name,labels,value,state"
  for (i = 0; i < 300; ++i) {
    t = 1764000000 + i
    rtt = 20 + i * 7919 % 100 / 50 + (i == 137 ? 180 : 0)
    state = i < 100 ? "0,GREEN" : i < 160 ? "1,YELLOW" : "2,SOFT_RED"
    printf "%d,wanctl_rtt_ms,\"{direction=\"\"download\"\",wan=\"\"spectrum\"\"}\",%g,\n", t, rtt
    printf "%d,wanctl_sent_bytes_total,\"{direction=\"\"upload\"\",wan=\"\"spectrum\"\"}\",%d,\n", t, i * 12345
    if (i % 20 == 0) printf "%d,wanctl_zone,\"{wan=\"\"spectrum\"\"}\",%s\n", t, state
  }
}' >"$folder/link.csv"
ring-replay --ring "$ring" --lanes 4 --lane-records 1024 --csv "$folder/link.csv" --speed max >"$folder/replayed"
# Its rows of that day are not too old to be kept.
cat >"$folder/link.toml" <<TOML
database = "$folder/link.db"
rings = ["$ring"]
own_metrics_s = 0

[tiers]
1s = "off"
1m = "forever"
5m = "forever"
TOML
store() { ring-persister --config "$folder/link.toml" --until-idle 2>"$folder/log"; }
store
range="--from 1764000000 --to 1764000300"
link="ring-query --db link.db"

run "$link --from '2025-11-24 17:02:15' --to '2025-11-24 17:02:20'"
is query_table
fits
has_no_colour
run "$link $range --summary"
is query_summary
fits
open 200 24 "$link $range --summary"
shows 'exit status'
is query_summary_wide
fits
run "$link $range --step 1m wanctl_rtt_ms wanctl_zone"
is query_tier
fits
run "$link $range wanctl_rtt_ms --step 1m --show 'avg,quantile(0.99),max'"
is query_windows
fits
run "$link $range wanctl_rtt_ms wanctl_zone --step 100s"
is query_steps
fits
run "$link $range wanctl_rtt_ms wanctl_zone --format plot"
is query_plot
fits
has_no_colour
run "$link wanctl_rt_ms --from 0"
is query_no_such_name
run "$link 'wanctl_rtt_ms{wan=\"spectrun\"}' --from 0"
is query_no_such_label
run "$link wanctl_rtt_ms --from '2025-11-25'"
is query_no_data
run "ring-query --db link.dB"
is query_no_such_file
run "$link --last 5x"
is query_bad_duration
run "$link --from 0 wanctl_zone --limit 2 2>&1 | cat -v"  # ^[ would be what steers a terminal
is query_piped

# What is committed while it follows; the later file's times go on where the first one's end.
open 80 24 "$link wanctl_zone --from 1764000260 --follow"
shows '17:04:40'
printf 'time_s,name,labels,value,state\n1764000300,wanctl_zone,"{wan=""spectrum""}",0,GREEN\n1764000320,wanctl_zone,"{wan=""spectrum""}",3,RED\n' \
  >"$folder/later.csv"
ring-replay --ring "$ring" --csv "$folder/later.csv" --speed max >"$folder/replayed"
store
shows '17:05:20'
press C-c
shows 'exit status'
is query_follow
fits

# What no persister has stored yet: first asked for, then followed through its commit.
printf 'time_s,name,labels,value,state\n1764000340,wanctl_zone,"{wan=""spectrum""}",2,SOFT_RED\n1764000341,wanctl_load,,0.5,\n' \
  >"$folder/latest.csv"
ring-replay --ring "$ring" --csv "$folder/latest.csv" --speed max >"$folder/replayed"
run "$link --from 1764000320; $link --from 1764000320 --live"
is query_live
fits
run "$link --from 1764000240 --live --summary --step 1m"
is query_live_summary
fits
run "$link --from 1764000300 wanctl_zone --live --step 1m"
is query_live_tier
fits
open 80 24 "$link --from 1764000340 --live --follow"
shows '17:05:41'
store
printf 'time_s,name,value\n1764000342,wanctl_load,0.75\n' >"$folder/latest.csv"
ring-replay --ring "$ring" --csv "$folder/latest.csv" --speed max >"$folder/replayed"
shows '17:05:42'
store
printf 'time_s,name,value\n1764000343,wanctl_load,1\n' >"$folder/latest.csv"
ring-replay --ring "$ring" --csv "$folder/latest.csv" --speed max >"$folder/replayed"
shows '17:05:43'
press C-c
shows 'exit status'
is query_live_follow
rm "/dev/shm/ringdown-$ring"
run "$link --live"
is query_live_no_ring
run "$link --ring $ring"
is query_ring_without_live
exit $((failures > 0))
