"""Which frame of tf lies where a pose says, and which frames hang together."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable

_NEAR_M, _NEAR_RAD = 0.002, 0.01


class Places:
    """Transforms as they were told, and the pose that was told last while they were known."""

    def __init__(self) -> None:
        self._buffer = TransformBuffer(cache_s=30.0)
        self.faults: dict[str, None] = {}

    def add(self, message: Any, *, static: bool) -> None:
        """A TFMessage; what is no transform is told in ``faults``."""
        for told in message.transforms:
            stamp = int(told.header.stamp.sec) * 10**9 + int(told.header.stamp.nanosec)
            parent, child = str(told.header.frame_id), str(told.child_frame_id)
            t, q = told.transform.translation, told.transform.rotation
            try:
                turn = np.array([q.x, q.y, q.z, q.w], np.float64)
                norm = float(np.linalg.norm(turn))
                if not (0.9 < norm < 1.1):
                    raise ValueError(f"its quaternion has length {norm:.3g}")
                pose = SE3(turn / norm, np.array([t.x, t.y, t.z], np.float64))
                self._buffer.add(parent, child, stamp, pose, static=static)
            except ValueError as error:
                self.faults[f"{child or '(no name)'} in {parent or '(no name)'}: {error}"] = None

    def frames_at(
        self, frame: str, position: tuple[float, ...], orientation: tuple[float, ...], stamp_ns: int
    ) -> list[str]:
        """Frames that lie, seen from ``frame``, where a pose says at its time."""
        found = []
        norm = math.hypot(*orientation)
        if not 0.9 < norm < 1.1:
            return []
        asked = SE3(np.array(orientation) / norm, np.array(position))
        for other in sorted(self._buffer.frames() - {frame.lstrip("/")}):
            with contextlib.suppress(TransformUnavailable, ValueError):
                there = self._buffer.lookup(frame, other, stamp_ns)
                apart = float(np.linalg.norm(there.translation - asked.translation))
                cosine = abs(float(np.dot(there.quaternion, asked.quaternion)))
                if apart < _NEAR_M and 2 * math.acos(min(cosine, 1.0)) < _NEAR_RAD:
                    found.append(other)
        return found
