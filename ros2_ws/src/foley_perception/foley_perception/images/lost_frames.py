"""How many pictures are lost on their way, by the stamps of those that come."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from foley_common.times import NS_PER_S

_WINDOW_NS = 10 * NS_PER_S
_LEAST = 30  # frames of which it can be said
_TOLD = 0.05  # share that is lost, at least
_STEADY = 0.9  # share of intervals that are whole periods; else the camera's own rate varies
_NEAR = 0.25  # of a period


@dataclasses.dataclass(frozen=True)
class Loss:
    share: float  # of the frames that were sent
    sent_hz: float
    received_hz: float


class FrameLoss:
    """Watches the stamps of one topic of images."""

    def __init__(self) -> None:
        self._stamps: collections.deque[int] = collections.deque(maxlen=2000)

    def add(self, stamp_ns: int) -> None:
        """One image; what is not newer than the last begins anew."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            self._stamps.clear()
        self._stamps.append(stamp_ns)
        while stamp_ns - self._stamps[0] > _WINDOW_NS:
            self._stamps.popleft()

    def loss(self) -> Loss | None:
        """What of the last seconds is lost; None where nothing is, or nobody can say."""
        if len(self._stamps) < _LEAST:
            return None
        intervals = np.diff(np.array(self._stamps, dtype=np.int64)).astype(np.float64)
        short = intervals[intervals < 1.5 * np.quantile(intervals, 0.1)]
        period = float(np.median(short))
        periods = np.maximum(np.round(intervals / period), 1.0)
        if np.mean(np.abs(intervals / period - periods) < _NEAR) < _STEADY:
            return None
        share = 1.0 - len(intervals) / float(periods.sum())
        if share < _TOLD:
            return None
        sent_hz = NS_PER_S / period
        return Loss(share, sent_hz, sent_hz * (1.0 - share))
