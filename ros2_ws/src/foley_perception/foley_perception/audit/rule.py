"""One row of the table of rules."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Rule:
    """What docs/recording.md says of a rule."""

    name: str
    checked: str
    limit: str
    said: str
    costs: str
