"""Poses of the tool from tf, message by message: where nobody tells them otherwise. The same live and for recordings.

A pose is made for every stamp of a transform between the fixed frame and the tool, at most so many a second, as soon as
the others between the two reach as far, or 0.05 s later; then those that are slower hold for 0.25 s, as joints do.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from foley_common.times import NS_PER_S
from foley_perception.action.pace import JOINT_AGE_S, Pace
from foley_perception.geometry.rigid import IDENTITY, Rigid, between, compose, inverse, rigid
from foley_perception.recording.cdr import Transform

_WAIT_NS = NS_PER_S // 20
_HELD_NS = round(JOINT_AGE_S * NS_PER_S)
_KEPT_NS = 2 * NS_PER_S
_RESET_NS = NS_PER_S  # a stamp this far before the newest means that time was set back
_TURNS = 8  # times that a frame changes its parent, from which on it is said to have two
_SHOWN = 12  # frames in an error
_LOW, _HIGH = 0.9, 1.1  # length of a quaternion


class _Told(NamedTuple):
    """What was told of one frame, in the order of time."""

    times: list[int]
    poses: list[Rigid]

    def add(self, time_ns: int, pose: Rigid) -> None:
        if not self.times or time_ns > self.times[-1]:
            self.times.append(time_ns)
            self.poses.append(pose)
            if len(self.times) > 64 and (old := bisect.bisect_left(self.times, time_ns - _KEPT_NS)) > 32:
                del self.times[:old], self.poses[:old]
        elif time_ns == self.times[-1]:
            self.poses[-1] = pose
        # What is older is late, and left out.

    def at(self, time_ns: int) -> Rigid | None:
        index = bisect.bisect_left(self.times, time_ns)
        if index == len(self.times):
            return self.poses[-1] if index and time_ns - self.times[-1] <= _HELD_NS else None
        if self.times[index] == time_ns:
            return self.poses[index]
        if index == 0:
            return None
        start, stop = self.times[index - 1], self.times[index]
        return between(self.poses[index - 1], self.poses[index], (time_ns - start) / (stop - start))


class ToolFromTf:
    """Makes poses of ``tool`` in ``fixed`` at up to ``rate_hz``.

    Attributes:
        problem: why there are none; empty while there are.
        doubled: which frame two publishers tell of in two parents; empty where none is.
        refused: transforms that are not finite or have no rotation.
    """

    def __init__(self, fixed: str, tool: str, rate_hz: float) -> None:
        self._fixed, self._tool, self._pace = fixed, tool, Pace(rate_hz)
        self._parents: dict[str, str] = {}
        self._static: dict[str, Rigid] = {}
        self._told: dict[str, _Told] = {}
        self._turns: dict[str, int] = {}
        self._legs: tuple[list[str], list[str]] | None = (
            None  # frames from each of the two up to where they meet
        )
        self._on_way: list[_Told] = []  # of those between the two that move
        self._pending: list[int] = []
        self._newest_ns: int | None = None
        self.problem, self.doubled, self.refused = f"tf has told nothing of `{tool}` yet", "", 0

    @property
    def connected(self) -> bool:
        """Whether tf connects the tool with the fixed frame by something that moves."""
        return bool(self._on_way)

    def add_static(self, transforms: Iterable[Transform]) -> None:
        """Those of /tf_static."""
        changed = False
        for told in transforms:
            pose = rigid(told.numbers(), _LOW, _HIGH)
            if pose is None:
                self.refused += 1
                continue
            self._static[told.child] = pose
            self._told.pop(told.child, None)
            changed |= self._parents.get(told.child) != told.parent
            self._parents[told.child] = told.parent
        if changed:
            self._find_way()

    def add(self, transforms: Iterable[Transform]) -> Iterator[tuple[int, Rigid]]:
        """Those of one message of /tf; stamps [ns] and poses ``tx_fixed_tool`` that are then known."""
        transforms = list(transforms)
        for told in transforms:
            if self._parents.get(told.child) != told.parent or told.child in self._static:
                self._move(told)
        new: list[tuple[_Told, Transform]] = []
        for told in transforms:
            track = self._told.get(told.child)
            if track is not None and self._parents[told.child] == told.parent:
                new += [(track, told)] if any(track is one for one in self._on_way) else []
        for track, told in new:
            pose = rigid(told.numbers(), _LOW, _HIGH)
            if pose is None:
                self.refused += 1
                continue
            if self._newest_ns is not None and told.time_ns < self._newest_ns - _RESET_NS:
                self._begin_anew()
            track.add(told.time_ns, pose)
            self._newest_ns = max(self._newest_ns or told.time_ns, told.time_ns)
            if (not self._pending or told.time_ns > self._pending[-1]) and self._pace.due(told.time_ns):
                self._pending.append(told.time_ns)
        yield from self._known()

    # ---- inside --------------------------------------------------------------------------------------------
    def _known(self) -> Iterator[tuple[int, Rigid]]:
        while self._pending and self._newest_ns is not None:
            time_ns = self._pending[0]
            reach = min(track.times[-1] if track.times else -(2**63) for track in self._on_way)
            if time_ns > reach and time_ns > self._newest_ns - _WAIT_NS:
                return
            del self._pending[0]
            if (pose := self._at(time_ns)) is not None:
                self.problem = ""
                yield time_ns, pose

    def _at(self, time_ns: int) -> Rigid | None:
        assert self._legs is not None, "stamps are pending only where there is a way"
        ways = []
        for leg in self._legs:
            total = IDENTITY
            for frame in leg:
                step = self._static.get(frame) or self._told[frame].at(time_ns)
                if step is None:
                    self.problem = (
                        f"tf has not told `{self._parents[frame]}` -> `{frame}` for more than {JOINT_AGE_S} s while it "
                        f"tells others between `{self._fixed}` and `{self._tool}`: no pose of the tool is made; does "
                        "whoever publishes it still run, by the same clock?"
                    )
                    return None
                total = compose(step, total)
            ways.append(total)
        return compose(inverse(ways[0]), ways[1])

    def _move(self, told: Transform) -> None:
        """A frame that is new on /tf, or has another parent than before."""
        child = told.child
        if (known := self._parents.get(child)) is not None and known != told.parent:
            self._turns[child] = self._turns.get(child, 0) + 1
            if self._turns[child] == _TURNS:
                self.doubled = (
                    f"tf tells of `{child}` both in `{known}` and in `{told.parent}`, in turn: do two robots publish "
                    "the same names? Give each its own (a prefix, or remap /tf)"
                )
            if self._turns[child] >= _TURNS:
                return
        self._static.pop(child, None)
        self._parents[child] = told.parent
        self._told[child] = _Told([], [])
        self._find_way()

    def _find_way(self) -> None:
        fixed, tool = self._up(self._fixed), self._up(self._tool)
        self._pending.clear()
        meet = next((frame for frame in tool if frame in fixed), None)
        if meet is None:
            known = sorted({*self._parents, *self._parents.values()})
            more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            self._legs, self._on_way = None, []
            self.problem = (
                f"tf does not connect `{self._tool}` with `{self._fixed}`; it has {', '.join(known[:_SHOWN]) or 'none'}"
                f"{more}: are those the names of the robot's frames?"
            )
            return
        self._legs = fixed[: fixed.index(meet)], tool[: tool.index(meet)]
        self._on_way = [self._told[f] for leg in self._legs for f in leg if f not in self._static]
        if not self._on_way:
            self.problem = (
                f"tf tells of `{self._tool}` in `{self._fixed}` on /tf_static alone: it does not move"
            )

    def _up(self, frame: str) -> list[str]:
        found = [frame]
        while (above := self._parents.get(found[-1])) is not None and above not in found:
            found.append(above)
        return found

    def _begin_anew(self) -> None:
        """Time was set back: what was told is of another run."""
        for track in self._told.values():
            track.times.clear()
            track.poses.clear()
        self._pending.clear()
        self._newest_ns = None
