#compdef ring-persister ring-inspect ring-query ring-hostmon ring-replay ring-write
# ringdown.zsh: completion of ring-persister, ring-inspect, ring-query, ring-hostmon, ring-replay and ring-write for
# zsh. Options, their words, their meanings and the commands are what --help prints, so they are those of the program that is installed.

# A path is that of a ring's copy.
_ringdown_rings_or_copies() {
  if [[ $PREFIX == */* ]]; then _files; else _ringdown_rings; fi
}
_ringdown_rings() {
  local -a rings=(/dev/shm/ringdown-*(N:t))
  compadd -- ${rings#ringdown-}
}

# Sets options (for _arguments) and commands (for _describe).
_ringdown_help() {
  local line part meaning name value action
  local -a lines=("${(@f)$("$@" --help 2>/dev/null)}") words
  integer i
  options=() commands=()
  for ((i = 1; i <= $#lines; ++i)); do
    line=$lines[i]
    if [[ $line == [A-Z][a-z]##: ]]; then
      part=$line
    elif [[ $part == Subcommands: && $line == '  '[a-z]* ]]; then
      words=(${=line})
      commands+=("$words[1]:${words[2,-1]}")
    elif [[ $part == Options: && $line == '  -'* ]]; then
      words=(${=line})
      # The meaning stands from column 31 on; when there is no room for it, on the next line.
      meaning=${line[31,-1]}
      [[ ${lines[i + 1]} != ' '(#c30)* ]] || meaning=${lines[i + 1]## #}
      meaning=${${${meaning//\[/(}//\]/)}//:/\\:}
      case $words[2] in
        FILE) value=file action=_files ;;
        NAME) value=ring action=_ringdown_rings ;;
        TEXT:\{*) value=word action="(${${${words[2]#TEXT:\{}%%\}*}//,/ })" ;;
        [A-Z]|[A-Z][A-Z]*) value=${${words[2]%%[:=]*}:l} action=' ' ;;
        *) value='' ;;
      esac
      for name in ${(s:,:)${words[1]%%\{*}}; do
        [[ $name == --* ]] || continue
        options+=("*${name}[$meaning]${value:+:$value:$action}")
      done
    fi
  done
}

_ringdown() {
  setopt local_options extended_glob
  local curcontext=$curcontext state program=$words[1]
  local -a options commands positional=()
  _ringdown_help $program
  if (( $#commands )); then
    positional=('1: :->command' '*:: :->rest')
  elif [[ ${program:t} == ring-inspect ]]; then
    positional=('1:ring:_ringdown_rings_or_copies')
  elif [[ ${program:t} == ring-write ]]; then
    positional=('*:file:_files')
  fi
  _arguments -C $options $positional && return
  case $state in
    command) _describe command commands ;;
    rest)
      local name=$words[1]
      _ringdown_help $program $name
      [[ $name != check-config ]] || options+=('1:file:_files')
      [[ $name != import ]] || options+=('*:file:_files')
      _arguments $options
      ;;
  esac
}

_ringdown "$@"
