"""Where what is made of sessions is kept: beside their set; where nothing may be written there, with the user."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from pathlib import Path

from foley_synthesis.vision.cache import cache_folder

_LOG = logging.getLogger(__name__)


def kept_folders(beside: Path, name: str) -> tuple[Path, ...]:
    """Where something may be kept; new things go into the last of them.

    Args:
        beside: folder of the sessions.
        name: of a folder in it.
    """
    if _writable(beside):
        return (beside / name,)
    mark = hashlib.sha256(str(beside.resolve()).encode()).hexdigest()[:16]
    return beside / name, cache_folder() / "sets" / mark / name.lstrip(".")


@functools.cache  # told once
def _writable(folder: Path) -> bool:
    found = os.access(folder, os.W_OK)
    if not found:
        _LOG.warning(
            "%s cannot be written to: what is made of its sessions is kept in %s", folder, cache_folder()
        )
    return found
