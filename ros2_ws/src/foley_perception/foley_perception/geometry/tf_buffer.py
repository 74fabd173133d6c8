"""The tree of frames: which transform held between two frames at a time.

A small stand-in for tf2's buffer, without its C++: static and moving transforms, looked up along the tree
with interpolation. It knows nothing of ROS; ``ros/tf.py`` feeds it from /tf and /tf_static. May be used from
several threads.
"""

from __future__ import annotations

import bisect
import threading

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3, interpolate_at, stack

Times = NDArray[np.int64]


class TransformUnavailable(LookupError):
    """No transform between two frames at the asked time; the message says what is missing."""


class _Edge:
    """One child's transform to its parent: constant, or a history in the order of time."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self.times: list[int] = []
        self.poses: list[SE3] = []

    def add(self, time_ns: int, pose: SE3, cache_ns: int) -> None:
        if self.static:
            self.times, self.poses = [time_ns], [pose]
            return
        if self.times and time_ns <= self.times[-1]:
            if self.times[-1] - time_ns > cache_ns:  # time was set back: the history is of another run
                self.times, self.poses = [], []
            else:
                index = bisect.bisect_left(self.times, time_ns)
                if self.times[index] == time_ns:
                    self.poses[index] = pose
                else:
                    self.times.insert(index, time_ns)
                    self.poses.insert(index, pose)
                return
        self.times.append(time_ns)
        self.poses.append(pose)
        stale = bisect.bisect_left(self.times, time_ns - cache_ns)
        if stale > 64:  # trimmed in blocks: deleting from the front of a list moves all of it
            del self.times[:stale], self.poses[:stale]

    def at(self, time_ns: int | None, tolerance_ns: int) -> SE3 | None:
        """The transform at a time (None: the newest), or None if its history does not reach there."""
        if self.static or time_ns is None:
            return self.poses[-1]
        index = bisect.bisect_left(self.times, time_ns)
        if index == len(self.times):
            return self.poses[-1] if time_ns - self.times[-1] <= tolerance_ns else None
        if self.times[index] == time_ns:
            return self.poses[index]
        if index == 0:
            return self.poses[0] if self.times[0] - time_ns <= tolerance_ns else None
        before, after = self.times[index - 1], self.times[index]
        return self.poses[index - 1].interpolate(self.poses[index], (time_ns - before) / (after - before))

    def at_all(self, times_ns: Times, tolerance_ns: int) -> tuple[SE3, NDArray[np.bool_]]:
        """Transforms at times [n], and which of them its history reaches."""
        if self.static:
            return self.poses[-1], np.ones(len(times_ns), dtype=np.bool_)
        own, poses = np.array(self.times, dtype=np.int64), stack(self.poses)
        reached = (times_ns >= own[0] - tolerance_ns) & (times_ns <= own[-1] + tolerance_ns)
        return interpolate_at(own, poses, np.clip(times_ns, own[0], own[-1])), reached


class TransformBuffer:
    """Transforms between frames over the last ``cache_s`` seconds.

    Args:
        cache_s: length of the history of moving transforms.
        tolerance_s: a lookup this far outside a history takes its nearest end.
    """

    def __init__(self, cache_s: float = 10.0, tolerance_s: float = 0.05) -> None:
        if not cache_s > 0 or tolerance_s < 0:
            raise ValueError(f"cache_s is {cache_s} and tolerance_s {tolerance_s}: need > 0 and >= 0")
        self._cache_ns = int(cache_s * NS_PER_S)
        self._tolerance_ns = int(tolerance_s * NS_PER_S)
        self._edges: dict[str, _Edge] = {}
        self._lock = threading.Lock()
        self.missed = 0  # lookups that failed
        self.refused = 0  # transforms with NaN, no rotation, or a frame that is its own parent

    def add(self, parent: str, child: str, time_ns: int, tx_parent_child: SE3, *, static: bool) -> None:
        """Take in the transform of ``child`` seen from ``parent``."""
        parent, child = _name(parent), _name(child)
        if not parent or not child or parent == child or not bool(np.all(tx_parent_child.finite)):
            self.refused += 1
            return
        with self._lock:
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or edge.static != static:
                edge = self._edges[child] = _Edge(parent, static)
            edge.add(time_ns, tx_parent_child, self._cache_ns)

    def lookup(self, target: str, source: str, time_ns: int | None = None) -> SE3:
        """``tx_target_source``: takes points in ``source`` to ``target``, at a time or (None) as newest
        known.

        Raises:
            TransformUnavailable: a frame is unknown, the two are not connected, or the history does not
            reach.
        """
        target, source = _name(target), _name(source)
        if not target or not source:
            self.missed += 1
            raise TransformUnavailable(
                f"no transform {target or '?'} <- {source or '?'}: a frame id is empty"
            )
        with self._lock:
            up_source = self._to_root(source, time_ns)
            up_target = self._to_root(target, time_ns)
        for frame, tx_frame_source in up_source.items():
            tx_frame_target = up_target.get(frame)
            if tx_frame_target is None:
                continue
            if isinstance(tx_frame_source, str) or isinstance(tx_frame_target, str):
                self.missed += 1
                reason = tx_frame_source if isinstance(tx_frame_source, str) else tx_frame_target
                raise TransformUnavailable(f"no transform {target} <- {source}: {reason}")
            return tx_frame_target.inverse() @ tx_frame_source
        self.missed += 1
        known = ", ".join(sorted(self.frames())) or "none"
        raise TransformUnavailable(
            f"no transform {target} <- {source}: the two are not connected (known frames: {known}); "
            "is the publisher of /tf or /tf_static running?"
        )

    def lookup_all(self, target: str, source: str, times_ns: Times) -> tuple[SE3, NDArray[np.bool_]]:
        """``tx_target_source`` [n] at many times, and which of them the histories reach; the others mean nothing.

        Raises:
            TransformUnavailable: a frame is unknown, or the two are not connected.
        """
        self.lookup(target, source)
        target, source = _name(target), _name(source)
        with self._lock:
            up_source, up_target = self._ancestors(source), self._ancestors(target)
            shared = next(frame for frame in up_source if frame in up_target)
            known = np.ones(len(times_ns), dtype=np.bool_)
            legs = []
            for up in (up_target, up_source):
                total = SE3.identity(len(times_ns))
                for frame in up[: up.index(shared)]:
                    step, reached = self._edges[frame].at_all(times_ns, self._tolerance_ns)
                    total, known = step @ total, known & reached
                legs.append(total)
        return legs[0].inverse() @ legs[1], known

    def _ancestors(self, frame: str) -> list[str]:
        """A frame and all above it, upwards."""
        found = [frame]
        while (edge := self._edges.get(found[-1])) is not None and edge.parent not in found:
            found.append(edge.parent)
        return found

    def fixed(self, target: str, source: str) -> bool:
        """Whether the two frames are connected by transforms of /tf_static alone."""
        return self._moving_between(target, source) == []

    def known_until_ns(self, target: str, source: str) -> int | None:
        """The newest time at which :meth:`lookup` can place the one in the other between measured transforms.

        None where the two do not move to each other, or are not connected.
        """
        return min((edge.times[-1] for edge in self._moving_between(target, source) or ()), default=None)

    def frames(self) -> set[str]:
        with self._lock:
            return set(self._edges) | {edge.parent for edge in self._edges.values()}

    def clear(self) -> None:
        """Forget moving transforms, as after a jump of time; static ones stay true."""
        with self._lock:
            self._edges = {child: edge for child, edge in self._edges.items() if edge.static}

    def _moving_between(self, target: str, source: str) -> list[_Edge] | None:
        """The moving transforms between two frames; None where they are not connected."""
        with self._lock:
            (one, one_root), (other, other_root) = (
                self._edges_up(_name(frame)) for frame in (target, source)
            )
        if one_root != other_root:
            return None
        return [edge for edge in (*one, *other) if not edge.static and (edge in one) != (edge in other)]

    def _edges_up(self, frame: str) -> tuple[list[_Edge], str]:
        """The transforms from a frame up to the root of its tree, and that root."""
        found: list[_Edge] = []
        while (edge := self._edges.get(frame)) is not None and edge not in found:
            found.append(edge)
            frame = edge.parent
        return found, frame

    def _to_root(self, frame: str, time_ns: int | None) -> dict[str, SE3 | str]:
        """Every ancestor with ``tx_ancestor_frame``, or with the reason why that is not known at the time."""
        path: dict[str, SE3 | str] = {frame: SE3.identity()}
        total: SE3 | str = SE3.identity()
        current = frame
        while (edge := self._edges.get(current)) is not None and edge.parent not in path:
            step = edge.at(time_ns, self._tolerance_ns)
            if step is None:
                span = f"[{edge.times[0]}, {edge.times[-1]}] ns"
                total = f"{edge.parent} <- {current} is known in {span}, asked for {time_ns} ns"
            elif isinstance(total, SE3):
                total = step @ total
            current = edge.parent
            path[current] = total
        return path


def _name(frame: str) -> str:
    return frame.lstrip("/")  # tf1 wrote absolute names
