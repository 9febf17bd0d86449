#!/usr/bin/env bash
# Works through a cohort with GNU parallel, here or on hosts that ssh reaches.
#
#   spool-parallel.sh GROUPS run PROGRAM --cases DIR -o DIR ...
#
# HOSTS is what `parallel --sshlogin` takes, such as `4/alpha,4/beta`; without it two workers begin here. The hosts see
# GROUPS, the store and the cases under the same paths.
set -euo pipefail
groups=$1
shift
workers=${WORKERS:-2}

vox "$@" --engine "spool:$groups" &
run=$!
while [ ! -e "$groups/driver.lock" ] && kill -0 "$run" 2>/dev/null; do sleep 0.1; done
where=()
if [ -n "${HOSTS:-}" ]; then where=(--sshlogin "$HOSTS" --workdir "$PWD"); fi
# stdin is kept from the workers: the end of a pipe there would end them.
parallel --will-cite --jobs "$workers" "${where[@]}" \
  "vox worker --quiet --spool $(printf %q "$groups") < /dev/null > /dev/null # {}" ::: $(seq "$workers") || true
code=0
wait "$run" || code=$?
exit "$code"
