# screen.sh: programs in a real terminal (tmux), and what it shows compared with the screens that are kept in screens/.
# UPDATE_SCREENS=1 writes those anew. To be sourced, with the folder of the programs, by a test that defines mask(): a filter
# that puts placeholders in the place of what differs from run to run.
set -euo pipefail

command -v tmux >/dev/null || { echo "skipped: no tmux" && exit 77; }
bin=$(realpath "${1:?usage: $0 BIN_DIR}")
screens=$(realpath "$(dirname "$0")/screens")
folder=$(mktemp -d)
ring=test-$$-tty
failures=0
export LC_ALL=C.UTF-8 TZ=Europe/Berlin PATH="$bin:$PATH"
unset COLUMNS LINES
terminal() { tmux -L "$ring" -f /dev/null "$@"; }
# The terminals of one test come one after the other; the server stays.
terminal start-server \; set -g exit-empty off 3>&-
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$folder" "/dev/shm/ringdown-$ring"*' EXIT

# All that was shown, from the first line on; what went on in the next line, for want of room, is one line.
screen() { terminal capture-pane -pJ -S - | sed -E 's/ +$//'; }
# The same with what colours it.
coloured_screen() { terminal capture-pane -pe -S -; }

failed() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# shows TEXT [LINE]: waits until the screen, or this line of it, has it, a minute at most.
shows() {
  local tries
  for ((tries = 0; tries < 1200; ++tries)); do
    if [[ $(screen | sed -n "${2:-1,\$}p") == *"$1"* ]]; then return; fi
    sleep 0.05
  done
  echo "FAILED: never shown: $1"
  screen
  exit 1
}

# is NAME: the screen is the one that is kept under this name.
is() {
  screen | sed -E "s/$ring/RING/g; s|$folder|DIR|g" | mask | sed -E 's/ +$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$folder/$1"
  if [[ ${UPDATE_SCREENS:-} ]]; then cp "$folder/$1" "$screens/$1"; fi
  if diff -u "$screens/$1" "$folder/$1"; then
    echo "ok: $1"
  else
    failed "$1"
  fi
}

# fits: no line went on in the next one.
fits() {
  local wrapped
  wrapped=$(diff <(terminal capture-pane -p -S -) <(screen) || true)
  [[ -z $wrapped ]] || failed "wider than the terminal:"$'\n'"$wrapped"
}

# has_no_colour: nothing on the screen steers the terminal.
has_no_colour() { [[ $(coloured_screen) != *$'\e'* ]] || failed "coloured:"$'\n'"$(coloured_screen | cat -v)"; }

press() { terminal send-keys "$@"; }

# open COLUMNS LINES COMMAND: a terminal of this size in which the command runs, and at its end its exit status stands. All
# that is written to the terminal is in the file "output" as well.
open() {
  terminal kill-session -t screen 2>/dev/null || true
  rm -f "$folder/go" "$folder/output"
  mkfifo "$folder/go"
  # Its own input and output only: what the test holds open would never end. ^C is for the command, not for the shell.
  terminal new-session -d -s screen -x "$1" -y "$2" 3>&- \
    "stty -echo; trap : INT; cd '$folder'; read -r <go; $3; echo \"exit status \$?\"; cat"
  terminal pipe-pane -t screen "cat >'$folder/output'" 3>&-
  echo >"$folder/go"
}

# run COMMAND: in a terminal of 80 columns, to its end.
run() {
  open 80 50 "$1"
  shows 'exit status'
}

# frame TEXT: the terminal as it was when this was written last, by what ran before.
frame() {
  local all
  until all=$(<"$folder/output") && [[ $all == *'exit status'* ]]; do sleep 0.05; done
  printf '%s' "${all%"$1"*}$1" >"$folder/frame"
  run 'cat frame; echo'
}
