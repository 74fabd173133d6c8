"""Transforms of /tf_static, which may say in the middle of a recording that a frame is elsewhere.

A camera that is calibrated anew, or a base that is set elsewhere, is told once more. What was before then was under the
transform of before: such a frame moves, in one step.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.audit import motion as rules
from foley_perception.audit.finding import Finding
from foley_perception.episodes.decode import Decoder, Messages, stamp_ns
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer

SAME_M, SAME_RAD = 1e-4, 1e-4  # of two transforms: nearer to each other than a calibration is right
_BEYOND_NS = 100_000 * NS_PER_S  # before the first and after the last of a frame: longer than a recording


@dataclasses.dataclass(frozen=True)
class _Told:
    """From when on a frame was where."""

    time_ns: int
    parent: str
    pose: SE3


class StaticTransforms:
    """What a recording says on /tf_static (tf2_msgs/TFMessage)."""

    def __init__(self, messages: Messages, decoder: Decoder) -> None:
        self._told: dict[str, list[_Told]] = {}  # by child, each unlike the one before
        self._wrong: dict[str, str] = {}
        self._topic = messages[0].topic if messages else ""
        for message, m in decoder.read_all(messages):
            for stamped in m.transforms:
                t, q = stamped.transform.translation, stamped.transform.rotation
                child = stamped.child_frame_id.lstrip("/")
                try:
                    pose = SE3(np.array([q.x, q.y, q.z, q.w]), np.array([t.x, t.y, t.z]))
                except ValueError as error:
                    self._wrong[child] = f"{message.topic}: {child}: {error}"
                    continue
                parent = stamped.header.frame_id.lstrip("/")
                if parent and child and parent != child and bool(np.all(pose.finite)):
                    self._add(child, _Told(stamp_ns(stamped.header), parent, pose), message.log_time)

    def _add(self, child: str, told: _Told, arrival_ns: int) -> None:
        before = self._told.setdefault(child, [])
        if before:
            last = before[-1]
            shift, turn = last.pose.distance_to(told.pose)
            if told.parent == last.parent and shift <= SAME_M and turn <= SAME_RAD:
                return
            if not last.time_ns < told.time_ns <= arrival_ns:  # its stamp says nothing of when it was changed
                told = dataclasses.replace(told, time_ns=max(arrival_ns, last.time_ns + 1))
        before.append(told)

    @property
    def problems(self) -> list[str]:
        """What cannot be a transform, once per frame."""
        return list(self._wrong.values())

    def findings(self, start_ns: int) -> list[Finding]:
        """Frames that were told to be elsewhere."""
        found = []
        for child, told in self._told.items():
            changes = []
            for before, after in _pairs(told):
                shift, turn = before.pose.distance_to(after.pose)
                changes.append((after.time_ns, float(shift), float(turn)))
            if changes:
                parents = list(dict.fromkeys(one.parent for one in told))
                found.append(rules.static_changed(self._topic, child, parents, changes, start_ns))
        return found

    def put(self, buffer: TransformBuffer, *, steps: bool) -> None:
        """Into a buffer: what always holds and, with ``steps``, what changes, as frames that move; see findings."""
        for child, told in self._told.items():
            first, last = told[0], told[-1]
            if len(told) == 1:
                buffer.add(first.parent, child, first.time_ns, first.pose, static=True)
            elif steps and len({one.parent for one in told}) == 1:
                buffer.add(first.parent, child, told[1].time_ns - _BEYOND_NS, first.pose, static=False)
                for before, after in _pairs(told):
                    buffer.add(after.parent, child, after.time_ns - 1, before.pose, static=False)
                    buffer.add(after.parent, child, after.time_ns, after.pose, static=False)
                buffer.add(last.parent, child, last.time_ns + _BEYOND_NS, last.pose, static=False)

    def check_tip(self, tool: str, tip: str, start_ns: int) -> None:
        """Raises EpisodeError where a tool's tip is told, and not to be at one place of it throughout."""
        fixed, newest = TransformBuffer(), TransformBuffer()
        self.put(fixed, steps=False)
        for child, told in self._told.items():
            newest.add(told[-1].parent, child, told[-1].time_ns, told[-1].pose, static=True)
        if newest.fixed(tool, tip) and not fixed.fixed(tool, tip):
            told_so = "; ".join(map(str, self.findings(start_ns)))
            raise EpisodeError(
                f"the tip `{tip}` is not at one place of the tool `{tool}` ({told_so}); record each tool by itself"
            )


def _pairs(told: list[_Told]) -> list[tuple[_Told, _Told]]:
    return list(itertools.pairwise(told))
