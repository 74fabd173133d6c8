#!/usr/bin/env bash
# Sets Foley up: system libraries, a venv from pinned requirements, the colcon workspace.
# Run through `make setup`. A second run does nothing but compare two hashes.
#
#   FOLEY_EXTRAS   which requirements besides base: default "learn sim scene planning dev"; "base" alone for a recording machine
#   FOLEY_VENV     where the venv goes: default .venv
#   FOLEY_ROS      system | wheels: default system where a ROS is sourced, otherwise wheels
#   PYTHON         the interpreter to make the venv with
set -eo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
venv="${FOLEY_VENV:-$root/.venv}"
extras="${FOLEY_EXTRAS:-learn sim scene planning dev}"

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'make setup: error: %s\n' "$*" >&2; exit 1; }

if [ -z "${FOLEY_ROS:-}" ]; then
  if [ -n "${AMENT_PREFIX_PATH:-}" ] && command -v ros2 >/dev/null 2>&1; then FOLEY_ROS=system; else FOLEY_ROS=wheels; fi
fi
export FOLEY_ROS
case "$FOLEY_ROS" in
  system) command -v ros2 >/dev/null 2>&1 || die "FOLEY_ROS=system but no ROS is sourced: run \`. /opt/ros/jazzy/setup.bash\` first" ;;
  wheels) ;;
  *) die "FOLEY_ROS is \`$FOLEY_ROS\`, must be system or wheels" ;;
esac
for extra in $extras; do
  [ -f "requirements/$extra.txt" ] || die "FOLEY_EXTRAS names \`$extra\`, known are: base learn sim scene planning cluster dev"
done

# ---- Python -------------------------------------------------------------------------------------------------
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
find_python() {
  local candidate version
  if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return; fi
  if [ "$FOLEY_ROS" = system ]; then echo python3; return; fi  # the interpreter that ROS was built for
  for candidate in python3.11 python3.12 python3; do
    version="$(version_of "$candidate")"
    case "$version" in 3.11 | 3.12) echo "$candidate"; return ;; esac
  done
  echo python3
}
python="$(find_python)"
version="$(version_of "$python")"
[ -n "$version" ] || die "\`$python\` does not run: install Python 3.11 or 3.12, or name one with PYTHON=..."
case "$FOLEY_ROS:$version" in
  wheels:3.11 | wheels:3.12 | system:3.1[1-9]) ;;
  wheels:*) die "Python is $version: the ROS wheels exist for 3.11 and 3.12. Install one of these, name it with PYTHON=..., or source a ROS" ;;
  *) die "Python is $version, at least 3.11 is needed" ;;
esac

# ---- system libraries ---------------------------------------------------------------------------------------
known_libraries="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)"
library() { case "$known_libraries" in *"$1"*) ;; *) return 1 ;; esac; }
missing=()
command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || missing+=(g++)
library libgomp.so.1 || missing+=(libgomp1)
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
  || missing+=("python$version-dev")
"$python" -c 'import venv' 2>/dev/null || missing+=("python$version-venv")
case " $extras " in
  *" sim "*)
    library libEGL.so.1 || missing+=(libegl1)
    library libEGL_mesa.so.0 || missing+=(libegl-mesa0)
    compgen -G '/usr/lib*/dri/*_dri.so' >/dev/null || compgen -G '/usr/lib/*/dri/*_dri.so' >/dev/null || missing+=(libgl1-mesa-dri)
    ;;
esac
case " $extras " in
  *" scene "*) library libusb-1.0.so.0 || missing+=(libusb-1.0-0) ;;  # Open3D loads it
esac
if [ ${#missing[@]} -gt 0 ]; then
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  if ! command -v apt-get >/dev/null 2>&1; then
    die "system libraries are missing; in Debian's names: ${missing[*]}"
  elif [ "$(id -u)" = 0 ]; then
    say "system libraries: ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install -o DPkg::Lock::Timeout=300
  elif sudo -n true 2>/dev/null; then
    say "system libraries: ${missing[*]}"
    sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive $install -o DPkg::Lock::Timeout=300
  else
    die "system libraries are missing, run: sudo apt-get update && sudo $install"
  fi
fi

# ---- venv ---------------------------------------------------------------------------------------------------
# In two steps: the workspace needs only the first, so the second is installed while colcon builds.
ros=(); [ "$FOLEY_ROS" = wheels ] && ros=(requirements/ros.txt)
first=(requirements/base.txt "${ros[@]}")
second=()
for extra in $extras; do [ "$extra" = base ] || second+=("requirements/$extra.txt"); done
wanted="$FOLEY_ROS python$version $(cat requirements/base.txt "${second[@]}" "${ros[@]}" requirements/constraints.txt | sha256sum | cut -c1-32) $extras"
stamp="$venv/.foley-requirements"

install() { # requirement files
  # Compiled are only the modules that something imports, when it does; to compile all 8 GB takes most of a minute.
  local file options=(--disable-pip-version-check -q --no-compile)
  for file in "$@"; do options+=(-r "$file"); done
  # A ROS outside brings packages of its own; only what is asked for is pinned there.
  [ "$FOLEY_ROS" = wheels ] && options+=(-c requirements/constraints.txt)
  "$venv/bin/python" -m pip install "${options[@]}"
}

incomplete=""
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  incomplete=1
  have="$(version_of "$venv/bin/python")"
  if [ -n "$have" ] && [ "$have" != "$version" ]; then
    die "$venv holds Python $have, wanted is $version: remove that folder, or set PYTHON=python$have"
  fi
  if [ ! -x "$venv/bin/python" ]; then
    say "venv at $venv (Python $version)"
    options=(); [ "$FOLEY_ROS" = system ] && options+=(--system-site-packages)
    # Debian ships venv without ensurepip; the pip outside can fill in.
    "$python" -m venv "${options[@]}" "$venv" 2>/dev/null \
      || { "$python" -m venv --without-pip --clear "${options[@]}" "$venv" && "$python" -m pip --python "$venv/bin/python" install -q pip; } \
      || die "could not make a venv: install python$version-venv, or pip for $python"
  fi
  say "requirements: ${first[*]}"
  install "${first[@]}"
fi

# ---- workspace ----------------------------------------------------------------------------------------------
# Python is linked, not copied, so only what the build turns into something else counts, and file names.
export FOLEY_VENV="$venv"
build_hash() {
  (
    cd "$root/ros2_ws"
    echo "$venv" "$wanted"
    find src vendor cmake -type f \( -name package.xml -o -name 'setup.*' -o -name CMakeLists.txt -o -name '*.cmake' \
      -o -name '*.msg' -o -name '*.srv' -o -name '*.action' -o -path '*/scripts/*' \) | LC_ALL=C sort | xargs sha256sum
    find src \( -path '*/launch/*' -o -path '*/config/*' -o -path '*/rviz/*' -o -path '*/foley_ros/*.py' -o -path '*/foley_common/*.py' \) -type f | LC_ALL=C sort
  ) | sha256sum | cut -c1-32
}

build() {
  local paths=(src) cmake_args=(-DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python")
  local built="$root/ros2_ws/install/.foley-build" wanted_build
  wanted_build="$(build_hash)"
  [ "$(cat "$built" 2>/dev/null)" != "$wanted_build" ] || return 0
  say "colcon build"
  . "$root/env.sh"
  cd "$root/ros2_ws"
  if [ "$FOLEY_ROS" = wheels ]; then
    paths+=(vendor)  # tf2_msgs: on every robot, not among the wheels
    cmake_args+=("-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=$PWD/cmake/wheel_targets.cmake")
  fi
  "$venv/bin/python" -m colcon build --base-paths "${paths[@]}" --symlink-install \
    --event-handlers console_direct- console_stderr- --cmake-args "${cmake_args[@]}" \
    || die "colcon build failed; the log is in ros2_ws/log/latest_build"
  echo "$wanted_build" >"$built"
}

(build) &
building=$!
if [ -n "$incomplete" ]; then
  failed=""
  if [ ${#second[@]} -gt 0 ]; then
    say "requirements: ${second[*]} (about 8 GB with torch; minutes)"
    install "${second[@]}" || failed=1
  fi
  [ -n "$failed" ] || echo "$wanted" >"$stamp"
fi
wait "$building"
[ -z "${failed:-}" ] || die "pip could not install ${second[*]}"

say "Foley is set up (ROS from $FOLEY_ROS, Python $version)"
printf '  %-27s%s\n' '. ./env.sh' 'in every shell'
case " $extras " in
  *" sim "*)
    printf '  %-27s%s\n' 'make demo' 'touch, record, train, predict and hear, in a simulated world' \
      'foley up --sim' 'the live system beside the simulated robot'
    ;;
  *)
    printf '  %-27s%s\n' 'foley up --only recorder' 'record; `make setup` without FOLEY_EXTRAS adds models and simulator'
    ;;
esac
printf '  %-27s%s\n' 'foley doctor' 'what this machine has and lacks' 'foley --help' 'everything else'
