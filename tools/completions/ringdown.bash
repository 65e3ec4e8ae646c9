# shellcheck shell=bash
# ringdown.bash: completion of ring-persister, ring-inspect, ring-query, ring-hostmon, ring-replay and ring-write
# for bash. Options, their words and the commands are what --help prints, so they are those of the program that is installed.

# _ringdown_help PROGRAM [COMMAND]: a line for each option, "--name KIND", and for each command, "command". KIND is
# its value's: file, ring, words:A,B or other; nothing when it takes none.
_ringdown_help() {
  "$@" --help 2>/dev/null | LC_ALL=C awk '
    /^[A-Z][a-z]*:$/ { part = $1; next }
    part == "Subcommands:" && /^  [a-z]/ { print $1 }
    part == "Options:" && /^  -/ {
      sub(/^  /, "")
      sub(/  .*/, "")  # what it means
      kind = $2
      if (kind ~ /^TEXT:\{/) { gsub(/^TEXT:\{|\}.*/, "", kind); kind = "words:" kind }
      else if (kind == "FILE") kind = "file"
      else if (kind == "NAME") kind = "ring"
      else if (kind ~ /^[A-Z]+([:=]|$)/) kind = "other"
      else kind = ""
      sub(/\{.*/, "", $1)
      n = split($1, names, ",")
      for (i = 1; i <= n; i++) if (names[i] ~ /^--/) print names[i], kind
    }'
}

_ringdown_rings() {
  local ring
  for ring in /dev/shm/ringdown-*; do
    [[ -e $ring ]] && printf '%s\n' "${ring##*/ringdown-}"
  done
}

_ringdown_answer() { mapfile -t COMPREPLY < <(compgen "$@"); }
_ringdown_files() {
  compopt -o filenames 2>/dev/null
  _ringdown_answer -f -- "$1"
}

_ringdown() {
  local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command="" name kind i
  local -A kinds=()
  COMPREPLY=()

  # --db=FILE comes as three words.
  if [[ $word == = ]]; then
    word=""
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  while read -r name kind; do kinds[$name]=$kind; done < <(_ringdown_help "$program")
  for ((i = 1; i < COMP_CWORD; ++i)); do
    name=${COMP_WORDS[i]}
    [[ $name == [a-z]* && ${kinds[$name]+known} && ${kinds[${COMP_WORDS[i - 1]}]:-} == "" ]] || continue
    command=$name kinds=()
    while read -r name kind; do kinds[$name]=$kind; done < <(_ringdown_help "$program" "$command")
    break
  done

  case ${kinds[$before]:-} in
    file) _ringdown_files "$word" ;;
    ring) _ringdown_answer -W "$(_ringdown_rings)" -- "$word" ;;
    words:*) kind=${kinds[$before]#words:} && _ringdown_answer -W "${kind//,/ }" -- "$word" ;;
    other) ;;
    *)
      if [[ $word == -* ]]; then
        _ringdown_answer -W "$(printf '%s\n' "${!kinds[@]}" | grep -e '^--')" -- "$word"
      elif [[ $command == check-config || $command == import || ${program##*/} == ring-write || ${program##*/}:$word == ring-inspect:*/* ]]; then
        _ringdown_files "$word"
      elif [[ ${program##*/} == ring-inspect ]]; then
        _ringdown_answer -W "$(_ringdown_rings)" -- "$word"
      elif [[ -z $command ]]; then
        _ringdown_answer -W "$(printf '%s\n' "${!kinds[@]}" | grep -ve '^--')" -- "$word"
      fi
      ;;
  esac
}

complete -F _ringdown ring-persister ring-inspect ring-query ring-hostmon ring-replay ring-write
