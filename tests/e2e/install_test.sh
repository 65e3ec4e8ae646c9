#!/bin/bash
# install_test.sh: a daemon outside the tree builds and runs against the installed library.
# It installs BUILD_DIR's libring into a temporary prefix, copies the daemon of install/ away from the tree, then
# builds it with find_package(ring) and with pkg-config, and runs both, each on a ring of its own.
set -euo pipefail

if [[ $# -ne 1 || ! -f $1/CMakeCache.txt ]]; then
  echo "usage: install_test.sh BUILD_DIR   (a build folder of this tree, configured with CMake)" >&2
  exit 2
fi
build=$(realpath "$1")
source=$(dirname "$(realpath "$0")")/install
ring=install-test-$$
tmp=$(mktemp -d)
running=""  # process group of the step under way
trap clean_up EXIT

# Also on SIGTERM, with whatever the step has started: nothing may write to a folder that is being removed.
clean_up() {
  [[ -z $running ]] || { kill -- "-$running" && wait "$running"; } 2>/dev/null || true
  rm -rf "$tmp" "/dev/shm/ringdown-$ring"*
}

# step WHAT COMMAND...: says that it is done or, with the command's output, that it failed.
step() {
  local what=$1
  shift
  set -m  # a process group of its own
  "$@" >"$tmp/log" 2>&1 &
  running=$!
  set +m
  if ! wait "$running"; then
    printf 'FAILED: %s\n  %s\n' "$what" "$*"
    cat "$tmp/log"
    exit 1
  fi
  running=""
  echo "ok: $what"
}

install_library() {
  step "cmake --install" cmake --install "$build/libring" --prefix "$tmp/prefix"
  cp -r "$source" "$tmp/stranger"
}

build_with_cmake() {
  step "find_package(ring)" cmake -S "$tmp/stranger" -B "$tmp/stranger/build" -DCMAKE_PREFIX_PATH="$tmp/prefix"
  step "build with ring::ring" cmake --build "$tmp/stranger/build"
}

build_with_pkg_config() {
  local config flags
  config=$(find "$tmp/prefix" -name ring.pc -printf '%h')
  step "pkg-config ring" env PKG_CONFIG_PATH="$config" pkg-config --cflags --libs ring
  read -ra flags <"$tmp/log"
  step "build with pkg-config" g++ -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
    "$tmp/stranger/daemon.cpp" "${flags[@]}" -o "$tmp/daemon"
}

install_library
build_with_cmake
build_with_pkg_config
step "run the daemon of find_package" "$tmp/stranger/build/daemon" "$ring-cmake"
step "run the daemon of pkg-config" "$tmp/daemon" "$ring-pkg-config"
