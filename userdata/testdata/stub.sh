# Every program in bin sources this file. A test writes responses to the directory STATE, and reads the calls from it:
#   calls               one line per call: the program and its arguments
#   PROGRAM.arguments   arguments of the program's last call, one per line
#   fail/CALL           how many times a call must fail; CALL is the start of the call, joined with dashes
#   reason              error message of a failed call
# shellcheck shell=bash

program=${0##*/}
printf '%s\n' "$program $*" >>"$STATE/calls"
printf '%s\n' "$@" >"$STATE/$program.arguments"

fail_if_requested() {
  local left
  if ! [[ -e $STATE/fail/$1 ]]; then return; fi
  read -r left <"$STATE/fail/$1"
  if ((left == 0)); then return; fi
  echo $((left - 1)) >"$STATE/fail/$1"
  cat "$STATE/reason" >&2
  exit 1
}
