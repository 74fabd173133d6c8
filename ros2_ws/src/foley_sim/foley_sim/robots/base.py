"""What the world needs of a robot. The policy thinks in the tool's own coordinates, (x, y, z, yaw) of a tool that
points down; a robot turns these into joints, into a MuJoCo model with its control, and into a `robot_description`.
"""

from __future__ import annotations

import abc
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.robots import tool, urdf
from foley_sim.robots.actions import Plan
from foley_sim.spec import StrikerSpec

Array = NDArray[np.float64]
Motion = tuple[Array, Array, Array]
"""Positions, velocities and accelerations, each [n, joints] or of one instant [joints]."""

STIFFNESS = (2 * np.pi * 25.0) ** 2
"""Of the driven joints per unit of mass [1/s^2]."""
DAMPING = float(2 * np.sqrt(STIFFNESS))


class Drive(abc.ABC):
    """Moves the driven joints of one MuJoCo model along a reference.

    Args:
        robot: whose model it is.
        model, data: of MuJoCo, at the robot's first posture, before mj_forward.
    """

    @abc.abstractmethod
    def push(self, position: Array, velocity: Array, acceleration: Array) -> None:
        """Set the motors' forces for the next step, from the state before it."""

    @abc.abstractmethod
    def tip_velocity(self) -> Array:
        """Velocity [3] of the tip in the world before the step that was just taken [m/s]."""

    @abc.abstractmethod
    def move_pad(self, goal: float, most: float) -> None:
        """Move the sleeve's wished travel towards ``goal`` by at most ``most`` [m]."""


class Robot(abc.ABC):
    """A kind of robot with a striker."""

    name: str
    axes: tuple[str, ...]
    """Joints that follow the plan, first in the model, without the prefix; `driven` are those with it."""
    passive: tuple[str, ...]
    """Further joints of the model, the wrist first, without the pad and the prefix."""
    reach: tuple[tuple[float, float], ...]
    """Travel of the tool's x, y, z [m] and yaw [rad]."""
    stands: tuple[float, float, float] | None = None
    """Where its foot stands on the table: x, y and radius [m]; None where it hangs."""

    def __init__(self, striker: StrikerSpec, prefix: str = "") -> None:
        """
        Args:
            striker: what it holds.
            prefix: before the names of its joints, frames and parts, where there are several robots.
        """
        self.striker = striker
        self.prefix = prefix
        self.driven = tuple(prefix + name for name in self.axes)
        self.tip = prefix + tool.TIP

    # ---- names -------------------------------------------------------------------------------------------------
    @property
    def joints(self) -> tuple[str, ...]:
        """All joints in the order of the model; joint_states also carries `gripper_width`."""
        names = (*self.axes, *self.passive, *((tool.PAD,) if self.striker.has_pad else ()))
        return tuple(self.prefix + name for name in names)

    @property
    def planned(self) -> tuple[str, ...]:
        """Joints named in a planned trajectory; it takes the wrist to stay at rest."""
        return tuple(self.prefix + name for name in (*self.axes, tool.WRIST, tool.GRIPPER_WIDTH))

    # ---- kinematics --------------------------------------------------------------------------------------------
    @abc.abstractmethod
    def tool_pose(self, positions: Array) -> tuple[Array, Array]:
        """Position [3] [m] and quaternion [4] (x, y, z, w) of the tool in the world, from all joints."""

    @abc.abstractmethod
    def in_tool(self, force: Array, positions: Array) -> tuple[float, float, float]:
        """A force [3] of the world in the tool's axes."""

    @abc.abstractmethod
    def width(self, positions: Array) -> float:
        """Of the gripper [m]."""

    @abc.abstractmethod
    def width_rate(self, velocities: Array) -> float:
        """How fast the gripper opens [m/s]."""

    @abc.abstractmethod
    def motor_speed(self, velocities: Array) -> float:
        """How fast the motors turn, 1 at full speed."""

    @abc.abstractmethod
    def posture(self, place: Array) -> Array:
        """All joints at rest with the tool at x, y, z, yaw."""

    @abc.abstractmethod
    def motion(self, times: Array, place: Array, velocity: Array, acceleration: Array) -> Motion:
        """Driven joints for a motion of the tool.

        Args:
            times: [n] [s], rising.
            place, velocity, acceleration: [n, 4] of x, y, z, yaw.

        Raises:
            ValueError: out of reach.
        """

    def steer(self, place: Array, velocity: Array, acceleration: Array, positions: Array) -> Motion:
        """Driven joints for one instant of a motion of the tool [4], near where all joints are now."""
        return place, velocity, acceleration

    def plan_points(self, plan: Plan) -> tuple[Array, Array, Array, Array]:
        """Times [n] from the start [s]; positions, velocities and accelerations [n, joints] of `planned`."""
        times, *tool_motion = plan.points()
        position, velocity, acceleration = self.motion(times, *tool_motion)
        rest = np.zeros((len(times), 1))
        return (
            times,
            np.hstack([position, rest, np.full_like(rest, plan.width)]),
            np.hstack([velocity, rest, rest]),
            np.hstack([acceleration, rest, rest]),
        )

    def check(self, x: float, y: float, z: float) -> None:
        """Refuse a place of the tool that cannot be reached.

        Raises:
            ValueError: names the coordinate.
        """
        for coordinate, value, (low, high) in zip("xyz", (x, y, z), self.reach, strict=False):
            if not low <= value <= high:
                raise ValueError(f"joint `{coordinate}` would be {value:.3f}, reach is [{low}, {high}] m")

    # ---- models ------------------------------------------------------------------------------------------------
    @abc.abstractmethod
    def describe(self, robot: ET.Element) -> None:
        """Add links and joints to a `robot_description` that has the link `world`: `tool`, `tip`, simple visuals."""

    def urdf(self) -> str:
        """A `robot_description` of this one alone."""
        return urdf.write(f"foley_{self.name}", (self,))

    @abc.abstractmethod
    def add_to(self, root: ET.Element, asset: ET.Element, world: ET.Element, files: dict[str, bytes]) -> None:
        """Put the robot into an MJCF model and its meshes into ``files``."""

    @abc.abstractmethod
    def drive(self, model: Any, data: Any) -> Drive:
        """What moves it."""
