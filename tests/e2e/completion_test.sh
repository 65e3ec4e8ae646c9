#!/bin/bash
# completion_test.sh: what bash's completion offers for the programs in BIN_DIR.
#
#   completion_test.sh BIN_DIR
set -euo pipefail

bin=$(realpath "${1:?usage: completion_test.sh BIN_DIR}")
completions=$(realpath "$(dirname "$0")/../../tools/completions")
folder=$(mktemp -d)
ring=test-$$-completion
trap 'rm -rf "$folder" "/dev/shm/ringdown-$ring"' EXIT
touch "/dev/shm/ringdown-$ring" "$folder/plant.db" "$folder/plant.toml"
failures=0

# shellcheck source=tools/completions/ringdown.bash
source "$completions/ringdown.bash"

# offers PROGRAM WORD...: what is offered for the last word, sorted, on one line.
offers() {
  COMP_WORDS=("$bin/$1" "${@:2}")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _ringdown "$bin/$1"
  printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | paste -sd ' '
}
# is TITLE EXPECTED WORD...
is() {
  local found
  found=$(offers "${@:3}")
  if [[ $found == "$2" ]]; then
    echo "ok: $1"
  else
    printf 'FAILED: %s: %s\n  expected: %s\n  found:    %s\n' "$1" "${*:3}" "$2" "$found"
    failures=$((failures + 1))
  fi
}

for program in ring-persister ring-inspect ring-query ring-hostmon ring-replay ring-write; do
  [[ $(complete -p $program) == "complete -F _ringdown $program" ]] ||
    { echo "FAILED: $program is not completed" && exit 1; }
done

is "commands" "backup check-config import restore status verify" ring-persister ""
is "a command that was begun" "backup" ring-persister b
is "a command behind an option's value" "verify" ring-persister --db plant.db v
is "a value that has a command's name is none" "verify" ring-persister --db backup v
is "options" "--durability --durable-within --durable-within-s" ring-persister --dur
is "options of a command" "--db --help --json --quiet" ring-persister verify --
is "an option's own words" "full normal" ring-persister --durability ""
is "an option's own words behind =" "full" ring-persister --durability = f
is "an option's own words right behind =" "debug error info trace warn" ring-persister --log-level =
is "files" "$folder/plant.db $folder/plant.toml" ring-query --db "$folder/pl"
is "files of a command" "$folder/plant.toml" ring-persister check-config "$folder/plant.t"
is "files to import" "$folder/plant.db" ring-persister import --db new.db "$folder/plant.d"
is "files behind a command's option" "$folder/plant.db" ring-persister restore --from "$folder/plant.d"
is "rings of an option" "$ring" ring-persister --ring "test-$$-"
is "rings of a positional" "$ring" ring-inspect "test-$$-"
is "copies of rings" "$folder/plant.db $folder/plant.toml" ring-inspect "$folder/pl"
is "steps" "1h 1m 1s 5m auto raw" ring-query --db plant.db --step ""
is "nothing for a number" "" ring-hostmon --hz ""
is "nothing for a selector" "" ring-query rtt
is "a workload" "fleet" ring-replay --ring plant --profile f
is "files to push" "$folder/plant.db" ring-write --ring plant "$folder/plant.d"
exit $((failures > 0))
