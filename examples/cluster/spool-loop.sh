#!/usr/bin/env bash
# Works through a cohort with some workers on this machine.
#
#   spool-loop.sh GROUPS run PROGRAM --cases DIR -o DIR ...
#
# GROUPS is a directory for groups of cases; on other machines that see it, the store and the cases, begin
# `vox worker --spool GROUPS` as well. WORKERS says how many begin here (2).
set -euo pipefail
groups=$1
shift

vox "$@" --engine "spool:$groups" &
run=$!
workers=()
for _ in $(seq "${WORKERS:-2}"); do
  # A worker waits for the run to begin, and ends with it.
  vox worker --quiet --spool "$groups" --wait 1m < /dev/null > /dev/null &
  workers+=($!)
done
code=0
wait "$run" || code=$?
# They end by themselves, unless the run never began.
kill "${workers[@]}" 2> /dev/null || true
wait
exit "$code"
