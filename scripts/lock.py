"""Write requirements/constraints.txt: the version of every package in the running environment."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import sysconfig
from pathlib import Path

HEADER = """\
# Every package of a complete environment (Python {python}, Linux x86-64), so that a set-up repeats.
# Made by `make lock`; the files beside this one say what is asked for and why.
"""
NOT_PINNED = {"pip"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    installed = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    found = {canonical(distribution.metadata["Name"]): distribution.version for distribution in installed}
    # A ROS wheel `ros-x` holds a second metadata folder `x`, which no registry knows.
    inner = {name for name in found if f"ros-{name}" in found} | {"ament-cmake-test", "rclpy"}
    lines = [f"{n}=={v}" for n, v in sorted(found.items()) if n not in inner | NOT_PINNED]
    target = Path(__file__).resolve().parent.parent / "requirements" / "constraints.txt"
    target.write_text(
        HEADER.format(python=f"{sys.version_info.major}.{sys.version_info.minor}") + "\n".join(lines) + "\n"
    )
    sys.stdout.write(f"{target}: {len(lines)} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
