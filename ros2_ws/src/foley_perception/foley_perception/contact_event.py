"""One contact between the robot and something: fields of ContactEvent that recordings, detector and models share."""

from __future__ import annotations

import dataclasses
import math

from foley_common.enumerations import Action, action_label

NAN = math.nan
NOWHERE = (NAN, NAN, NAN)
Point = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Contact:
    """A contact; NaN and empty where a field is not known."""

    time_ns: int  # onset
    contact_id: str = ""
    object_id: str = ""
    position: Point = NOWHERE  # of the tip [m], in `frame_id`
    action: int = Action.UNKNOWN
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
        """As data sets write it; `unknown` for a value that has no name."""
        return action_label(self.action)
