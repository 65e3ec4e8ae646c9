#!/bin/bash
# engines.sh: installs VictoriaMetrics, Prometheus and what their feeder needs, builds engines_bench and runs it.
# Arguments are Google Benchmark's. Needs root, two CPUs, 1 GiB and some ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(victoria-metrics prometheus libcpp-httplib-dev libsnappy-dev)
if ! dpkg --status "${packages[@]}" > /dev/null 2>&1; then
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
fi
cmake --preset release
cmake --build --preset release --target engines_bench
build/bin/engines_bench "$@"
