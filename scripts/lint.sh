#!/usr/bin/env bash
# ruff on everything, strict mypy on the pure modules: those that know no ROS.
set -eo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
ruff check . || status=1
mapfile -t pure < <(find ros2_ws/src/foley_*/foley_* -name '*.py' \
  -not -path '*/ros/*' -not -path '*/nodes/*' -not -path '*/foley_ros/*' -not -path '*/data/*' | LC_ALL=C sort)
# Workers that do not start in time, on a busy machine, end it with 2: then one process does it all.
mypy --num-workers auto "${pure[@]}" || { [ $? = 2 ] && mypy "${pure[@]}"; } || status=1
exit $status
