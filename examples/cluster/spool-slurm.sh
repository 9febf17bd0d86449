#!/usr/bin/env bash
# Works through a cohort with a Slurm array. Call it where `sbatch` is, in a folder that the nodes see.
#
#   spool-slurm.sh GROUPS run PROGRAM --cases DIR -o DIR ...
#
# WORKERS tasks (8) take groups until the run ends. A task that Slurm ends (time, preemption, scancel) gives its group
# back, and one that is killed is noticed: in both cases another task goes on there. SBATCH takes more options, such
# as `--partition=short --time=1:00:00`. Give `--group` so that a group takes 10 s at least.
set -euo pipefail
groups=$1
shift

vox "$@" --engine "spool:$groups" &
run=$!
while [ ! -e "$groups/driver.lock" ] && kill -0 "$run" 2>/dev/null; do sleep 0.1; done
# shellcheck disable=SC2086 # several options are several words
job=$(sbatch --parsable ${SBATCH:-} --job-name=vox --array="1-${WORKERS:-8}" --cpus-per-task="${CPUS:-1}" \
  --signal=B:TERM@10 --output="$groups/slurm-%A_%a.log" \
  --wrap "exec vox worker --threads ${CPUS:-1} --spool $(printf %q "$groups") < /dev/null")
trap 'scancel "$job"' EXIT
code=0
wait "$run" || code=$?
exit "$code"
