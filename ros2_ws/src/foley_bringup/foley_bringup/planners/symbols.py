"""Names of objects as planners write them: a planner's symbol is stricter than an object's id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

RESERVED = frozenset(
    [
        "action",
        "and",
        "either",
        "exists",
        "forall",
        "goal",
        "imply",
        "increase",
        "init",
        "metric",
        "not",
        "object",
        "objects",
        "observe",
        "oneof",
        "or",
        "total-cost",
        "type",
        "types",
        "unknown",
        "when",
    ]
)


def symbols(names: Iterable[str]) -> Mapping[str, str]:
    """A symbol for each name, in lower case (PDDL knows no other): letters, digits, `-` and `_`, a letter first.

    Symbols of different names differ, and are the same each time that the names are. A name that is a symbol stays.
    """
    found: dict[str, str] = {}
    wanted = sorted(set(names), key=lambda name: (_symbol(name) != name, name))
    for name in wanted:
        plain = _symbol(name)
        symbol, number = plain, 1
        while symbol in found.values():
            number += 1
            symbol = f"{plain}_{number}"
        found[name] = symbol
    return found


def _symbol(name: str) -> str:
    text = re.sub(r"[^a-z0-9_-]", "_", name.lower())
    return text if re.match(r"[a-z]", text) and text not in RESERVED else f"o_{text}"
