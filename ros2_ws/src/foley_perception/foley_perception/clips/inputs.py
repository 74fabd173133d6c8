"""What a model is shown of one contact: the one place where streams become its arrays.

The dataset builder fills a :class:`Streams` from a bag, a live node from its histories; both call the same functions::

    executed_inputs   still, frames, and the action as it was measured
    planned_inputs    still, and the action as it was planned
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.action import SERIES, clip_action
from foley_perception.clips.grid import CLIP_FRAMES, FRAME_RATE, clip_start_ns, frame_times_ns
from foley_perception.clips.pictures import CLEAR_M, NoPicture, frame_indices, still_index
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.crop import crop_around
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]
Times = NDArray[np.int64]
MAX_POINT_GAP_NS = (
    NS_PER_S // 10
)  # between the poses beside a contact: a tip turns back within less than a gap
AROUND_NS = 2 * NS_PER_S  # of motion is looked at on each side of a contact, in a recording and live


class NoMotion(ValueError):
    """The motion around a contact is not known; the message says what is missing."""


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredTool:
    """A motion of the tool as it was measured, in the fixed frame."""

    times_ns: Times  # [n], increasing
    poses: SE3  # [n], tx_world_tool
    tx_tool_tip: SE3
    width: SERIES | None = None  # opening of the gripper [m]; None: not known
    wrench: SERIES | None = (
        None  # [m, 6] force [N] and torque [N m] on the tool in its frame; None: not measured
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Streams:
    """What was sensed around a contact; everything in the fixed frame, times in ns.

    Each picture is cut by the camera of its own time: at a wrist the place of the contact moves through the pictures.
    """

    camera: Callable[[int], CameraModel]  # as it stood at a time; raises ValueError where nobody knows
    frame_times: Times  # [n], increasing
    frame: Callable[[int], NDArray[np.uint8]]  # picture [H, W, 3] by its index
    tip: tuple[Times, Array]  # [m], [m, 3] [m]
    width: SERIES | None = None  # opening of the gripper [m]; None: not known
    force: SERIES | None = None  # magnitude [N]; None: not known
    clear_m: float = CLEAR_M  # a tip nearer than this to the contact point is in the way of the still

    newest_tip: Callable[[int], Array | None] | None = None  # newest known until a time; None: that of `tip`
    tool: MeasuredTool | None = None  # the whole motion, for models that need more than the tip

    def tip_at(self, time_ns: int) -> Array | None:
        """The newest known tip position [3] until a time; None where there is none yet."""
        if self.newest_tip is not None:
            return self.newest_tip(time_ns)
        times, positions = self.tip
        index = int(np.searchsorted(times, time_ns, side="right")) - 1
        while index >= 0 and not np.isfinite(positions[index]).all():
            index -= 1
        return positions[index] if index >= 0 else None


@dataclasses.dataclass(frozen=True, eq=False)
class ClipInputs:
    """One contact on the clip's grid."""

    still: NDArray[np.uint8]  # [128, 128, 3], crop around the contact point before the tool came near
    frames: NDArray[np.uint8] | None  # [30, 128, 128, 3] at 30 Hz; None: planned
    action: NDArray[np.float32]  # [90, 8] at 90 Hz


def executed_inputs(streams: Streams, contact_ns: int, point: Array) -> ClipInputs:
    """Of a contact that has happened at ``point`` [3].

    Raises:
        NoPicture, NoMotion: pictures or poses are missing.
        ValueError: the point is behind the camera, or nobody knows where the camera was.
    """
    times = frame_times_ns(clip_start_ns(contact_ns), CLIP_FRAMES, FRAME_RATE)
    indices = frame_indices(streams.frame_times, times)
    still = still_before(streams, contact_ns, point).crop
    crops = {i: _crop(streams, i, point)[0] for i in sorted({int(i) for i in indices})}
    frames = np.stack([crops[int(i)] for i in indices])
    return ClipInputs(still, frames, measured_action(streams, contact_ns, point))


def planned_inputs(
    streams: Streams, path: tuple[Times, Array], width: Array, contact_ns: int, point: Array
) -> ClipInputs:
    """Of the contact that a planned path [n, 3] with widths [n] will make at ``point`` [3].

    Raises:
        NoPicture, NoMotion: there is no picture from before, or the plan does not reach the contact.
        ValueError: the point is behind the camera, or nobody knows where the camera was.
    """
    return ClipInputs(
        still_before(streams, contact_ns, point).crop, None, planned_action(path, width, contact_ns, point)
    )


def measured_action(streams: Streams, contact_ns: int, point: Array) -> NDArray[np.float32]:
    """Action [90, 8] as it was measured. Raises NoMotion."""
    return _action(contact_ns, point, streams.tip, width=streams.width, force=streams.force)


def planned_action(
    path: tuple[Times, Array], width: Array, contact_ns: int, point: Array
) -> NDArray[np.float32]:
    """Action [90, 8] as it was planned. Raises NoMotion."""
    return _action(contact_ns, point, path, width=(path[0], width), planned=True)


def contact_point(position: Array, streams: Streams, contact_ns: int) -> Array:
    """Where a contact was [3]: as it was told, else where the tip was.

    Raises:
        NoMotion: neither is known.
    """
    point = np.asarray(position, dtype=np.float64)
    if np.isfinite(point).all():
        return point
    times, tip = streams.tip
    right = int(np.searchsorted(times, contact_ns))
    known = 0 <= right < len(times) and (right > 0 or times[0] == contact_ns)
    if not known or times[right] - times[max(right - 1, 0)] > MAX_POINT_GAP_NS:
        raise NoMotion("neither the contact nor the tip has a position")
    query = float(contact_ns - int(times[0]))
    return np.array([np.interp(query, (times - times[0]).astype(float), column) for column in tip.T])


@dataclasses.dataclass(frozen=True, eq=False)
class Still:
    """The picture of a place from before its contact."""

    picture: NDArray[np.uint8]  # the whole of it [H, W, 3]
    camera: CameraModel  # that took it
    crop: NDArray[np.uint8]  # [128, 128, 3] around the place


def still_before(streams: Streams, contact_ns: int, point: Array) -> Still:
    """The picture that shows the place of a contact before the tool came near.

    Raises:
        NoPicture: there is none, or the place is not on it.
        ValueError: the point is behind the camera, or nobody knows where the camera was.
    """

    def seen(time_ns: int) -> bool:
        try:
            camera = streams.camera(time_ns)
        except ValueError:
            return False
        return bool(camera.contains(camera.project(point)[0]))

    def clear(time_ns: int) -> bool:
        tip = streams.tip_at(time_ns)
        return seen(time_ns) and (tip is None or bool(np.linalg.norm(tip - point) >= streams.clear_m))

    index = still_index(streams.frame_times, contact_ns, clear)
    crop, picture, camera = _crop(streams, index, point)
    if not seen(int(streams.frame_times[index])):
        raise NoPicture(
            "the place of the contact is outside of the picture; point the camera at it, and see whether its frame in "
            "tf is the optical one (z forward, x right)"
        )
    return Still(picture, camera, crop)


def _crop(
    streams: Streams, index: int, point: Array
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], CameraModel]:
    """Around a point in one picture, by the camera as it stood then; with both."""
    picture, camera = streams.frame(index), streams.camera(int(streams.frame_times[index]))
    return crop_around(picture, camera, point), picture, camera


def _action(
    contact_ns: int,
    point: Array,
    path: tuple[Times, Array],
    *,
    width: SERIES | None,
    force: SERIES | None = None,
    planned: bool = False,
) -> NDArray[np.float32]:
    times, tip = path
    near = np.abs(times - contact_ns) < AROUND_NS
    try:
        return clip_action(
            contact_ns, point, times[near], tip[near], width=width, force=force, planned=planned
        )
    except ValueError as error:
        raise NoMotion(f"motion around the contact is missing ({error})") from error
