#!/bin/bash
# manual_test.sh: the manual pages tell what there is, no more and no less: every option and command, every key of the
# configuration, every table of the database, everything the SQLite extension adds, every function of the C API.
#
#   manual_test.sh BIN_DIR EXTENSION
set -euo pipefail

bin=$(realpath "${1:?usage: manual_test.sh BIN_DIR EXTENSION}")
extension=$(realpath "${2:?usage: manual_test.sh BIN_DIR EXTENSION}")
source=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
ring=test-$$-manual
failures=0
trap 'rm -rf "$folder" "/dev/shm/ringdown-$ring"' EXIT

# same WHAT: the words in the files `there` and `told`, each once.
same() {
  local differences
  sort -u -o "$folder/there" "$folder/there"
  sort -u -o "$folder/told" "$folder/told"
  differences=$(comm -3 --output-delimiter='>' "$folder/there" "$folder/told" |
    sed -E 's/^>(.*)/  \1: in the manual, but not there/; t; s/(.*)/  \1: there, but not in the manual/')
  if [[ ! -s $folder/there ]]; then differences="  nothing found"; fi
  if [[ -z $differences ]]; then
    echo "ok: $1, $(wc -l <"$folder/there")"
  else
    printf 'FAILED: %s\n%s\n' "$1" "$differences"
    failures=$((failures + 1))
  fi
}
# tagged PAGE [SECTION]: the lines with what a page's paragraphs are about.
tagged() {
  awk -v section="${2:-}" '
    /^\.S[HS] / { here = section == "" || $0 ~ "^.S[HS] " section "$" }
    here && tag
    { tag = /^\.TP/ }' "$source/$1" | sed -E 's/^\.[A-Z]+ //; s/\\f[A-Z]//g; s/\\-/-/g; s/\\~.*//'
}
long_options() { grep -oE -- '--[a-z][a-z-]*' || true; }
first_words() { sed -E 's/^([A-Za-z0-9_]+)[(. ].*/\1/'; }
# help_part TITLE PROGRAM [COMMAND]: the first words of a part of what --help prints.
help_part() { env PATH="$bin" "${@:2}" --help | sed -nE "/^$1:/,/^$/s/^  ([a-z-][^ ]*).*/\1/p"; }

# options_of PAGE SECTION PROGRAM [COMMAND]
options_of() {
  help_part Options "${@:3}" | long_options >"$folder/there"
  tagged "$1" "$2" | long_options >"$folder/told"
  same "options of ${*:3}"
}
# mentioned PAGE PROGRAM: of the options that a page names anywhere, its commands' included, none is of the past.
mentioned() {
  {
    help_part Options "$2" | long_options
    if [[ $2 == ring-persister ]]; then
      for command in $(help_part Subcommands "$2"); do help_part Options "$2" "$command" | long_options; done
    fi
  } >"$folder/there"
  sed 's/\\-/-/g' "$source/$1" | long_options >"$folder/told"
  same "options that $1 mentions"
}

formats_without_a_warning() {
  local page warnings
  for page in "$source"/*/man/*; do
    warnings=$(groff -ww -man -Tutf8 -z "$page" 2>&1)
    [[ -z $warnings ]] && continue
    printf 'FAILED: %s\n%s\n' "$page" "$warnings"
    failures=$((failures + 1))
  done
}
programs() {
  local tool command page=persister/man/ring-persister.1
  for tool in ring-inspect ring-query ring-hostmon ring-replay ring-write; do
    options_of tools/man/$tool.1 OPTIONS $tool
    mentioned tools/man/$tool.1 $tool
  done
  options_of $page OPTIONS ring-persister
  mentioned $page ring-persister
  help_part Subcommands ring-persister >"$folder/there"
  sed -n '/^\.SH COMMANDS/,/^\.SH "EXIT/s/^\.SS //p' "$source/$page" >"$folder/told"
  cp "$folder/there" "$folder/commands"
  same "commands of ring-persister"
  while read -r command; do options_of $page "$command" ring-persister "$command"; done <"$folder/commands"
}
versions() {
  local tool version
  version=$(sed -nE 's/^project\(ringdown VERSION ([0-9.]+).*/\1/p' "$source/CMakeLists.txt")
  for tool in ring-inspect ring-query ring-hostmon ring-replay ring-write ring-persister; do
    "$bin/$tool" --version
    echo "$tool $version" >&3
  done >"$folder/there" 3>"$folder/told"
  same "versions that the programs say"
}
configuration() {
  sed -nE 's/^#?([a-z0-9_]+) = .*/\1/p' "$source/persister/packaging/persister.toml" >"$folder/there"
  tagged persister/man/persister.toml.5 | grep -oE '[a-z0-9_]+' >"$folder/told"
  same "keys of persister.toml"
}
database() {
  "$bin/ring-persister" --ring "$ring" --db "$folder/db" --until-idle --log-level error
  sqlite3 "$folder/db" "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')" | grep -v '^sqlite_' \
    >"$folder/there"
  tagged persister/man/ringdown-db.5 | grep -oE '[a-z0-9_]+' >"$folder/told"
  same "tables and views of the database"
}
extension() {
  local names='SELECT name FROM pragma_function_list UNION SELECT name FROM pragma_module_list'
  sqlite3 :memory: "$names" | sort -u >"$folder/before"
  sqlite3 -cmd ".load $extension" :memory: "$names" | sort -u | comm -13 "$folder/before" - >"$folder/there"
  tagged persister/man/ringdown_sqlite.7 | first_words >"$folder/told"
  same "what the SQLite extension adds"
}
c_functions() {
  sed -nE 's/^ +(ring_[a-z_]+);/\1/p' "$source/libring/src/ring_c.map" >"$folder/there"
  sed -nE '/^\.SH "C API"/,/^\.SH FILES/s/^[a-z].*[ *](ring_[a-z_]+)\(.*/\1/p' "$source/libring/man/ring.3" \
    >"$folder/told"
  same "functions of the C API"
}

formats_without_a_warning
programs
versions
configuration
database
extension
c_functions
exit $((failures > 0))
