"""Whether a place can take a bag, and what the operating system says where it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

from foley_perception.recording.errors import BagError, NoSpaceError, NotWritableError


def check_folder(folder: Path, min_free_bytes: int) -> None:
    """Refuse a place that cannot take a bag.

    Raises:
        NotWritableError: the parent is missing and cannot be made, or is not writable; the bag exists.
        NoSpaceError: less than ``min_free_bytes`` free.
    """
    if folder.exists():
        raise NotWritableError(f"{folder}: exists already; give the recording another name")
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f".probe_{os.getpid()}_{threading.get_ident()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(f"{parent}: the disk is full; free some space") from error
        raise NotWritableError(
            f"{parent}: cannot be written ({error.strerror}); choose another folder or correct its "
            "permissions"
        ) from error
    free = shutil.disk_usage(parent).free
    if free < min_free_bytes:
        raise NoSpaceError(
            f"{parent}: {free >> 20} MiB are free, the recorder keeps {min_free_bytes >> 20} MiB free "
            "(parameter `min_free_mb`); free some space or choose another disk"
        )


def explained(folder: Path, error: OSError) -> BagError:
    """An error of writing, as users are told it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpaceError(f"{folder}: the disk is full ({error.strerror}); the recording was ended")
    return NotWritableError(f"{folder}: cannot be written ({error.strerror})")
