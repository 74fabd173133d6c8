"""What Fast DDS processes that were killed leave in /dev/shm: 35 MB each, and ports that their successors trip over.

Every segment and port has lock files, `<name>_el` or `<name>_sl`, on which its owners hold a lock as long as they
live. Fast DDS's own tool (`fastdds shm clean`) goes by the same rule; the wheels do not have it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

FOLDER = Path("/dev/shm")
MIN_AGE_S = 30.0
"""Younger files may belong to a process that is just starting."""
_NAME = re.compile(r"(?:sem\.)?(fastrtps_(?:port\d+|[0-9a-f]{16}))(?:_el|_sl|_mutex)?")


def clean(folder: Path = FOLDER, min_age_s: float = MIN_AGE_S) -> tuple[int, int]:
    """Remove what nobody holds. Returns how many segments and ports, and their bytes; never raises."""
    groups: dict[str, list[Path]] = {}
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match:
                groups.setdefault(match[1], []).append(path)
    mapped = _mapped() if groups else set()
    count = size = 0
    for name, paths in groups.items():
        if name in mapped or not all(_old(path, min_age_s) for path in paths) or any(_held(p) for p in paths):
            continue
        removed = 0
        for path in paths:
            with contextlib.suppress(OSError):
                taken = path.stat().st_blocks * 512
                path.unlink()
                size, removed = size + taken, removed + 1
        count += bool(removed)
    return count, size


def _old(path: Path, min_age_s: float) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > min_age_s


def _held(path: Path) -> bool:
    """Whether a living process holds the lock of a lock file."""
    if not path.name.endswith(("_el", "_sl")):
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _mapped() -> set[str]:
    """Names of segments and ports that living processes of this user have in their memory."""
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            names.update(re.findall(r"/dev/shm/(fastrtps_(?:port\d+|[0-9a-f]{16}))", maps.read_text()))
    return names
