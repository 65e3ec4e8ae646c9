#!/bin/bash
# test.sh: installs what is missing, builds everything and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

packages+=(python3 g++-aarch64-linux-gnu qemu-user)  # tests of the Python module, and of the ring on aarch64
packages+=(victoria-metrics prometheus)              # tests of remote write, which start their own
without_services install_packages
cmake --preset release
cmake --build --preset release
ctest --preset release --no-tests=error
