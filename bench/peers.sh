#!/bin/bash
# peers.sh: ring_peers_bench with an LTTng session that overwrites (a flight recorder), if LTTng is there.
set -euo pipefail
if [[ $# -lt 1 ]]; then
  echo "usage: $0 build/bin/ring_peers_bench [--benchmark_...]" >&2
  exit 2
fi

daemon=
shopt -s nullglob
waits_before=(/dev/shm/lttng-ust-wait-*)
end_daemon() {
  [[ -z $daemon ]] || { kill "$daemon" && wait "$daemon"; } || true
  ((${#waits_before[@]})) || rm -f /dev/shm/lttng-ust-wait-*  # made by LTTng-UST, which leaves them
}
trap end_daemon EXIT

if ! command -v lttng-sessiond > /dev/null; then
  echo "lttng-tools is not installed: the cases of lttng_ust will report an error" >&2
elif lttng --no-sessiond list > /dev/null 2>&1; then
  echo "an lttng-sessiond runs already and is left alone: the cases of lttng_ust will report an error" >&2
else
  lttng-sessiond > /dev/null 2>&1 & daemon=$!
  until lttng --no-sessiond list > /dev/null 2>&1; do
    kill -0 "$daemon"
    sleep 0.1
  done
  lttng create ringdown-bench --snapshot > /dev/null
  lttng enable-channel --userspace --overwrite --subbuf-size 1M --num-subbuf 4 records > /dev/null
  lttng enable-event --userspace --channel records ringdown_bench:sample > /dev/null
  lttng start > /dev/null
fi
LTTNG_UST_REGISTER_TIMEOUT=3000 "$@"
