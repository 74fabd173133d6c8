# Source this (`. ./env.sh`): python, colcon, `foley` and, once built, the workspace.
# Where a ROS is already sourced that one is used; otherwise ROS comes from wheels in .venv.
# shellcheck shell=bash

_foley_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)"
_foley_venv="${FOLEY_VENV:-$_foley_root/.venv}"

_foley_prepend() { # variable, folder: put the folder first, once
  local current="${!1:-}"
  case ":$current:" in
    *":$2:"*) ;;
    *) export "$1=$2${current:+:$current}" ;;
  esac
}

if [ -z "${FOLEY_ROS:-}" ]; then
  if [ -n "${AMENT_PREFIX_PATH:-}" ] && command -v ros2 >/dev/null 2>&1; then
    export FOLEY_ROS=system
  else
    export FOLEY_ROS=wheels
  fi
fi

[ -d "$_foley_venv/bin" ] && _foley_prepend PATH "$_foley_venv/bin"

if [ "$FOLEY_ROS" = wheels ]; then
  export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3 RMW_IMPLEMENTATION=rmw_fastrtps_cpp
  _foley_prepend AMENT_PREFIX_PATH "$_foley_venv"
  _foley_prepend CMAKE_PREFIX_PATH "$_foley_venv"
  # The wheels would otherwise re-execute every Python process once to set this path.
  _foley_prepend LD_LIBRARY_PATH "$_foley_venv/lib"
  for _foley_libs in "$_foley_venv"/lib/python3*/site-packages/ros_*.libs; do
    [ -d "$_foley_libs" ] && _foley_prepend LD_LIBRARY_PATH "$_foley_libs"
  done
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi

if [ -f "$_foley_root/ros2_ws/install/local_setup.bash" ]; then
  . "$_foley_root/ros2_ws/install/local_setup.bash"
fi

# Frames larger than Fast DDS's default shared-memory segment are lost without a profile.
if [ -z "${FASTRTPS_DEFAULT_PROFILES_FILE:-}" ] && [ -z "${FASTDDS_DEFAULT_PROFILES_FILE:-}" ]; then
  export FASTRTPS_DEFAULT_PROFILES_FILE="$_foley_root/ros2_ws/src/foley_bringup/config/fastdds.xml"
fi
unset _foley_libs
