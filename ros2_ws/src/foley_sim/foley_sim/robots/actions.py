"""What can be done to a thing: the seven actions, the target of one, and the plan that carries it out."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.robots.trajectory import Trajectory
from foley_sim.spec import Head

Array = NDArray[np.float64]
Action = Literal["tap", "hit", "scratch", "knock", "rub", "pat", "press"]
ACTIONS: tuple[Action, ...] = get_args(Action)
PAD_ACTIONS: frozenset[str] = frozenset({"rub", "pat", "press"})
"""Done with the soft pad; the others with the hard tip."""
LANDED: frozenset[str] = frozenset({"scratch", "rub", "press"})
"""Begin by a slow landing; the others by a blow."""
STROKES: frozenset[str] = frozenset({"scratch", "rub"})
"""Go along the face."""
REPEATED: frozenset[str] = frozenset({"knock", "pat"})
"""Several blows that are one contact."""
PLAN_RATE_HZ = 100.0  # of the points that are published

SPEEDS: dict[Action, tuple[float, float]] = {
    "tap": (0.08, 0.25),
    "hit": (0.25, 0.8),
    "scratch": (0.03, 0.25),
    "knock": (0.2, 0.5),
    "rub": (0.1, 0.3),
    "pat": (0.15, 0.4),
    "press": (0.04, 0.08),
}
"""Along the normal, or the greatest along the stroke [m/s]; of a press, its landing."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What to do to which object."""

    object_id: str
    action: Action
    point: tuple[float, float, float]  # of first contact, in the world [m]
    speed: float  # of the blow, or of a scratch or rub along its stroke [m/s]
    stroke: tuple[float, float] = (0.0, 0.0)  # vector of a scratch or a rub [m]
    depth: float = 0.002  # of the plan below the face [m]
    landing_speed: float = 0.0  # of a scratch, rub or press [m/s]
    yaw: float = 0.0  # of the gripper [rad]
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)  # of the surface at `point`
    repeats: int = 1  # blows of a knock or pat, strokes of a rub
    interval_s: float = 0.2  # from one blow of a knock to the next [s]
    hold_s: float = 0.0  # a pat rests this long at each blow, a press from touch to letting go [s]

    @property
    def head(self) -> Head:
        return "pad" if self.action in PAD_ACTIONS else "tip"

    @property
    def approach(self) -> float:
        """Downward speed at first contact [m/s]."""
        return self.landing_speed if self.action in LANDED else self.speed


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """One action as a motion of the tool over x, y, z, yaw. Times are simulation time."""

    plan_id: str
    target: Target
    published_ns: int
    start_ns: int
    contact_ns: int  # of the first contact
    trajectory: Trajectory
    width: float  # of the gripper [m]

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(self.trajectory.duration_s * NS_PER_S)

    def later(self, by_ns: int) -> Plan:
        """The same motion at another time."""
        times = {name: getattr(self, name) + by_ns for name in ("published_ns", "start_ns", "contact_ns")}
        return dataclasses.replace(self, **times)

    def points(self, rate_hz: float = PLAN_RATE_HZ) -> tuple[Array, Array, Array, Array]:
        """Times [n] from the start [s]; places, velocities and accelerations [n, 4] of the tool's x, y, z, yaw."""
        times = self.trajectory.times(rate_hz)
        return (times, *self.trajectory.sample(times))
