"""The tree of frames: which transform held between two frames at a time.

A small stand-in for tf2's buffer, without its C++: static and moving transforms, looked up along the tree
with interpolation. It knows nothing of ROS; ``ros/tf.py`` feeds it from /tf and /tf_static. May be used from
several threads.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3, interpolate_at

Array = NDArray[np.float64]
Times = NDArray[np.int64]


class TransformUnavailable(LookupError):
    """No transform between two frames at the asked time; the message says what is missing."""


class _Edge:
    """One child's transform to its parent: constant, or a history in the order of time."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self._times = np.zeros(8, np.int64)
        self._numbers = np.zeros((8, 7))  # quaternion, translation
        self._start = self._end = 0

    @property
    def times(self) -> Times:
        """Of its history [n]."""
        return self._times[self._start : self._end]

    def add(self, times_ns: Times, poses: SE3, cache_ns: int) -> None:
        """Transforms [n] at times [n], at least one."""
        numbers = np.concatenate([poses.quaternion, poses.translation], axis=1)
        if self.static:
            self._replace(times_ns[-1:], numbers[-1:])
            return
        # What is older than the newest by more than the cache is of another run: time was set back.
        own = self.times
        newest = np.maximum.accumulate(np.concatenate([own[-1:], times_ns]))[-len(times_ns) :]
        back = np.flatnonzero(newest - times_ns > cache_ns)
        if len(back):
            first = int(back[0])
            if first:
                self.add(times_ns[:first], poses[:first], cache_ns)
            self._start = self._end = 0
            self.add(times_ns[first:], poses[first:], cache_ns)
            return
        if (len(own) and times_ns[0] <= own[-1]) or bool(np.any(np.diff(times_ns) <= 0)):
            self._merge(times_ns, numbers)
        else:
            self._append(times_ns, numbers)
        stale = int(np.searchsorted(self.times, self._times[self._end - 1] - cache_ns))
        if stale > 64:  # in blocks
            self._start += stale

    def _append(self, times_ns: Times, numbers: Array) -> None:
        n, kept = len(times_ns), self._end - self._start
        if self._end + n > len(self._times):
            times, table = self.times, self._numbers[self._start : self._end]
            size = 2 * (kept + n)
            self._times, self._numbers = np.zeros(size, np.int64), np.zeros((size, 7))
            self._times[:kept], self._numbers[:kept] = times, table
            self._start, self._end = 0, kept
        self._times[self._end : self._end + n] = times_ns
        self._numbers[self._end : self._end + n] = numbers
        self._end += n

    def _merge(self, times_ns: Times, numbers: Array) -> None:
        """Some are late; of those at one time the last one counts."""
        times = np.concatenate([self.times, times_ns])
        table = np.concatenate([self._numbers[self._start : self._end], numbers])
        order = np.argsort(times, kind="stable")
        times, table = times[order], table[order]
        last = np.append(times[1:] != times[:-1], True)
        self._replace(times[last], table[last])

    def _replace(self, times_ns: Times, numbers: Array) -> None:
        self._start = self._end = 0
        self._append(times_ns, numbers)

    def _pose(self, index: int | slice) -> SE3:
        numbers = self._numbers[self._start : self._end][index]
        return SE3(numbers[..., :4], numbers[..., 4:])

    def at(self, time_ns: int | None, tolerance_ns: int) -> SE3 | None:
        """The transform at a time (None: the newest), or None if its history does not reach there."""
        if self.static or time_ns is None:
            return self._pose(-1)
        times = self.times
        index = int(np.searchsorted(times, time_ns))
        if index == len(times):
            return self._pose(-1) if time_ns - int(times[-1]) <= tolerance_ns else None
        after = int(times[index])
        if after == time_ns:
            return self._pose(index)
        if index == 0:
            return self._pose(0) if after - time_ns <= tolerance_ns else None
        before = int(times[index - 1])
        return self._pose(index - 1).interpolate(self._pose(index), (time_ns - before) / (after - before))

    def at_all(self, times_ns: Times, tolerance_ns: int) -> tuple[SE3, NDArray[np.bool_]]:
        """Transforms at times [n], and which of them its history reaches."""
        if self.static or not len(times_ns):
            return self._pose(-1), np.ones(len(times_ns), dtype=np.bool_)
        own = self.times
        reached = (times_ns >= own[0] - tolerance_ns) & (times_ns <= own[-1] + tolerance_ns)
        asked = np.clip(times_ns, own[0], own[-1])
        low = max(int(np.searchsorted(own, asked.min())) - 1, 0)
        high = int(np.searchsorted(own, asked.max())) + 1
        return interpolate_at(own[low:high], self._pose(slice(low, high)), asked), reached


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
        self._extend(parent, child, np.array([time_ns], np.int64), tx_parent_child[None], static)

    def add_all(self, parent: str, child: str, times_ns: Times, tx_parent_child: SE3) -> None:
        """Take in moving transforms [n] of ``child`` seen from ``parent``, in the order in which they came."""
        parent, child = _name(parent), _name(child)
        good = (
            tx_parent_child.finite
            if parent and child and parent != child
            else np.zeros(len(times_ns), np.bool_)
        )
        self.refused += int(np.count_nonzero(~good))
        if good.any():
            self._extend(parent, child, times_ns[good], tx_parent_child[good], False)

    def _extend(self, parent: str, child: str, times_ns: Times, poses: SE3, static: bool) -> None:
        with self._lock:
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or edge.static != static:
                edge = self._edges[child] = _Edge(parent, static)
            edge.add(times_ns, poses, self._cache_ns)

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
        edges = self._moving_between(target, source) or ()
        return min((int(edge.times[-1]) for edge in edges), default=None)

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
