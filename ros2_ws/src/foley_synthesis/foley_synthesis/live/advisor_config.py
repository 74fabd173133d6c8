"""Parameters of the `contact_advisor` node. Every field is a ROS parameter of the same name (see foley_ros.params)."""

from __future__ import annotations

import dataclasses
import math

from foley_synthesis.beliefs.contact_choice import ContactCosts
from foley_synthesis.live.config import parameter


@dataclasses.dataclass(frozen=True)
class AdvisorConfig:
    """Parameters of the `contact_advisor` node."""

    checkpoint: str = parameter(
        "", "folder of the checkpoint, as of `material`; empty: the one that ships with foley_synthesis"
    )
    hearing: str = parameter("", "what hears, as of `material`")
    predicates_file: str = parameter(
        "", "YAML file of the predicates, as of `material`; empty: the one that ships"
    )
    hand: str = parameter("parallel_gripper", "gripper description, by name or path; the hand_mapper's own")
    tool_frame: str = parameter("tool", "frame that ee_pose moves")
    tip_frame: str = parameter("tip", "frame of the point that touches, fixed to tool_frame in tf")
    strike_s: float = parameter(2.0, "[s] that a tap, hit, knock or pat takes from approach to retreat")
    stroke_s: float = parameter(3.0, "[s] that a scratch, rub or press takes")
    travel_speed: float = parameter(0.25, "[m/s] of the tip on its way from one contact to the next")
    contact_speed: float = parameter(0.2, "[m/s] of the tip at a contact for which no speed was asked")
    approach_m: float = parameter(0.12, "[m] of the straight approach that a question is answered for")
    move_patience_s: float = parameter(60.0, "[s] that a robot may take for one contact")
    listen_s: float = parameter(4.0, "[s] after a contact in which the belief with it is waited for")

    def __post_init__(self) -> None:
        for name in ("contact_speed", "approach_m", "move_patience_s", "listen_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        for name in ("hand", "tool_frame", "tip_frame"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
        self.costs()

    def costs(self) -> ContactCosts:
        """How long contacts take. Raises ValueError for a field that it refuses."""
        return ContactCosts(self.strike_s, self.stroke_s, self.travel_speed)
