#!/usr/bin/env bash
# Every test, in three parts: those of pure modules on all processors, one thread each; those over real middleware,
# several at a time, each in a ROS domain of its own; and one at a time those that keep real time, because a node that
# waits for a processor is late. Files with slow tests come first, so that no processor waits for another at the end.
# Tests marked `long` run with FOLEY_TEST_LONG=1.
# Arguments go to pytest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FOLEY_TEST_METRICS=out/test/metrics.json
rm -f "$FOLEY_TEST_METRICS"
processors=$(nproc)
workers=${FOLEY_TEST_WORKERS:-$((processors < 8 ? processors : 8))}
few=$((2 * workers < 4 ? 2 * workers : 4)) # tests over middleware wait more than they compute; each has several processes
one_thread=(OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE)

long="not long"
[ -z "${FOLEY_TEST_LONG:-}" ] || long="long or not long"
status=5 # nothing was selected, which is right for some of the parts (`-k recorder_node`)
part() { # name, command: the first failure is what is told at the end
  local result=0 began=$SECONDS
  FOLEY_TEST_PART="$1" "${@:2}" || result=$?
  echo "$1 tests took $((SECONDS - began)) s"
  [ "$result" = 2 ] && exit 2 # Ctrl-C
  case "$status:$result" in *:5) ;; 5:* | 0:*) status=$result ;; esac
}

part pure env "${one_thread[@]}" \
  python -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder -m "not nodes and not system and not real_time and ($long)" "$@"
part nodes env "${one_thread[@]}" \
  python -m pytest -n "$few" --dist loadfile --no-loadscope-reorder -m "(nodes or system) and not real_time and ($long)" "$@"
part real_time python -m pytest -m "real_time and ($long)" "$@"
exit "$status"
