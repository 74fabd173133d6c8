"""Every rule of the audit, as docs/recording.md lists it (`python scripts/write_rules.py`)."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Rule:
    """One row of the table."""

    name: str
    checked: str
    limit: str
    said: str
    costs: str


RULES: tuple[Rule, ...] = ()
