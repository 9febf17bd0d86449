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
trap 'kill "$run" 2>/dev/null || true' EXIT
# Until groups are handed out there is nothing to take.
while [ ! -e "$groups/driver.lock" ] && kill -0 "$run" 2>/dev/null; do sleep 0.1; done
for _ in $(seq "${WORKERS:-2}"); do
  # A worker ends with the run.
  vox worker --quiet --spool "$groups" < /dev/null > /dev/null &
done
trap - EXIT
code=0
wait "$run" || code=$?
wait
exit "$code"
