"""Planned motion as a sequence of tool poses at a known rate."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3, interpolate_at

Array = NDArray[np.float64]
MAX_POSES = 20_000  # 200 s at 100 Hz; a longer plan is a mistake in its time_from_start


class TrajectoryError(ValueError):
    """A planned motion was refused; the message names the field, its value and the cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class ToolTrajectory:
    """A planned motion of the tool in the world."""

    plan_id: str
    times_ns: NDArray[np.int64]  # [n], increasing
    poses: SE3  # [n], tx_world_tool
    widths: Array  # [n] opening of the gripper [m]; NaN not planned

    def tip_path(self, tx_tool_tip: SE3) -> TipPath:
        """The same as the path of the tip."""
        return TipPath(self.plan_id, self.times_ns, (self.poses @ tx_tool_tip).translation, self.widths)


@dataclasses.dataclass(frozen=True, eq=False)
class TipPath:
    """A planned motion as the path of the tip in the world."""

    plan_id: str
    times_ns: NDArray[np.int64]  # [n], increasing
    tip: Array  # [n, 3] [m]
    width: Array  # [n] opening of the gripper [m]; NaN not known


def check_times(offsets_s: Array, what: str) -> Array:
    """Offsets [n] from the start of a plan, checked: finite, at least two, increasing.

    Raises:
        TrajectoryError: otherwise.
    """
    offsets = np.asarray(offsets_s, dtype=np.float64)
    if offsets.size < 2:
        raise TrajectoryError(f"{what} has {offsets.size} point(s), a motion needs at least 2")
    if not np.isfinite(offsets).all():
        raise TrajectoryError(
            f"{what}: time_from_start of point {int(np.argmin(np.isfinite(offsets)))} is not finite"
        )
    steps = np.diff(offsets)
    if np.any(steps <= 0):
        i = int(np.argmax(steps <= 0))
        raise TrajectoryError(
            f"{what}: time_from_start of point {i + 1} is {offsets[i + 1]} s after {offsets[i]} s: "
            "it must increase; time the plan before publishing it"
        )
    return offsets


def sample_times(offsets_s: Array, rate_hz: float) -> Array:
    """Times [m] that cover the plan at about ``rate_hz``, ends included.

    Raises:
        TrajectoryError: the plan is absurdly long.
    """
    duration = float(offsets_s[-1] - offsets_s[0])
    count = max(int(np.floor(duration * rate_hz + 1e-9)) + 1, 2)
    if count > MAX_POSES:
        raise TrajectoryError(
            f"plan lasts {duration:.1f} s, at most {MAX_POSES / rate_hz:.0f} s are followed"
        )
    times = offsets_s[0] + np.arange(count) / rate_hz
    if offsets_s[-1] - times[-1] > 0.25 / rate_hz:
        times = np.append(times, offsets_s[-1])
    return np.asarray(np.minimum(times, offsets_s[-1]))


def interpolate_joints(
    offsets_s: Array,  # [n]
    positions: Array,  # [n, joints]
    query_s: Array,  # [m]
    velocities: Array | None = None,  # [n, joints]
) -> Array:
    """Joint positions [m, joints]: linear, or cubic Hermite where velocities are given.

    Trajectory controllers do the same.
    """
    index = np.clip(np.searchsorted(offsets_s, query_s, side="right") - 1, 0, len(offsets_s) - 2)
    span = (offsets_s[index + 1] - offsets_s[index])[:, None]
    s = np.clip((query_s - offsets_s[index])[:, None] / span, 0.0, 1.0)
    p0, p1 = positions[index], positions[index + 1]
    if velocities is None:
        return np.asarray(p0 + s * (p1 - p0))
    v0, v1 = velocities[index] * span, velocities[index + 1] * span
    return np.asarray(
        (2 * s**3 - 3 * s**2 + 1) * p0
        + (s**3 - 2 * s**2 + s) * v0
        + (3 * s**2 - 2 * s**3) * p1
        + (s**3 - s**2) * v1
    )


def resample_poses(times_ns: NDArray[np.int64], poses: SE3, rate_hz: float) -> tuple[NDArray[np.int64], SE3]:
    """A Cartesian plan at about ``rate_hz``: times [m] and poses [m].

    Raises:
        TrajectoryError: too few points, times that do not increase, or a pose that is not finite.
    """
    start = int(times_ns[0]) if len(times_ns) else 0
    offsets = check_times((np.asarray(times_ns) - start) / NS_PER_S, "planned path")
    if not poses.finite.all():
        raise TrajectoryError(f"planned path: pose {int(np.argmin(poses.finite))} is not finite")
    query = np.clip(
        start + np.round(sample_times(offsets, rate_hz) * NS_PER_S).astype(np.int64),
        times_ns[0],
        times_ns[-1],
    )
    return query, interpolate_at(times_ns, poses, query)
