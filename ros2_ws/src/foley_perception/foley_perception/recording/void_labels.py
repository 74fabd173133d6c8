"""Labels that make others void: what was said and taken back stays in the bag, and readers leave both out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

VOID = "void"
"""Key of a label that makes the newest one before it void that has its start, end and object, and its value as key."""

Label = TypeVar("Label")


def standing(
    labels: Iterable[Label], parts: Callable[[Label], tuple[int, int, str, str, str]]
) -> list[Label]:
    """Labels in the order of their saying, without what was made void, and without that which made it so.

    Args:
        parts: start [ns], end [ns], object, key and value of a label.
    """
    found: list[Label] = []
    for label in labels:
        start, end, thing, key, value = parts(label)
        if key != VOID:
            found.append(label)
            continue
        place = (start, end, thing, value)
        for index in range(len(found) - 1, -1, -1):
            if parts(found[index])[:4] == place:
                del found[index]
                break
    return found
