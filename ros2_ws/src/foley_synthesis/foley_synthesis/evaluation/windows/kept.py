"""What a long run has found so far, one file for each thing, so that it goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def key_of(*marks: Any) -> str:
    """Of all that decides what is found; anything JSON knows."""
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest()


def kept(file: Path, key: str, find: Callable[[], dict[str, Any]], *, resume: bool) -> dict[str, Any]:
    """What was found under this key, else what is found now, which is written whole or not at all.

    Args:
        find: whose result JSON knows.
        resume: else it is found anew.
    """
    row = _read(file, key) if resume else None
    if row is None:
        row = find()
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"key": key, "row": row}), "utf-8")
        part.replace(file)
    return row


def _read(file: Path, key: str) -> dict[str, Any] | None:
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return dict(known["row"]) if known.get("key") == key else None
