"""Keeps the map of objects in a file, so that a detector that was killed goes on calling them by the same names.

What goes wrong is said and never stops the work: without its file a detector gives new names, which nobody has held
before.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from foley_perception.contact.objects import ObjectMap

SCHEMA = 1


class ObjectFile:
    """The parameter `state_file`: a path, or empty for none.

    Args:
        frame: of the positions; a file of another frame is of another place.
    """

    def __init__(self, path: str, *, frame: str) -> None:
        self.path = Path(path).expanduser() if path else None
        self._frame = frame

    def restore(self, objects: ObjectMap) -> tuple[bool, str]:
        """Whether all is well, and a sentence for the log (empty: nothing to say). All or nothing."""
        if self.path is None or not self.path.exists():
            return True, ""
        try:
            data: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema is {data['schema']}, known is {SCHEMA}")
            if data["frame"] != self._frame:
                raise ValueError(f"positions are in `{data['frame']}`, not in `{self._frame}`")
            objects.restore(data["objects"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return False, (
                f"{self.path}: objects are not restored, all get new names ({type(error).__name__}: {error})"
            )
        return True, f"{len(objects.names)} objects restored from {self.path}"

    def save(self, objects: ObjectMap) -> str:
        """Write atomically. Returns what went wrong, empty if nothing did."""
        if self.path is None:
            return ""
        data = {"schema": SCHEMA, "frame": self._frame, "objects": objects.state()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            temporary = Path(name)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(data, file, allow_nan=False)
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            return f"{error}: objects will have new names after the next restart"
        return ""
