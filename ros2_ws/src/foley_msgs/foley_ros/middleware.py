"""What Fast DDS needs to carry images."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_CURE = (
    "set FASTRTPS_DEFAULT_PROFILES_FILE to fastdds.xml of foley_bringup (as env.sh does) for the camera's driver and "
    "for these nodes; see docs/architecture.md, Middleware"
)


def profile_problem() -> str:
    """Why no profile is in force; empty where one is."""
    named = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    for name, file in named.items():
        if not Path(file).is_file():
            return f"{name} names {file}, which is not there: {_CURE}"
    if not named and os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp").startswith("rmw_fastrtps"):
        return f"no Fast DDS profile is set, and frames larger than its shared memory are lost: {_CURE}"
    return ""


def advice() -> str:
    """What to do about lost frames."""
    return profile_problem() or (
        "does the camera's driver run with the Fast DDS profile (FASTRTPS_DEFAULT_PROFILES_FILE), as these nodes do? "
        "Else the machine, or its network, is too slow for them"
    )
