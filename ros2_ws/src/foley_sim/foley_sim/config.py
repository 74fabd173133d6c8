"""Configuration of the simulated world."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_sim.editions import EDITIONS
from foley_sim.scene import SPLITS
from foley_sim.spec import ROBOTS
from foley_sim.states import STATES


def _field(default: Any, doc: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc})


@dataclasses.dataclass(frozen=True)
class SimWorldConfig:
    """Parameters of the node `sim_world`. Refuses impossible values with a ValueError."""

    edition: str = _field("tabletop", f"Which collection of scenes: {', '.join(EDITIONS)}.")
    scene_seed: int = _field(0, "Which scene of the split stands on the table.")
    split: str = _field("test", "train, validation or test: objects of one never appear in another.")
    robot: str = _field("", f"Who touches them: {', '.join(ROBOTS)}; empty for the scene's own.")
    hands: int = _field(1, "2: another hand steadies what the robot touches.")
    state: str = _field(
        "",
        f"Some objects are so, the others the opposite: {', '.join(STATES)}; empty: whole, empty, of one piece.",
    )
    state_share: float = _field(0.5, "Share of the objects that can be in `state` which are.")
    policy_seed: int = _field(0, "Seed of the exploration, the sensor noise and the sound.")
    explore: bool = _field(True, "Whether the robot touches things by itself.")
    max_actions: int = _field(0, "Stop exploring after this many actions; 0 for no limit.")
    explore_s: float = _field(0.0, "[s] Stop exploring this long after the start; 0 for no limit.")
    camera_rate_hz: float = _field(30.0, "[Hz] Colour images; 0 for none.")
    depth_rate_hz: float = _field(10.0, "[Hz] Depth images; 0 for none.")
    image_width: int = _field(320, "[px]")
    image_height: int = _field(240, "[px]")

    def __post_init__(self) -> None:
        if self.edition not in EDITIONS:
            raise ValueError(f"edition is `{self.edition}`, known are {', '.join(EDITIONS)}")
        if self.split not in SPLITS:
            raise ValueError(f"split is `{self.split}`, known are {', '.join(SPLITS)}")
        if self.robot and self.robot not in ROBOTS:
            raise ValueError(f"robot is `{self.robot}`, known are {', '.join(ROBOTS)}")
        if self.state and self.state not in STATES:
            raise ValueError(f"state is `{self.state}`, known are {', '.join(STATES)}")
        if not (math.isfinite(self.state_share) and 0.0 < self.state_share <= 1.0):
            raise ValueError(f"state_share is {self.state_share}, must lie in (0, 1]")
        if self.hands not in (1, 2):
            raise ValueError(f"hands is {self.hands}, must be 1 or 2")
        for name in ("scene_seed", "policy_seed", "max_actions"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must not be negative")
        if not (math.isfinite(self.explore_s) and self.explore_s >= 0):
            raise ValueError(f"explore_s is {self.explore_s}, must be finite and not negative")
        for name in ("camera_rate_hz", "depth_rate_hz"):
            if not 0 <= getattr(self, name) <= 120:
                raise ValueError(f"{name} is {getattr(self, name)}, must lie in [0, 120]")
        for name, most in (("image_width", 1280), ("image_height", 960)):
            if not 16 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, must lie in [16, {most}]")
