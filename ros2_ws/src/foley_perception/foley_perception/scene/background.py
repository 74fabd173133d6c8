"""What stands behind the arm: the far depth of every pixel over the last seconds.

The arm and what it holds are nearer to the camera than what they cover, and they move. The farthest reading
of each pixel over a window is therefore the scene without the arm, once the arm has moved away from it at
least once.
"""

from __future__ import annotations

import collections

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Depth = NDArray[np.float32]
Levels = tuple[Depth, ...]

_RESET_NS = NS_PER_S  # an image this far before the newest means that time was set back


class FarEnvelope:
    """Keep a few depth images of the last seconds and their far envelope.

    :meth:`add` only stores. Looking at the envelope sums up what has come since, in two stacks of partial
    envelopes, so that a look costs a few passes over one image, however many are kept. An image older than the newest
    is late and left out, unless time was set back by more than a second: then the envelope starts anew.

    Args:
        window_s: images older than this are forgotten.
        frames: images kept within the window, spread over it.
        drop: this many of the farthest readings of a pixel are taken for noise.
    """

    def __init__(self, window_s: float = 12.0, frames: int = 24, drop: int = 1) -> None:
        if not window_s > 0 or frames < 1 or not 0 <= drop < frames:
            raise ValueError(
                f"window_s is {window_s}, frames {frames}, drop {drop}: "
                "need window_s > 0, frames >= 1 and 0 <= drop < frames"
            )
        self._window_ns = int(window_s * 1e9)
        self._spacing_ns = self._window_ns // frames
        self._drop = drop
        self._stored: collections.deque[tuple[int, Depth]] = collections.deque()  # not summed up yet
        self._old: list[tuple[int, Levels]] = []  # oldest last; each with all younger ones of this stack
        self._young: list[tuple[int, Depth]] = []  # newest last
        self._young_levels: Levels | None = None  # of all in `_young`
        self._kept_ns: int | None = None  # newest that is kept
        self._newest: tuple[int, Depth] | None = None
        self._cached: Depth | None = None
        self.late = 0  # images older than the newest: left out

    def add(self, time_ns: int, depth: Depth, arm: NDArray[np.bool_] | None = None) -> None:
        """Take in depth [H, W] in metres (NaN unknown); ``arm`` [H, W] marks pixels known to be arm."""
        image = np.asarray(depth, dtype=np.float32)
        if arm is not None:
            image = np.where(arm, np.float32(np.nan), image)
        if self._newest is not None:
            newest_ns, newest = self._newest
            if image.shape != newest.shape or newest_ns - time_ns > _RESET_NS:
                self.clear()  # another camera, or time was set back
            elif time_ns < newest_ns:
                self.late += 1
                return
        self._newest = (time_ns, image)
        self._cached = None
        if self._kept_ns is not None and time_ns - self._kept_ns < self._spacing_ns:
            return
        self._kept_ns = time_ns
        self._stored.append((time_ns, image))
        while time_ns - self._stored[0][0] > self._window_ns:
            self._stored.popleft()

    def clear(self) -> None:
        self._stored.clear()
        self._old.clear()
        self._young.clear()
        self._young_levels = self._kept_ns = self._newest = self._cached = None

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest image; None before the first."""
        return None if self._newest is None else self._newest[0]

    def depth(self) -> Depth | None:
        """Background [H, W] in metres, NaN where nothing was ever read; None before the first image."""
        if self._newest is None:
            return None
        if self._cached is None:
            self._sum_up()
            total = self._young_levels
            if self._old:
                older = self._old[-1][1]
                total = older if total is None else merged(older, total)
            if self._newest[0] != self._kept_ns:
                own = levels_of(self._newest[1], self._drop)
                total = own if total is None else merged(total, own)
            assert total is not None
            self._cached = far_of(total)
        return self._cached

    def _sum_up(self) -> None:
        while self._stored:
            time_ns, image = self._stored.popleft()
            self._young.append((time_ns, image))
            own = levels_of(image, self._drop)
            self._young_levels = own if self._young_levels is None else merged(self._young_levels, own)
        if self._kept_ns is not None:
            self._forget(self._kept_ns - self._window_ns)

    def _forget(self, before_ns: int) -> None:
        while True:
            if not self._old:
                if not self._young or self._young[0][0] >= before_ns:
                    return
                running: Levels | None = None
                for time_ns, image in reversed(self._young):
                    own = levels_of(image, self._drop)
                    running = own if running is None else merged(own, running)
                    self._old.append((time_ns, running))
                self._young.clear()
                self._young_levels = None
            if self._old[-1][0] >= before_ns:
                return
            self._old.pop()


def far_envelope(images: NDArray[np.float32], drop: int = 1) -> Depth:  # [n, H, W] -> [H, W]
    """The farthest reading of every pixel after the ``drop`` farthest; NaN where no image has one.

    Where a pixel has ``drop`` readings or fewer, its nearest stands: a rare reading is better than none.
    """
    total = levels_of(images[0], drop)
    for image in images[1:]:
        total = merged(total, levels_of(image, drop))
    return far_of(total)


def levels_of(image: Depth, drop: int) -> Levels:
    """The ``drop + 1`` farthest readings of one image, farthest first; -inf where there are fewer."""
    first = np.where(np.isfinite(image), image, np.float32(-np.inf))
    return (first, *(np.full(image.shape, -np.inf, dtype=np.float32) for _ in range(drop)))


def merged(a: Levels, b: Levels) -> Levels:
    """The farthest readings of two sets of images together."""
    result = list(a)
    for carried in b:
        for k, level in enumerate(result):  # insert into the farthest so far, in order
            result[k], carried = np.maximum(level, carried), np.minimum(level, carried)
    return tuple(result)


def far_of(levels: Levels) -> Depth:
    far = levels[0]
    for level in levels[1:]:
        far = np.where(np.isfinite(level), level, far)
    return np.where(np.isfinite(far), far, np.float32(np.nan)).astype(np.float32)
