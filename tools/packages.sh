# shellcheck shell=bash
# packages.sh: the Debian packages that building, testing and the demo need. To be sourced.

packages=(
  g++ cmake ninja-build pkgconf                               # to build
  libboost-dev libsqlite3-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libxxhash-dev libzstd-dev libtomlplusplus-dev
  libsystemd-dev libcpp-httplib-dev prometheus-cpp-dev libcurl4-openssl-dev libcairo2-dev libsnappy-dev libncurses-dev
  catch2 libbenchmark-dev libssl-dev python3                  # tests and benchmarks
  sqlite3                                                     # to look into a database
  groff-base                                                  # to check the manual pages
  tmux                                                        # to test full-screen programs
)

missing_packages() {
  local name
  for name in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

# Installs what is missing; without root it says what to install, and fails.
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    printf 'Packages are missing. As root: apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    return 1
  fi
  printf 'Installs %s (a minute or two)\n' "${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(apt-get -q update 2>&1 && apt-get -qy install --no-install-recommends "${missing[@]}" 2>&1) && return 0
  printf '%s\nThese packages could not be installed (apt-get says why above): %s\n' "$log" "${missing[*]}" >&2
  return 1
}

# without_services COMMAND...: what it installs is not started, as Debian does with services otherwise.
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if ((EUID != 0)) || [[ -e $policy ]]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  "$@" || status=$?
  rm -f "$policy"
  return "$status"
}
