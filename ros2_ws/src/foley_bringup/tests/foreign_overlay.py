"""Interface packages of others, built for tests from `foreign_interfaces`: overlays, as two packages bear one name.

    python ros2_ws/src/foley_bringup/tests/foreign_overlay.py [ros_drivers | newer ...]

Built once into `ros2_ws/build/foreign_interfaces`, some 20 s each, and again when a definition changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[2]
DEFINITIONS = HERE / "foreign_interfaces"
NAMES: tuple[str, ...] = ("ros_drivers", "newer", "plansys2")

_PACKAGE = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.1</version>
  <description>Definitions for tests</description>
  <maintainer email="maintainers@foley-ros.org">Foley maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>builtin_interfaces</depend>
  <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
_CMAKE = """cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(builtin_interfaces REQUIRED)
find_package(std_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces({name} {messages} DEPENDENCIES builtin_interfaces std_msgs)
ament_package()
"""


def overlay(name: str) -> Path:
    """The install folder of an overlay, built where it is not there.

    Raises:
        RuntimeError: it cannot be built; with the end of what colcon said.
    """
    files = sorted(p for kind in ("msg", "srv") for p in (DEFINITIONS / name).rglob(f"*.{kind}"))
    mark = hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()[:12]
    folder = WORKSPACE / "build" / "foreign_interfaces" / f"{name}-{mark}"
    done = folder / "done"
    if done.exists():
        return folder / "install"
    for package in sorted((DEFINITIONS / name).iterdir()):
        source = folder / "src" / package.name
        messages = [f"{path.suffix[1:]}/{path.name}" for path in sorted(package.glob("*.[ms][sr][gv]"))]
        for message in messages:
            (source / message).parent.mkdir(parents=True, exist_ok=True)
            (source / message).write_text((package / Path(message).name).read_text())
        (source / "package.xml").write_text(_PACKAGE.format(name=package.name))
        (source / "CMakeLists.txt").write_text(_CMAKE.format(name=package.name, messages=" ".join(messages)))
    (folder / "src" / "COLCON_IGNORE").unlink(missing_ok=True)
    options = ["-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"]
    if "site-packages" in os.environ.get("AMENT_PREFIX_PATH", "") or os.environ.get("FOLEY_ROS") == "wheels":
        options.append(f"-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES={WORKSPACE / 'cmake' / 'wheel_targets.cmake'}")
    command = [
        sys.executable,
        "-m",
        "colcon",
        "--log-base",
        str(folder / "log"),
        "build",
        "--base-paths",
        "src",
    ]
    command += ["--merge-install", "--cmake-args", *options]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    if made.returncode:
        raise RuntimeError(f"{name}: {made.stdout[-2000:]}{made.stderr[-4000:]}")
    done.touch()
    return folder / "install"


def environment(name: str) -> dict[str, str]:
    """The process environment with an overlay on top. Raises RuntimeError."""
    prefix = overlay(name)
    python = next(iter(sorted(prefix.glob("lib/python*/site-packages"))))
    found = dict(os.environ)
    for variable, path in (
        ("AMENT_PREFIX_PATH", prefix),
        ("LD_LIBRARY_PATH", prefix / "lib"),
        ("PYTHONPATH", python),
    ):
        found[variable] = os.pathsep.join(filter(None, (str(path), os.environ.get(variable, ""))))
    return found


if __name__ == "__main__":
    for overlay_name in sys.argv[1:] or NAMES:
        sys.stdout.write(f"{overlay(overlay_name)}\n")
