"""What stands behind the arm: the far depth of every pixel over the last seconds.

The arm and what it holds are nearer to the camera than what they cover, and they move. The farthest reading
of each pixel over a window is therefore the scene without the arm, once the arm has moved away from it at
least once.
"""

from __future__ import annotations

import collections

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]


class BackgroundDepth:
    """Keep a few depth images of the last seconds and their far envelope.

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
        self._images: collections.deque[tuple[int, Depth]] = collections.deque()
        self._newest: tuple[int, Depth] | None = None
        self._cached: Depth | None = None

    def add(self, time_ns: int, depth: Depth, arm: NDArray[np.bool_] | None = None) -> None:
        """Take in depth [H, W] in metres (NaN unknown); ``arm`` [H, W] marks pixels known to be arm."""
        image = np.asarray(depth, dtype=np.float32)
        if arm is not None:
            image = np.where(arm, np.float32(np.nan), image)
        if self._newest is not None and (image.shape != self._newest[1].shape or time_ns < self._newest[0]):
            self.clear()  # another camera, or time was set back
        self._newest = (time_ns, image)
        self._cached = None
        if self._images and time_ns - self._images[-1][0] < self._spacing_ns:
            return
        self._images.append((time_ns, image))
        while time_ns - self._images[0][0] > self._window_ns:
            self._images.popleft()

    def clear(self) -> None:
        self._images.clear()
        self._newest = None
        self._cached = None

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest image; None before the first."""
        return None if self._newest is None else self._newest[0]

    def depth(self) -> Depth | None:
        """Background [H, W] in metres, NaN where nothing was ever read; None before the first image."""
        if self._newest is None:
            return None
        if self._cached is None:
            images = [image for _, image in self._images]
            if images[-1] is not self._newest[1]:
                images.append(self._newest[1])
            self._cached = far_envelope(np.stack(images), self._drop)
        return self._cached


def far_envelope(images: NDArray[np.float32], drop: int = 1) -> Depth:  # [n, H, W] -> [H, W]
    """The farthest reading of every pixel after the ``drop`` farthest; NaN where no image has one.

    Where a pixel has ``drop`` readings or fewer, its nearest stands: a rare reading is better than none.
    """
    levels = [np.full(images.shape[1:], -np.inf, dtype=np.float32) for _ in range(drop + 1)]
    for image in images:
        carried = np.where(np.isfinite(image), image, np.float32(-np.inf))
        for k, level in enumerate(levels):  # insert into the farthest so far, in order
            levels[k], carried = np.maximum(level, carried), np.minimum(level, carried)
    far = levels[0]
    for level in levels[1:]:
        far = np.where(np.isfinite(level), level, far)
    return np.where(np.isfinite(far), far, np.float32(np.nan)).astype(np.float32)
