# Sourced by every program in bin. STATE is the folder in which a test prepares answers and finds what was called:
#   calls               one line a call: the program and its arguments
#   PROGRAM.arguments   the arguments of its last call, one a line
#   fail/CALL           how many times a call is to fail; CALL is its first words, joined by dashes
#   reason              what a failing call says
# shellcheck shell=bash

program=${0##*/}
printf '%s\n' "$program $*" >>"$STATE/calls"
printf '%s\n' "$@" >"$STATE/$program.arguments"

fail_if_told() {
  local left
  if ! [[ -e $STATE/fail/$1 ]]; then return; fi
  read -r left <"$STATE/fail/$1"
  if ((left == 0)); then return; fi
  echo $((left - 1)) >"$STATE/fail/$1"
  cat "$STATE/reason" >&2
  exit 1
}
