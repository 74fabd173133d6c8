"""Memory that loading needed and nobody holds any more."""

from __future__ import annotations

import ctypes


def return_freed_memory() -> bool:
    """Give it back to the system; whether there was any. glibc keeps it for itself, often a hundred megabytes.

    Where the C library has no such call nothing happens.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False
