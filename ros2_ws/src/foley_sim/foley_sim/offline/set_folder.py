"""The folder of a set: of one kind and settings, and written by one command at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SET_FILE = "set.json"


@contextlib.contextmanager
def claimed(
    folder: Path, schema: str, settings: dict[str, Any], facts: dict[str, Any] | None = None
) -> Iterator[None]:
    """Make a folder the place of a set, or see that it is that already; others are kept from writing meanwhile.

    Args:
        facts: further entries of its file, for readers; they follow from the settings and are not compared.

    Raises:
        ValueError: it holds a set of other settings, and the message says which; or another process is writing it.
        OSError: it cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"--out: another process is writing {folder}; wait for it or choose another folder"
            ) from None
        _settle(folder, schema, settings, facts or {})
        yield
    finally:
        os.close(directory)  # and with it the lock goes, as it does when the process dies


def _settle(folder: Path, schema: str, settings: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write what the set is, or compare."""
    path = folder / SET_FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        held = {"schema": said.get("schema"), "settings": dict(said["settings"])}
    except FileNotFoundError:
        partial = path.with_name(f".{SET_FILE}.partial")
        text = json.dumps({"schema": schema, "settings": settings, **facts}, indent=1) + "\n"
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return
    except (ValueError, AttributeError, KeyError, TypeError):
        raise ValueError(f"--out: {path} is damaged; remove the folder") from None
    if held["schema"] != schema:
        raise ValueError(f"--out: {path} says schema `{held['schema']}`, not `{schema}`")
    before = held["settings"]
    other = [
        f"{name} {before.get(name)} and not {settings.get(name)}"
        for name in {**before, **settings}
        if before.get(name) != settings.get(name)
    ]
    if other:
        raise ValueError(
            f"--out: {folder} holds a set with {', '.join(other)}; choose another folder or remove it"
        )
