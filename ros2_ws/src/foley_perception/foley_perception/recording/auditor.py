"""Who looks at a recording while it goes by (foley_perception/audit), as the recorder sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from foley_perception.recording.cdr import Buffer


class Auditor(Protocol):
    """Is shown every message."""

    def add_topic(self, name: str, message_type: str, definition: str) -> None:
        """Before its first message."""

    def add(self, topic: str, data: Buffer, arrival_ns: int) -> None:
        """One message; cheap enough for the thread that receives."""

    def clock_steps(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Of each topic: stamp [ns] after, and size [s], of each time that the clock of its stamps was set."""

    def lines(self) -> list[str]:
        """What was found, the worst first."""
