"""Poses, plans, hands and contacts of an episode in the world, by the transforms that were recorded beside them.

A frame that tf does not know is an error, never the world; an empty name means the world.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.robot_file import Frames
from foley_common.topics import MAIN_ARM
from foley_perception.contact_event import NOWHERE, Contact
from foley_perception.episodes.tracks import EpisodeError, Times, ToolPlan
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable


@dataclasses.dataclass(frozen=True)
class FrameNames:
    """What the frames of a robot are called, as live nodes are told by the parameters of these names.

    Raises:
        ValueError: a name is empty.
    """

    world: str = "world"  # parameter fixed_frame
    tool: str = "tool"  # what ee_pose tells the pose of
    tip: str = "tip"  # what touches

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name = getattr(self, field.name).strip().lstrip("/")
            if not name:
                raise ValueError(f"--{field.name}-frame is empty, name the frame as tf does")
            object.__setattr__(self, field.name, name)

    def of_arm(self, arm: str) -> FrameNames:
        """Those of a further arm bear its name: `left_tool`, `left_tip`."""
        if arm == MAIN_ARM:
            return self
        return dataclasses.replace(self, tool=f"{arm}_{self.tool}", tip=f"{arm}_{self.tip}")


USUAL_FRAMES = FrameNames()
AS_ROBOT = Frames()


def frame_names(asked: FrameNames | Frames, robot: Frames) -> FrameNames:
    """What the frames are called: as asked for, where that says nothing as the robot's file does, else as usual."""
    if isinstance(asked, FrameNames):
        return asked
    usual = USUAL_FRAMES
    return FrameNames(
        world=asked.fixed or robot.fixed or usual.world,
        tool=asked.tool or robot.tool or usual.tool,
        tip=asked.tip or robot.tip or usual.tip,
    )


class RecordedTransforms:
    """Transforms of a recording: those that stay, and those that move, which are read when first asked for."""

    def __init__(
        self, static: TransformBuffer | None = None, moving: Callable[[], TransformBuffer] | None = None
    ) -> None:
        self._static = static if static is not None else TransformBuffer()
        self._moving = moving

    def lookup(self, target: str, source: str, time_ns: int | None = None) -> SE3:
        """``tx_target_source`` at a time, or (None) as newest known.

        Raises:
            TransformUnavailable: neither kind connects the two at that time.
        """
        fixed = self.fixed(target, source)
        if fixed is not None:
            return fixed
        return (self._moving() if self._moving is not None else self._static).lookup(target, source, time_ns)

    def fixed(self, target: str, source: str) -> SE3 | None:
        """``tx_target_source`` where it is the same at all times, else None."""
        try:
            return self._static.lookup(target, source)
        except TransformUnavailable:
            return None

    def lookup_all(self, target: str, source: str, times_ns: Times) -> tuple[SE3, NDArray[np.bool_]]:
        """``tx_target_source`` [n] at many times, and which of them are known.

        Raises:
            TransformUnavailable: nothing connects the two at any time.
        """
        fixed = self.fixed(target, source) is not None
        buffer = self._static if fixed or self._moving is None else self._moving()
        return buffer.lookup_all(target, source, times_ns)

    def knows(self, frame: str) -> bool:
        """Whether any transform names a frame."""
        moving = self._moving() if self._moving is not None else self._static
        return frame in self._static.frames() | moving.frames()

    def connect(self, target: str, source: str) -> bool:
        """Whether any transforms connect the two, at whatever time."""
        try:
            self.lookup(target, source)
        except TransformUnavailable:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class World:
    """The fixed frame of an episode, and how others lie in it."""

    name: str
    transforms: RecordedTransforms

    def means(self, frame: str) -> bool:
        """Whether a frame_id is the world's."""
        return frame.lstrip("/") in ("", self.name)

    def place(
        self, topic: str, what: str, frames: Sequence[str], times_ns: Times
    ) -> tuple[SE3, NDArray[np.int64]]:
        """How the frames [n] of messages lay in the world at their times: ``tx_world_frame`` [k], and of which.

        Those at whose time tf does not reach are left out.

        Raises:
            EpisodeError: tf does not know a frame, or reaches none of the times.
        """
        names = np.array(frames, dtype=object)
        quaternion, translation = SE3.identity(len(names)).quaternion.copy(), np.zeros((len(names), 3))
        known = np.ones(len(names), dtype=np.bool_)
        for frame in sorted(set(frames)):
            if self.means(frame):
                continue
            rows = np.flatnonzero(names == frame)
            try:
                poses, known[rows] = self.transforms.lookup_all(self.name, frame, times_ns[rows])
            except TransformUnavailable as error:
                raise self._error(topic, what, frame, str(error)) from error
            quaternion[rows], translation[rows] = poses.quaternion, poses.translation
        if not known.any():
            raise self._error(topic, what, frames[0], "none at the times of its messages")
        return SE3(quaternion[known], translation[known]), np.flatnonzero(known)

    def _error(self, topic: str, what: str, frame: str, why: str) -> EpisodeError:
        return EpisodeError(
            f"{topic}: its {what} are in `{frame.lstrip('/')}`, which no recorded transform connects with "
            f"`{self.name}` ({why}); record /tf and /tf_static as well, publish the {what} in `{self.name}`, or name "
            "the frame that counts as the world with --world-frame"
        )


def poses_in_world(
    topic: str, times_ns: Times, poses: SE3, frames: Sequence[str], world: World
) -> tuple[SE3, NDArray[np.int64]]:
    """Poses [n] given in frames [n], in the world as they lay at their stamps [k], and which of them those are.

    Raises:
        EpisodeError: tf does not know a frame, or reaches none of the times.
    """
    if all(map(world.means, set(frames))):
        return poses, np.arange(len(times_ns))
    places, known = world.place(topic, "poses", frames, times_ns)
    return places @ poses[known], known


def points_in_world(
    topic: str, times_ns: Times, points: NDArray[np.float64], frames: Sequence[str], world: World
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points [n, ..., 3] of hands given in frames [n], in the same way."""
    if all(map(world.means, set(frames))):
        return points, np.arange(len(times_ns))
    places, known = world.place(topic, "keypoints", frames, times_ns)
    flat = points[known].reshape(len(known), -1, 3)
    return places[:, None].apply(flat).reshape(points[known].shape), known


def plans_in_world(topic: str, plans: Sequence[ToolPlan], world: World) -> tuple[list[ToolPlan], int]:
    """Planned motions of the tool as their frames lay when they came, and how many tf does not reach.

    Raises:
        EpisodeError: tf does not know a frame, or reaches none of them.
    """
    if all(world.means(plan.frame_id) for plan in plans):
        return list(plans), 0
    # As live, where a plan that is yet to begin is placed by what is known when it comes.
    times = np.array([min(p.received_ns, int(p.trajectory.times_ns[0])) for p in plans], dtype=np.int64)
    places, known = world.place(topic, "plans", [plan.frame_id for plan in plans], times)
    placed = []
    for row, index in enumerate(known):
        plan = plans[index]
        motion = dataclasses.replace(plan.trajectory, poses=places[row] @ plan.trajectory.poses)
        placed.append(dataclasses.replace(plan, trajectory=motion, frame_id=world.name))
    return placed, len(plans) - len(placed)


def contacts_in_world(topic: str, contacts: Sequence[Contact], world: World) -> list[Contact]:
    """Contacts with their places in the world at their onsets; the place is unknown where tf does not reach then.

    Raises:
        EpisodeError: tf does not know a frame, or reaches none of the times.
    """
    located = [contact for contact in contacts if contact.located]
    if all(world.means(contact.frame_id) for contact in located):
        return [dataclasses.replace(contact, frame_id=world.name) for contact in contacts]
    times = np.array([contact.time_ns for contact in located], dtype=np.int64)
    places, known = world.place(topic, "contacts", [contact.frame_id for contact in located], times)
    positions: dict[int, tuple[float, float, float]] = {}
    for row, index in enumerate(known):
        x, y, z = places[row].apply(located[index].position).tolist()
        positions[id(located[index])] = (x, y, z)
    return [
        dataclasses.replace(contact, position=positions.get(id(contact), NOWHERE), frame_id=world.name)
        for contact in contacts
    ]
