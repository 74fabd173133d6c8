"""One contact between the robot and something: fields of ContactEvent that recordings, detector and models share."""

from __future__ import annotations

import dataclasses
import math

NAN = math.nan
NOWHERE = (NAN, NAN, NAN)
Point = tuple[float, float, float]

# Names of ContactEvent.ACTION_*, by value; this module knows no messages.
ACTIONS: tuple[str, ...] = ("unknown", "tap", "hit", "knock", "scratch", "rub", "pat", "press")


@dataclasses.dataclass(frozen=True)
class Contact:
    """A contact; NaN and empty where a field is not known."""

    time_ns: int  # onset
    contact_id: str = ""
    object_id: str = ""
    position: Point = NOWHERE  # of the tip [m], in `frame_id`
    action: int = 0  # index into ACTIONS
    duration: float = NAN  # [s]
    impulse: float = NAN  # [N s]
    confidence: float = NAN  # [0, 1]
    plan_id: str = ""
    frame_id: str = ""

    @property
    def located(self) -> bool:
        """Whether its place is known."""
        return all(math.isfinite(v) for v in self.position)

    @property
    def action_name(self) -> str:
        """One of ACTIONS; `unknown` for a value that has no name."""
        return ACTIONS[self.action] if 0 <= self.action < len(ACTIONS) else ACTIONS[0]
