#!/usr/bin/env bash
# Every test: those of pure modules on all processors, one thread each; then those over real middleware one at a time,
# because a node that waits for a processor is late. Arguments go to pytest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FOLEY_TEST_METRICS=out/test/metrics.json
rm -f "$FOLEY_TEST_METRICS"
processors=$(nproc)
workers=${FOLEY_TEST_WORKERS:-$((processors < 8 ? processors : 8))}

OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE FOLEY_TEST_PART=pure \
  python -m pytest -n "$workers" --dist loadfile -m "not nodes and not system" "$@"
pure=$?
[ "$pure" = 2 ] && exit 2 # Ctrl-C
FOLEY_TEST_PART=nodes python -m pytest -m "nodes or system" "$@"
nodes=$?

# 5: nothing was selected, which is right for one part of the two (`-k recorder_node`).
[ "$pure" = 5 ] && [ "$nodes" != 5 ] && pure=0
[ "$nodes" = 5 ] && [ "$pure" != 5 ] && nodes=0
[ "$pure" != 0 ] && exit "$pure"
exit "$nodes"
