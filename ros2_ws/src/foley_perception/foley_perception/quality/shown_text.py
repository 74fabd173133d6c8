"""Text of recordings as a page and JSON can hold it: names of files need not be text."""

from __future__ import annotations

from typing import Any


def printable(value: Any) -> Any:
    """The same with every text in it made of what UTF-8 can write: what it cannot is written as `\\udcNN`."""
    if isinstance(value, str):
        value = value.encode("utf-8", "backslashreplace").decode("utf-8")
        return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in value)
    if isinstance(value, dict):
        return {printable(k): printable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(v) for v in value]
    return value
