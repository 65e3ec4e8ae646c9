#!/bin/bash
# push_instructions.sh INCLUDE_DIR: fails if a push, its slow path included, has an atomic read-modify-write, a
# system call or a call of anything that is not its own slow path, on x86-64 and (where its compiler is) on aarch64.
set -euo pipefail
include=$1
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check COMPILER OBJDUMP REGEX-OF-FORBIDDEN
check() {
  local compiler=$1 objdump=$2 forbidden=$3 code calls
  "$compiler" -std=c++20 -O2 -I "$include" -c "$here/push_instructions.cpp" -o "$work/push.o"
  code=$("$objdump" -drC --no-show-raw-insn "$work/push.o")
  grep -q '<probe_push>:' <<<"$code" || { echo "$compiler: no probe_push in the object"; return 1; }
  if grep -nE "$forbidden" <<<"$code"; then
    echo "FAILED: $compiler puts the instructions above into a push"
    return 1
  fi
  calls=$(nm -uC "$work/push.o")
  if [[ -n $calls ]]; then
    printf 'FAILED: %s makes a push call\n%s\n' "$compiler" "$calls"
    return 1
  fi
  echo "$compiler: $(grep -cE '^ +[0-9a-f]+:' <<<"$code") instructions, no read-modify-write, no call outside"
}

check "${CXX:-g++}" objdump '\block\b|\bxchg +.*\(|\bcmpxchg|\bsyscall\b'
if command -v aarch64-linux-gnu-g++ >/dev/null; then
  # without the out-of-line helpers of -moutline-atomics, so that an atomic would be seen as one
  check aarch64-linux-gnu-g++ aarch64-linux-gnu-objdump '\b(ldxr|stxr|ldaxr|stlxr|swp|cas|ldadd)[a-z]*\b|\bsvc\b'
fi
