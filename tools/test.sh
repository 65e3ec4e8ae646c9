#!/bin/bash
# test.sh: installs what is missing, builds everything and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

install_packages python3 g++-aarch64-linux-gnu qemu-user  # for the tests of the Python module and of the ring on aarch64
cmake --preset release
cmake --build --preset release
ctest --preset release --no-tests=error
