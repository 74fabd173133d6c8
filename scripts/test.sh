#!/usr/bin/env bash
# Every test, in three parts: those of pure modules on all processors, one thread each; those over real middleware,
# several at a time, each in a ROS domain of its own; and one at a time those that keep real time, because a node that
# waits for a processor is late. Files with slow tests come first, so that no processor waits for another at the end.
# Arguments go to pytest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FOLEY_TEST_METRICS=out/test/metrics.json
rm -f "$FOLEY_TEST_METRICS"
processors=$(nproc)
workers=${FOLEY_TEST_WORKERS:-$((processors < 8 ? processors : 8))}

few=$((workers < 4 ? workers : 4)) # each of these tests has several processes

status=5 # nothing was selected, which is right for some of the parts (`-k recorder_node`)
part() { # name, arguments of pytest: the first failure is what is told at the end
  local result=0
  FOLEY_TEST_PART="$1" python -m pytest "${@:2}" || result=$?
  [ "$result" = 2 ] && exit 2 # Ctrl-C
  if [ "$result" != 5 ] && { [ "$status" = 5 ] || [ "$status" = 0 ]; }; then status=$result; fi
}

export OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
part pure -n "$workers" --dist loadfile --no-loadscope-reorder -m "not nodes and not system" "$@"
part nodes -n "$few" --dist loadfile --no-loadscope-reorder -m "(nodes or system) and not real_time" "$@"
unset OMP_NUM_THREADS NUMBA_NUM_THREADS OMP_WAIT_POLICY
part real_time -m real_time "$@"
exit "$status"
