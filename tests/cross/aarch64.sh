#!/bin/bash
# aarch64.sh SOURCE_DIR PERSISTER: the ring's unit and model tests, cross-built and run under qemu-user; then a ring
# written there is drained by the persister built here, and chunks are unpacked to the same values.
# Exit 77 (skipped) where Debian's g++-aarch64-linux-gnu or qemu-user is not installed.
set -euo pipefail
source_dir=$1 persister=$2
compiler=aarch64-linux-gnu-g++
command -v "$compiler" >/dev/null && command -v qemu-aarch64 >/dev/null || exit 77
work=$(mktemp -d)
ring=aarch64-$$
clean_up() { rm -rf "$work" "/dev/shm/ringdown-$ring"; }
trap clean_up EXIT
trap 'exit 143' TERM INT

mkdir "$work/include"
ln -s /usr/include/boost /usr/include/catch2 "$work/include/"  # headers only: the same for every architecture
cd "$work"
build() { "$compiler" -std=c++20 -O1 -I include -I "$source_dir/libring/include" -I "$source_dir/tests/support" "$@"; }
for part in support/main support/support unit/test_abi unit/test_definition unit/test_lane unit/test_segment unit/test_producer; do
  build -c "$source_dir/tests/$part.cpp" -o "$(basename "$part").o"
done
build ./*.o -o ring_tests
build "$source_dir/tests/cross/writer.cpp" -o writer
run() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }

RINGDOWN_ROUNDS=20 run ./ring_tests '~[signal]~[exec]'
run ./writer "$ring" 1000
"$persister" --ring "$ring" --db m.db --until-idle
found=$(sqlite3 m.db 'SELECT sum(stored), sum(lost), (SELECT group_concat(name) FROM series) FROM cursors')
if [[ $found != "1000|1|written_on_aarch64" ]]; then
  echo "FAILED: the ring written on aarch64 holds '$found', expected '1000|1|written_on_aarch64'"
  exit 1
fi
echo "a ring written on aarch64 was drained here: 1000 samples, 1 loss"

means=(-std=c++20 -O2 -ffp-contract=off -I "$source_dir/libring/include" -I "$source_dir/persister/src"
  "$source_dir/tests/cross/means.cpp" "$source_dir"/persister/src/{mean,decimal}.cpp)
"$compiler" "${means[@]}" -o means_there
c++ "${means[@]}" -o means_here
there=$(run ./means_there) here=$(./means_here)
if [[ $there != "$here" ]]; then
  echo "FAILED: chunks of means are unpacked to $there on aarch64 and to $here here"
  exit 1
fi
echo "chunks of means are unpacked to the same values on aarch64"
